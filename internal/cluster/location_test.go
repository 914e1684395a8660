// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

func location(name, provider string, config map[string]string) *velerov1.VolumeSnapshotLocation {
	return &velerov1.VolumeSnapshotLocation{
		ObjectMeta: inVelero(name),
		Spec:       velerov1.VolumeSnapshotLocationSpec{Provider: provider, Config: config},
	}
}

func backupIn(locations ...string) *velerov1.Backup {
	return &velerov1.Backup{ObjectMeta: inVelero("b"), Spec: velerov1.BackupSpec{VolumeSnapshotLocations: locations}}
}

func TestSnapshotLocation(t *testing.T) {
	t.Parallel()
	beijing := map[string]string{"region": "cn-beijing"}
	here := func(backup *velerov1.Backup) *cluster.Cluster {
		return cluster.New(newClient(t, backup,
			location("short", "alibabacloud", beijing),
			location("long", "velero.io/alibabacloud", beijing),
			location("bare", "alibabacloud", nil),
			location("files", "alibabacloud.com/hbr", map[string]string{"vaultName": "v"}),
			location("aws", "aws", map[string]string{"region": "us-east-1"}),
		), namespace)
	}
	tests := []struct {
		name     string
		backup   *velerov1.Backup
		provider string
		want     map[string]string
		wantErr  string
		notFound bool
	}{
		{name: "the only one", backup: backupIn("short"), provider: "alibabacloud", want: beijing},
		{name: "the one of the provider among others", backup: backupIn("aws", "files", "short"), provider: "alibabacloud", want: beijing},
		{name: "one whose provider is written in full", backup: backupIn("long"), provider: "alibabacloud", want: beijing},
		{name: "one that is asked for in full", backup: backupIn("short"), provider: "velero.io/alibabacloud", want: beijing},
		{name: "one of a provider of another domain", backup: backupIn("short", "files"), provider: "alibabacloud.com/hbr", want: map[string]string{"vaultName": "v"}},
		{name: "one without a configuration has an empty one", backup: backupIn("bare"), provider: "alibabacloud", want: map[string]string{}},
		{name: "one of another provider may be missing", backup: backupIn("gone", "short"), provider: "alibabacloud", want: beijing},
		{
			name: "one that is missing may have been it", backup: backupIn("gone", "aws"), provider: "alibabacloud", notFound: true,
			wantErr: "the Backup b was made with a location that is not there: reading the VolumeSnapshotLocation backups/gone: " +
				`volumesnapshotlocations.velero.io "gone" not found`,
		},
		{
			name: "a Backup without one of the provider", backup: backupIn("aws"), provider: "alibabacloud",
			wantErr: "no VolumeSnapshotLocation of the provider alibabacloud in the Backup b",
		},
		{
			name: "a Backup that is gone", backup: &velerov1.Backup{ObjectMeta: inVelero("other")}, provider: "alibabacloud", notFound: true,
			wantErr: `reading the Backup backups/b: backups.velero.io "b" not found`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := here(tt.backup).SnapshotLocation(t.Context(), "b", tt.provider)
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr || apierrors.IsNotFound(err) != tt.notFound {
					t.Errorf("SnapshotLocation() error = %v, want %s (not found: %t)", err, tt.wantErr, tt.notFound)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("SnapshotLocation() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSnapshotLocationOfABackupInHand(t *testing.T) {
	t.Parallel()
	// The Backup itself is not there.
	here := cluster.New(newClient(t, location("files", "alibabacloud.com/hbr", map[string]string{"vaultName": "v"})), namespace)
	got, err := here.SnapshotLocationOf(t.Context(), backupIn("files"), "alibabacloud.com/hbr")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"vaultName": "v"}, got); diff != "" {
		t.Errorf("SnapshotLocationOf() differs (-want +got):\n%s", diff)
	}
	if _, err := here.SnapshotLocationOf(t.Context(), backupIn("files"), "alibabacloud"); !errors.Is(err, cluster.ErrNoLocation) {
		t.Errorf("SnapshotLocationOf() error = %v, want ErrNoLocation", err)
	}
}

// withCredential returns a cluster whose location has a credential in a Secret.
func withCredential(t *testing.T) (here *cluster.Cluster, set func(value string)) {
	t.Helper()
	place := location("default", "alibabacloud", map[string]string{"region": "cn-beijing", "credentialsFile": "/elsewhere"})
	place.Spec.Credential = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}, Key: "cloud"}
	secret := &corev1.Secret{ObjectMeta: inVelero("keys"), Data: map[string][]byte{"cloud": []byte("first")}}
	api := newClient(t, backupIn("default"), place, secret)
	return cluster.New(api, namespace), func(value string) {
		secret.Data["cloud"] = []byte(value)
		if err := api.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSnapshotLocationWithCredential is not parallel, for the temporary folder is
// the process's.
func TestSnapshotLocationWithCredential(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	root := filepath.Join(os.TempDir(), "velero-plugin-alibabacloud-credentials")
	// Left by an administrator's careless copy: readable for all.
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	here, set := withCredential(t)
	want := map[string]string{"region": "cn-beijing", "credentialsFile": filepath.Join(root, namespace, "keys", "cloud")}
	var infos []fs.FileInfo
	for _, value := range []string{"first", "first", "second"} {
		set(value)
		got, err := here.SnapshotLocation(t.Context(), "b", "alibabacloud")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("SnapshotLocation() differs (-want +got):\n%s", diff)
		}
		content, err := os.ReadFile(want["credentialsFile"])
		if err != nil || string(content) != value {
			t.Errorf("the file has %q, %v, want %q", content, err, value)
		}
		info, err := os.Stat(want["credentialsFile"])
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	if !os.SameFile(infos[0], infos[1]) || os.SameFile(infos[1], infos[2]) {
		t.Error("the file is to be replaced when the Secret changes, and only then")
	}
	checkPrivate(t, root, 4)
}

// checkPrivate compares modes and the number of what is in a folder, itself included.
func checkPrivate(t *testing.T, root string, wantEntries int) {
	t.Helper()
	entries := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %o, which lets others in", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if entries != wantEntries {
		t.Errorf("%d files and folders are there, want %d", entries, wantEntries)
	}
}

// TestSnapshotLocationWithoutCredential is not parallel, for the temporary folder
// is the process's.
func TestSnapshotLocationWithoutCredential(t *testing.T) {
	const name = "velero-plugin-alibabacloud-credentials"
	tests := []struct {
		name    string
		prepare func(t *testing.T, tmp string)
		want    string
	}{
		{
			name: "a link in place of the folder is refused, wherever it leads",
			prepare: func(t *testing.T, tmp string) {
				t.Helper()
				if err := os.Symlink(t.TempDir(), filepath.Join(tmp, name)); err != nil {
					t.Fatal(err)
				}
			},
			want: name + " is not a folder",
		},
		{
			name: "a temporary folder that is not there is named",
			prepare: func(t *testing.T, tmp string) {
				t.Helper()
				if err := os.Remove(tmp); err != nil {
					t.Fatal(err)
				}
			},
			want: "making a folder for credentials",
		},
		{
			name: "a file in place of the Secret's folder is named",
			prepare: func(t *testing.T, tmp string) {
				t.Helper()
				write(t, filepath.Join(tmp, name, namespace, "keys"))
			},
			want: "making a folder for credentials",
		},
		{
			name: "a folder in place of the file is named",
			prepare: func(t *testing.T, tmp string) {
				t.Helper()
				write(t, filepath.Join(tmp, name, namespace, "keys", "cloud", "file"))
			},
			want: "writing a file of credentials",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := filepath.Join(t.TempDir(), "tmp")
			if err := os.Mkdir(tmp, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TMPDIR", tmp)
			tt.prepare(t, tmp)
			here, _ := withCredential(t)
			_, err := here.SnapshotLocation(t.Context(), "b", "alibabacloud")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "the credential of the VolumeSnapshotLocation default") {
				t.Errorf("SnapshotLocation() error = %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// write makes a file and its folders.
func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotLocationWithoutItsSecret(t *testing.T) {
	t.Parallel()
	place := location("default", "alibabacloud", nil)
	place.Spec.Credential = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "gone"}, Key: "cloud"}
	_, err := cluster.New(newClient(t, backupIn("default"), place), namespace).SnapshotLocation(t.Context(), "b", "alibabacloud")
	want := `the credential of the VolumeSnapshotLocation default: reading the Secret backups/gone: secrets "gone" not found`
	if !apierrors.IsNotFound(err) || err.Error() != want {
		t.Errorf("SnapshotLocation() error = %v, want %s", err, want)
	}
}
