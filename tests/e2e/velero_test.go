//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
)

const (
	veleroNamespace = "velero"
	// trustedCAs is the ConfigMap of the authority by which the simulated cloud's endpoints are certified.
	trustedCAs = "trusted-cas"
	// nonRoot is the user of the plugin's image.
	nonRoot = 65532

	// veleroTimeout bounds the wait for what Velero does with one object.
	veleroTimeout = 5 * time.Minute
	// syncTimeout bounds the wait for a backup of another cluster: Velero looks for them once a minute
	// (backupSyncReconcilePeriod).
	syncTimeout = 3 * time.Minute
)

// installation says how Velero is installed.
type installation struct {
	// bucket and prefix are those of the default location.
	bucket, prefix string
	// args are added to those of `velero install`.
	args []string
	// locationConfig is added to the configuration of the default location, as key=value.
	locationConfig []string
	// snapshotConfig is added to that of the location of disks, filesConfig to that of the location of file systems.
	snapshotConfig, filesConfig []string
	// credentials are the content of the credentials file, by default credentialsFile.
	credentials string
	// nodeAgent runs Velero's node agent, whose Pods are not restricted.
	nodeAgent bool
}

// install installs Velero with the plugin as the README says, with locations for disks and for file systems, and makes of it
// what a cluster with restricted Pods and a proxy to the outside asks for. It returns when the default location is
// Available.
func (s *site) install(t *testing.T, in installation) {
	t.Helper()
	credentials := filepath.Join(t.TempDir(), "credentials")
	must(t, os.WriteFile(credentials, []byte(cmp.Or(in.credentials, credentialsFile())), 0o600))
	args := []string{
		"install", "--image", images.Velero, "--provider", "alibabacloud", "--plugins", images.Plugin,
		"--bucket", in.bucket, "--prefix", in.prefix, "--secret-file", credentials,
		"--backup-location-config", strings.Join(append([]string{"region=" + homeRegion}, in.locationConfig...), ","),
		"--snapshot-location-config", strings.Join(append([]string{"region=" + s.region}, in.snapshotConfig...), ","),
		"--garbage-collection-frequency", "10s",
		"--velero-pod-cpu-request", "10m", // two nodes share few cores
	}
	if in.nodeAgent {
		args = append(args, "--use-node-agent", "--privileged-node-agent", "--kubelet-root-dir", s.KubeletDir)
	}
	s.velero(t, append(args, in.args...)...)
	s.velero(t, "snapshot-location", "create", "files", "--provider", "alibabacloud.com/hbr", "--credential", "cloud-credentials=cloud",
		"--config", strings.Join(append([]string{"region=" + s.region}, in.filesConfig...), ","))
	s.adapt(t, in)
	s.awaitLocation(t, "default")
}

// adapt does what `velero install` has no flags for: the proxy and its authority, Pods that keep to the restricted Pod
// Security Standard, and timers that do not keep tests waiting.
func (s *site) adapt(t *testing.T, in installation) {
	t.Helper()
	s.create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.veleroNamespace(), Name: trustedCAs},
		Data:       map[string]string{"ca.pem": s.cloud.authority(t)},
	})
	deployment := &appsv1.Deployment{ObjectMeta: s.inVelero("velero")}
	s.change(t, deployment, func() {
		deployment.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		pod := &deployment.Spec.Template.Spec
		s.behindProxy(pod)
		restrict(pod)
		withScratch(pod)
		server := &pod.Containers[0]
		server.Args = append(server.Args, "--item-operation-sync-frequency=2s", "--store-validation-frequency=10s", "--concurrent-backups=4",
			"--terminating-resource-timeout=1m", "--log-level=debug")
	})
	if in.nodeAgent {
		agent := &appsv1.DaemonSet{ObjectMeta: s.inVelero("node-agent")}
		s.change(t, agent, func() { s.behindProxy(&agent.Spec.Template.Spec) })
		// An agent that is replaced leaves what it has accepted for half an hour (its --data-mover-prepare-timeout).
		s.awaitAgents(t, agent)
	} else {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.veleroNamespace()}}
		s.change(t, namespace, func() {
			for _, mode := range []string{"enforce", "audit", "warn"} {
				namespace.Labels["pod-security.kubernetes.io/"+mode] = "restricted"
			}
		})
	}
	s.awaitRollout(t, deployment)
}

