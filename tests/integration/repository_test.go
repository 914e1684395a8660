// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/s3"
)

// awsProfile is a section of a credentials file that the plugin and Velero's kopia both read.
func awsProfile(name string, key cloudsim.AccessKey) string {
	return fmt.Sprintf("[%s]\naws_access_key_id=%s\naws_secret_access_key=%s\n", name, key.ID, key.Secret)
}

// testFileSystemBackup has Velero's own file-system backup and restore work in a location of this plugin: from one
// credentials file the plugin signs requests to OSS, and kopia those to the S3 interface.
func (s *suite) testFileSystemBackup(t *testing.T) {
	t.Parallel()
	wrong := cloudsim.AccessKey{ID: "LTAIofnobody", Secret: "no-secret"}
	for _, c := range []struct {
		name string
		// file is the credentials file for a key.
		file   func(cloudsim.AccessKey) string
		config map[string]string
	}{
		{
			name: "default-profile",
			file: func(key cloudsim.AccessKey) string { return awsProfile("default", key) },
		},
		{
			name: "named-profile",
			file: func(key cloudsim.AccessKey) string {
				return awsProfile("default", wrong) + awsProfile("backup", key)
			},
			config: map[string]string{"profile": "backup"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := s.newVaultWithoutLocation(t, c.name, c.file)
			files := s3.New(v.bucket, region, v.key)
			server := httptest.NewTLSServer(files)
			t.Cleanup(server.Close)
			config := map[string]string{"s3Url": server.URL, "s3ForcePathStyle": "false", "resticRepoPrefix": "ignored"}
			maps.Copy(config, c.config)
			v.createLocation(t, vaultOptions{config: config, location: func(l *velerov1.BackupStorageLocation) {
				l.Spec.ObjectStorage.CACert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			}})
			v.waitAvailable(t)
			s.newNamespace(t, c.name)
			v.completedBackup(t, c.name, c.name)
			wantEqual(t, "who asked OSS for the bucket", v.callers(), []string{v.key.ID})

			v.waitRepository(t, c.name, velerov1.BackupRepositoryPhaseReady)
			v.backUpAndRestoreFiles(t, c.name)
			wantEqual(t, "refused requests of the S3 interface", files.Refusals(), []string{})
			keys := files.Keys()
			if err := wantText(strings.Join(keys, "\n"), prefix+"/kopia/"+c.name+"/kopia.repository"); err != nil {
				t.Error(err)
			}
			for _, key := range keys {
				if !strings.HasPrefix(key, prefix+"/kopia/"+c.name+"/") {
					t.Errorf("the repository has put %s into the bucket, which is outside of its folder", key)
				}
			}
		})
	}
}

// testRepositoryAddressesOSS has Velero look for repositories at the S3 endpoint of OSS, where every request must name
// the bucket in the host (OSS documentation, "Compatibility with Amazon S3"). The simulated OSS has no S3 interface and
// refuses the requests, which are to be seen in its journal all the same.
func (s *suite) testRepositoryAddressesOSS(t *testing.T) {
	t.Parallel()
	const endpoint = "s3.oss-cn-hangzhou.aliyuncs.com"
	var want []string
	for _, forced := range []string{"false", "true"} {
		name := "path-style-" + forced
		v := s.newVaultWithoutLocation(t, name, func(key cloudsim.AccessKey) string { return awsProfile("default", key) })
		v.createLocation(t, vaultOptions{config: realEndpoints(map[string]string{
			"s3Url": "https://" + endpoint, "s3ForcePathStyle": forced,
		})})
		v.waitAvailable(t)
		v.waitRepository(t, name, velerov1.BackupRepositoryPhaseNotReady)
		want = append(want, v.bucket+"."+endpoint)
	}
	var hosts []string
	for _, request := range s.cloud.Journal().Entries() {
		if strings.HasSuffix(request.Host, endpoint) && request.TLS {
			hosts = append(hosts, request.Host)
		}
	}
	// Velero looks for each of them again, now and then.
	slices.Sort(hosts)
	slices.Sort(want)
	wantEqual(t, "the hosts to which requests for a repository went over TLS", slices.Compact(hosts), want)
}

// newVaultWithoutLocation creates the bucket, the user and the Secret, whose credentials file is for the user's key.
func (s *suite) newVaultWithoutLocation(t *testing.T, name string, file func(cloudsim.AccessKey) string) *vault {
	t.Helper()
	v := &vault{suite: s, name: name, account: accountID, bucket: "cnfs-oss-" + name}
	v.createBucket(t, oss.BucketConfig{})
	v.createUser(t, vaultOptions{})
	v.key = v.newKey(t)
	v.writeSecret(t, file(v.key))
	return v
}