// behindProxy gives containers the way to the simulated cloud.
func (s *site) behindProxy(pod *corev1.PodSpec) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: trustedCAs, VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: trustedCAs}},
	}})
	for i := range pod.Containers {
		c := &pod.Containers[i]
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: trustedCAs, MountPath: "/etc/ssl/trusted", ReadOnly: true})
		c.Env = append(c.Env, s.proxyEnvironment()...)
		c.Env = append(c.Env, corev1.EnvVar{Name: "SSL_CERT_FILE", Value: "/etc/ssl/trusted/ca.pem"})
	}
}

// proxyEnvironment is that of a process in the cluster.
func (s *site) proxyEnvironment() []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "HTTPS_PROXY", Value: s.proxyURL},
		{Name: "HTTP_PROXY", Value: s.proxyURL},
		{Name: "NO_PROXY", Value: "10.0.0.0/8,.svc,.cluster.local"},
		// The nodes are no instances of ECS that know of themselves.
		{Name: "ALIBABA_CLOUD_ECS_METADATA_ENDPOINT", Value: "http://127.0.0.1:1"},
	}
}

// restrict makes the Pods keep to the restricted Pod Security Standard, with a root filesystem that is read only.
func restrict(pod *corev1.PodSpec) {
	pod.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(nonRoot)), RunAsGroup: new(int64(nonRoot)), FSGroup: new(int64(nonRoot)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			containers[i].SecurityContext = &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}
		}
	}
}

// withScratch gives the server a folder that can be written to: it keeps credentials and downloads in /tmp, go-plugin
// its sockets, and kopia settings in the home.
func withScratch(pod *corev1.PodSpec) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	server := &pod.Containers[0]
	server.VolumeMounts = append(server.VolumeMounts, corev1.VolumeMount{Name: "tmp", MountPath: "/tmp"})
	server.Env = append(server.Env, corev1.EnvVar{Name: "HOME", Value: "/tmp"})
}

// awaitLocation waits until Velero can use a location.
func (s *site) awaitLocation(t *testing.T, name string) {
	t.Helper()
	location := &velerov1.BackupStorageLocation{ObjectMeta: s.inVelero(name)}
	s.eventually(t, veleroTimeout, "the location "+name+" to be Available", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(location), location); err != nil {
			return err
		}
		if location.Status.Phase != velerov1.BackupStorageLocationPhaseAvailable {
			return fmt.Errorf("it is %q: %s", location.Status.Phase, location.Status.Message)
		}
		return nil
	})
}

// velero runs the Velero CLI against the cluster, from where the cloud is reached as from the cluster, and returns its
// standard output.
func (s *site) velero(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.tryVelero(t.Context(), args...)
	must(t, err)
	return out
}

func (s *site) tryVelero(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.cli, slices.Concat([]string{"--kubeconfig=" + s.Kubeconfig, "--namespace=" + s.veleroNamespace()}, args)...)
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+s.cloud.ProxyURL(), "NO_PROXY=10.0.0.0/8", "SSL_CERT_FILE="+s.cloud.Addresses().CAFile)
	out, err := process.Output(cmd)
	if err != nil {
		return out, fmt.Errorf("velero %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// isEnd says whether nothing goes on in a phase of a backup or a restore. The time of its end says less: one that a restart has
// ended has none, and one that is being finalized has one.
func isEnd[Phase velerov1.BackupPhase | velerov1.RestorePhase](phase Phase) bool {
	switch velerov1.BackupPhase(phase) { // Restores end in phases of the same names.
	case velerov1.BackupPhaseCompleted, velerov1.BackupPhasePartiallyFailed, velerov1.BackupPhaseFailed, velerov1.BackupPhaseFailedValidation:
		return true
	default:
		return false
	}
}

// backup makes a backup and waits until it is Completed.
func (s *site) backup(t *testing.T, name string, args ...string) *velerov1.Backup {
	t.Helper()
	s.velero(t, append([]string{"backup", "create", name}, args...)...)
	return s.awaitBackup(t, name, velerov1.BackupPhaseCompleted)
}

// awaitBackup waits for the end of a backup and fails unless it ended in phase.
func (s *site) awaitBackup(t *testing.T, name string, phase velerov1.BackupPhase) *velerov1.Backup {
	t.Helper()
	backup := s.awaitEnd(t, name)
	if backup.Status.Phase != phase {
		t.Fatalf("the backup %s is %s, want %s\n%s", name, backup.Status.Phase, phase, s.describe(t.Context(), "backup", name))
	}
	return backup
}

// awaitEnd waits for the end of a backup.
func (s *site) awaitEnd(t *testing.T, name string) *velerov1.Backup {
	t.Helper()
	backup := &velerov1.Backup{ObjectMeta: s.inVelero(name)}
	s.eventually(t, veleroTimeout, "the end of backup "+name, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(backup), backup); err != nil {
			return err
		}
		if !isEnd(backup.Status.Phase) {
			return fmt.Errorf("it is %q", backup.Status.Phase)
		}
		return nil
	})
	return backup
}

// restore makes a restore and waits until it is Completed.
func (s *site) restore(t *testing.T, name, backup string, args ...string) {
	t.Helper()
	s.velero(t, append([]string{"restore", "create", name, "--from-backup", backup}, args...)...)
	s.awaitRestore(t, name, velerov1.RestorePhaseCompleted)
}

// awaitRestore waits for the end of a restore and fails unless it ended in phase.
func (s *site) awaitRestore(t *testing.T, name string, phase velerov1.RestorePhase) {
	t.Helper()
	restore := &velerov1.Restore{ObjectMeta: s.inVelero(name)}
	s.eventually(t, veleroTimeout, "the end of restore "+name, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(restore), restore); err != nil {
			return err
		}
		if !isEnd(restore.Status.Phase) {
			return fmt.Errorf("it is %q", restore.Status.Phase)
		}
		return nil
	})
	if restore.Status.Phase != phase {
		t.Fatalf("the restore %s is %s, want %s\n%s", name, restore.Status.Phase, phase, s.describe(t.Context(), "restore", name))
	}
}

// configure gives an action of restores its settings.
func (s *site) configure(t *testing.T, action string, settings map[string]string) {
	t.Helper()
	object := &corev1.ConfigMap{ObjectMeta: s.inVelero(action), Data: settings}
	object.Labels = map[string]string{"velero.io/plugin-config": "", "alibabacloud.com/" + action: "RestoreItemAction"}
	s.create(t, object)
}

// deleteBackup deletes a backup with all that it has in the cloud.
func (s *site) deleteBackup(t *testing.T, name string) {
	t.Helper()
	s.velero(t, "backup", "delete", name, "--confirm")
	s.awaitBackupGone(t, name)
}

// awaitBackupGone waits until a backup is deleted with all that it has in the cloud.
func (s *site) awaitBackupGone(t *testing.T, name string) {
	t.Helper()
	backup := &velerov1.Backup{ObjectMeta: s.inVelero(name)}
	s.eventually(t, veleroTimeout, "the end of backup "+name, func(ctx context.Context) error {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(backup), backup)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		requests := &velerov1.DeleteBackupRequestList{}
		if err := s.Client.List(ctx, requests, client.InNamespace(s.veleroNamespace())); err != nil {
			return err
		}
		for _, request := range requests.Items {
			if request.Spec.BackupName == name && len(request.Status.Errors) > 0 {
				return fmt.Errorf("it is %s: %v", backup.Status.Phase, request.Status.Errors)
			}
		}
		return fmt.Errorf("it is %s", backup.Status.Phase)
	})
}

// describe returns what a user sees of a backup or a restore.
func (s *site) describe(ctx context.Context, kind, name string) string {
	description, err := s.tryVelero(ctx, kind, "describe", name, "--details")
	if err != nil {
		description += err.Error()
	}
	logs, err := s.tryVelero(ctx, kind, "logs", name)
	if err != nil {
		logs = err.Error()
	}
	var told []string
	for line := range strings.Lines(logs) {
		if strings.Contains(line, "level=error") || strings.Contains(line, "level=warning") {
			told = append(told, line)
		}
	}
	return description + strings.Join(told, "")
}

// awaitSynced waits until the cluster knows a backup of another.
func (s *site) awaitSynced(t *testing.T, name string) {
	t.Helper()
	s.eventually(t, syncTimeout, "the backup "+name+" to be synced", func(ctx context.Context) error {
		return s.Client.Get(ctx, client.ObjectKeyFromObject(&velerov1.Backup{ObjectMeta: s.inVelero(name)}), &velerov1.Backup{})
	})
}

// beside is the same cluster as it is to a Velero of its own in another namespace, with locations of its own.
func (s *site) beside(namespace string) *site {
	other := *s
	other.namespace = namespace
	return &other
}

// veleroNamespace is where Velero is.
func (s *site) veleroNamespace() string { return cmp.Or(s.namespace, veleroNamespace) }

// inVelero is the metadata of an object in Velero's namespace.
func (s *site) inVelero(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.veleroNamespace(), Name: name}
}

// inVelero is the metadata of an object in Velero's namespace.
func inVelero(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: veleroNamespace, Name: name}
}