// waitRepository creates the repository of a namespace's volumes, as Velero does before it backs the first of them up,
// and waits until the server has come to a phase.
func (v *vault) waitRepository(t *testing.T, namespace string, want velerov1.BackupRepositoryPhase) {
	t.Helper()
	repository := &velerov1.BackupRepository{
		ObjectMeta: inVelero(namespace + "-" + v.name + "-kopia"),
		Spec: velerov1.BackupRepositorySpec{
			VolumeNamespace: namespace, BackupStorageLocation: v.name, RepositoryType: velerov1.BackupRepositoryTypeKopia,
		},
	}
	// By these labels Velero finds a repository (repoLabelsFromKey in pkg/repository/backup_repo_op.go).
	repository.Labels = map[string]string{
		velerov1.VolumeNamespaceLabel: namespace, velerov1.StorageLocationLabel: v.name,
		velerov1.RepositoryTypeLabel: velerov1.BackupRepositoryTypeKopia,
	}
	v.create(t, repository)
	eventually(t, "the repository of "+namespace+" to be "+string(want), func(ctx context.Context) error {
		if err := v.get(ctx, repository.Name, repository); err != nil {
			return err
		}
		switch phase := repository.Status.Phase; phase {
		case want:
			return nil
		case "", velerov1.BackupRepositoryPhaseNew:
			return errors.New("the server has not come to it")
		default:
			return poll.Permanent(fmt.Errorf("it is %s: %s", phase, repository.Status.Message))
		}
	})
}

// backUpAndRestoreFiles does what Velero's node agent does for a volume of a Pod: it runs the programs that read and write
// the files, for a directory of this machine. The agent itself needs a node.
func (v *vault) backUpAndRestoreFiles(t *testing.T, namespace string) {
	t.Helper()
	source, target := t.TempDir(), t.TempDir()
	writeFiles(t, source)
	pod := corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: "files-0"}
	backup := &velerov1.PodVolumeBackup{
		ObjectMeta: inVelero(v.name + "-backup"),
		Spec: velerov1.PodVolumeBackupSpec{
			Pod: pod, Volume: "files", BackupStorageLocation: v.name, UploaderType: velerov1.BackupRepositoryTypeKopia,
		},
		Status: velerov1.PodVolumeBackupStatus{Phase: velerov1.PodVolumeBackupPhaseInProgress},
	}
	v.create(t, backup)
	var done struct {
		SnapshotID string `json:"snapshotID"`
	}
	v.runDataPath(t, backup, &done, "backup", "--pod-volume-backup="+backup.Name, "--volume-path="+source)

	restore := &velerov1.PodVolumeRestore{
		ObjectMeta: inVelero(v.name + "-restore"),
		Spec: velerov1.PodVolumeRestoreSpec{
			Pod: pod, Volume: "files", BackupStorageLocation: v.name, UploaderType: velerov1.BackupRepositoryTypeKopia,
			SnapshotID: done.SnapshotID, SourceNamespace: namespace,
		},
		Status: velerov1.PodVolumeRestoreStatus{Phase: velerov1.PodVolumeRestorePhaseInProgress},
	}
	v.create(t, restore)
	v.runDataPath(t, restore, &struct{}{}, "restore", "--pod-volume-restore="+restore.Name, "--volume-path="+target)
	wantEqual(t, "the restored files", readFiles(t, target), readFiles(t, source))
}

// runDataPath runs "velero pod-volume" as the node agent does, and reads into result what it says at its end.
func (v *vault) runDataPath(t *testing.T, object client.Object, result any, args ...string) {
	t.Helper()
	keepTerminationLog(t)
	// Its exit code is that of writing the container's termination log. What has come of it is an event.
	_, failure := v.tryCLI(t.Context(), append([]string{"pod-volume", "--resource-timeout=1m"}, args...)...)
	eventually(t, "the end of pod-volume "+args[0], func(ctx context.Context) error {
		var events corev1.EventList
		err := v.cp.Client.List(ctx, &events, client.InNamespace(controlplane.VeleroNamespace),
			client.MatchingFields{"involvedObject.uid": string(object.GetUID())})
		if err != nil {
			return err
		}
		var said []string
		for _, event := range events.Items {
			if event.Reason == "Data-Path-Completed" { // pkg/datapath/micro_service_watcher.go
				return json.Unmarshal([]byte(event.Message), result)
			}
			said = append(said, event.Reason+": "+event.Message)
		}
		return fmt.Errorf("it has said %q; %w", said, failure)
	})
}

// keepTerminationLog removes at the end of the test what the program has written to the file of its container's last
// words, unless the machine had that file before.
func keepTerminationLog(t *testing.T) {
	t.Helper()
	const path = "/dev/termination-log" // ExitPodWithMessage in pkg/util/kube/pod.go
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}

// writeFiles puts a file, one in a directory, an empty one and a symbolic link into a directory.
func writeFiles(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "deep", "er"), 0o750))
	must(t, os.WriteFile(filepath.Join(dir, "a name with spaces, und Umlauten äöü"), []byte("tea\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "deep", "er", "large"), incompressible("", 0).Data["content"], 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "deep", "empty"), nil, 0o644))
	must(t, os.Symlink("deep/er/large", filepath.Join(dir, "link")))
}

// readFiles returns what is in a directory: the mode of each, and the content of files and links, by their paths.
func readFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content string
		switch {
		case info.Mode().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			content = string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
		}
		files[strings.TrimPrefix(path, dir+"/")] = info.Mode().String() + " " + content
		return err
	}))
	return files
}
