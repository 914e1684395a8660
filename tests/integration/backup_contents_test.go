// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// skipUnmounted is the label of a Backup that leaves out the data of what no Pod mounts.
const skipUnmounted = "alibabacloud.com/skip-unmounted-volumes=true"

// contentsBench is a cluster with an application that needs what is in other namespaces, and with a volume of the cluster's
// own in kube-system.
type contentsBench struct {
	*fileBench

	// disk and media are volumes of the application that Pods mount, nas and archive are such that none does.
	disk, media, nas, archive *fileVolume
	// registry is a disk that a Pod in kube-system mounts.
	registry *fileVolume
}

// testBackupContents looks at what item actions take into backups and leave out, and at what comes back of it.
func (s *fileSuite) testBackupContents(t *testing.T) {
	b := s.newContentsBench(t)
	t.Run("a backup of everything leaves out what is the cluster's, and the data that nobody mounts", b.testEverything)
	t.Run("a backup that names namespaces has these, and what they need of others", b.testNamedNamespaces)
	t.Run("what came along is restored with what needs it, and looked for where it is restored to", b.testRestoredContents)
	t.Run("settings for a backup keep what is the cluster's, and drop what nobody mounts", b.testSettings)
	t.Run("settings that cannot be read leave nothing out, and are one error", b.testUnreadableSettings)
	b.settle(t)
}

func (s *fileSuite) newContentsBench(t *testing.T) *contentsBench {
	t.Helper()
	b := &contentsBench{fileBench: s.newWaitBench(t, "shop")}
	s.newNamespace(t, "infra")
	s.newNamespace(t, "csdr")
	for _, object := range readObjects(t, "backup-contents.yaml", "SECRET", s.secrets.keep("the-secret-key-of-volumes")) {
		s.create(t, object)
	}
	media, archive := onOSS("shop/media"), onOSS("shop/archive")
	media.CSI.NodePublishSecretRef = &corev1.SecretReference{Namespace: "infra", Name: "oss"}
	media.CSI.NodeExpandSecretRef = &corev1.SecretReference{Namespace: "infra", Name: "expand"}
	archive.CSI.NodePublishSecretRef = &corev1.SecretReference{Namespace: metav1.NamespaceSystem, Name: "oss"}

	b.disk = b.newDiskVolume(t, "disk")
	b.media = b.createFileVolume(t, "media", media, fileOptions{mounted: true})
	b.nas = b.createFileVolume(t, "nas", onNAS("shop/nas"), fileOptions{})
	b.archive = b.createFileVolume(t, "archive", archive, fileOptions{})
	b.registry = b.in(metav1.NamespaceSystem).newDiskVolume(t, "registry")
	for _, v := range []*fileVolume{b.disk, b.media, b.nas, b.archive, b.registry} {
		v.waitBound(t, v.bench.name)
	}
	for _, v := range []*fileVolume{b.disk, b.media, b.registry} {
		b.waitRunning(t, v.bench.name, v.name)
	}
	return b
}

// contents is what is in a backup.
type contents struct {
	status velerov1.BackupStatus
	// objects are secrets/infra/oss, persistentvolumes/shop-disk and so on.
	objects []string
	// takenBy tells who has the data of which PersistentVolumes.
	takenBy map[string]string
	// told are the warnings and errors, but for what Velero warns of each volume that a snapshotter leaves alone.
	told, logs string
}

// contents makes a backup of namespaces, and returns what is in it. args are added.
func (b *contentsBench) contents(t *testing.T, name, namespaces string, args ...string) contents {
	t.Helper()
	backup := b.backup(t, name, namespaces, append([]string{"--volume-snapshot-locations", b.disks + "," + b.name}, args...)...)
	found := contents{status: backup.Status, takenBy: takenBy(b.snapshots(t, name)), logs: b.logs(t, name)}
	found.told = withoutLines(warningsAndErrors(found.logs), "No volume ID returned by volume snapshotter")
	file := regexp.MustCompile(`^resources/([^/]+)/(?:namespaces|cluster)/(.+)\.json$`)
	for _, entry := range b.entries(t, name) {
		if parts := file.FindStringSubmatch(entry); parts != nil {
			found.objects = append(found.objects, parts[1]+"/"+parts[2])
		}
	}
	return found
}

// wantCompleted fails unless the backup is Completed, and has warned of nothing but volumes that are left alone.
func (c contents) wantCompleted(t *testing.T) {
	t.Helper()
	if c.status.Phase != velerov1.BackupPhaseCompleted || c.told != "" {
		t.Errorf("the backup is %s: %v\n%s", c.status.Phase, c.status.ValidationErrors, c.told)
	}
}

// want fails unless the backup has these objects, and not those.
func (c contents) want(t *testing.T, with []string, without ...string) {
	t.Helper()
	found := slices.DeleteFunc(slices.Concat(with, without), func(object string) bool { return !slices.Contains(c.objects, object) })
	wantEqual(t, "what is in the backup", found, with)
}

// ofSystem are the objects in system namespaces, and the Namespaces themselves.
func (c contents) ofSystem() []string {
	found := []string{}
	for _, object := range c.objects {
		switch strings.Split(object, "/")[1] {
		case metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease, "csdr", controlplane.VeleroNamespace:
			found = append(found, object)
		}
	}
	return found
}

// objectsOf are the PersistentVolume and the claim of a volume whose claim is in a namespace.
func objectsOf(v *fileVolume, namespace string) []string {
	return []string{"persistentvolumes/" + v.pv.Name, "persistentvolumeclaims/" + namespace + "/" + v.name}
}

// application are the objects of the application in a namespace, as far as actions decide on them, but for those of the
// volume archive.
func (b *contentsBench) application(namespace string) []string {
	objects := []string{
		"pods/" + namespace + "/disk", "pods/" + namespace + "/media",
		"ingresses.networking.k8s.io/" + namespace + "/web", "ingresses.networking.k8s.io/" + namespace + "/legacy",
		"ingressclasses.networking.k8s.io/alb", "albconfigs.alibabacloud.com/alb",
		"secrets/infra/oss", "secrets/kube-system/oss",
	}
	for _, v := range []*fileVolume{b.disk, b.media, b.nas} {
		objects = append(objects, objectsOf(v, namespace)...)
	}
	return objects
}

// keptOut is the Secret whose label keeps it out of backups.
const keptOut = "secrets/infra/expand"

// kubeSystem are some of the objects of kube-system.
func (b *contentsBench) kubeSystem() []string {
	return append(objectsOf(b.registry, metav1.NamespaceSystem),
		"pods/kube-system/registry", "secrets/kube-system/of-the-cluster", "namespaces/kube-system")
}

// otherSystem are some of the objects of the other system namespaces.
func otherSystem() []string {
	return []string{"configmaps/csdr/settings", "namespaces/csdr", "deployments.apps/velero/velero", "namespaces/velero"}
}

// testEverything takes cluster-scoped objects too, as a backup of all namespaces does that asks for them.
func (b *contentsBench) testEverything(t *testing.T) {
	const name = "everything"
	before, err := b.cloud.HBR().Inventory(accountID)
	must(t, err)
	has := b.contents(t, name, "*", "--labels", skipUnmounted, "--include-cluster-scoped-resources", "*")
	has.wantCompleted(t)
	has.want(t, slices.Concat(b.application(b.name), objectsOf(b.archive, b.name), []string{aClusterRole}), keptOut, "persistentvolumes/"+b.registry.pv.Name)
	wantEqual(t, "what is in the backup of system namespaces", has.ofSystem(), []string{"secrets/kube-system/oss"})

	wantEqual(t, "who has taken what", has.takenBy, map[string]string{b.disk.pv.Name: takenByECS, b.media.pv.Name: takenByHBR})
	wantEqual(t, "the snapshots of the disk in kube-system", b.snapshotsOf(diskOf(b.registry.pv)), 0)
	after, err := b.cloud.HBR().Inventory(accountID)
	must(t, err)
	wantEqual(t, "how many snapshots Cloud Backup has made", len(after.Snapshots)-len(before.Snapshots), 1)
	for _, snapshot := range b.snapshots(t, name) {
		if snapshot.Spec.PersistentVolumeName == b.disk.pv.Name {
			wantEqual(t, "the zone that Velero has noted of the disk", snapshot.Spec.VolumeAZ, zoneH)
		}
	}
	b.wantDescribed(t, name, has)
}

// aClusterRole stands for the cluster-scoped objects that no action of the plugin decides on.
const aClusterRole = "clusterroles.rbac.authorization.k8s.io/cluster-admin"

// wantDescribed looks at what is told of a backup in which the data of nas and archive is left out.
func (b *contentsBench) wantDescribed(t *testing.T, name string, has contents) {
	t.Helper()
	told, text, err := b.operations(t.Context(), name)
	must(t, err)
	phases := map[string]string{}
	for pv, operation := range told {
		phases[pv] = operation.phase
	}
	wantEqual(t, "the operations of the backup", phases, map[string]string{b.disk.pv.Name: "Completed", b.media.pv.Name: "Completed"})
	must(t, wantText(text, "v1/AlbConfig:", "v1/IngressClass:", "- infra/oss", "- kube-system/oss"))
	_, snapshots, _ := strings.Cut(text, "Velero-Native Snapshots:")
	must(t, wantText(snapshots, b.disk.pv.Name+":", "Availability Zone:  "+zoneH, b.media.pv.Name+":"))
	for _, v := range []*fileVolume{b.nas, b.archive} {
		must(t, wantText(lineWith(has.logs, "Leaving out the data of a volume", "name="+v.pv.Name), "no running Pod mounts the claim shop/"+v.name))
		if strings.Contains(snapshots, v.pv.Name) {
			t.Errorf("the volume %s is among the snapshots:\n%s", v.pv.Name, snapshots)
		}
	}
}

func (b *contentsBench) testNamedNamespaces(t *testing.T) {
	has := b.contents(t, "named", b.name+","+metav1.NamespaceSystem, "--labels", skipUnmounted)
	has.wantCompleted(t)
	has.want(t, slices.Concat(b.application(b.name), objectsOf(b.archive, b.name), b.kubeSystem()), append(otherSystem(), keptOut, aClusterRole)...)
	wantEqual(t, "who has taken what", has.takenBy, map[string]string{
		b.disk.pv.Name: takenByECS, b.media.pv.Name: takenByHBR, b.registry.pv.Name: takenByECS,
	})
}

// restored is the namespace that the application is restored into.
const restored = "shop2"

func (b *contentsBench) testRestoredContents(t *testing.T) {
	alb := b.object(t, "networking.k8s.io/v1", "IngressClass", "", "alb")
	config := b.object(t, "alibabacloud.com/v1", "AlbConfig", "", "alb")
	must(t, b.cp.Client.Delete(t.Context(), alb))
	must(t, b.cp.Client.Delete(t.Context(), config))
	b.loseApplication(t, b.disk, b.media, b.nas, b.archive)
	b.completedRestore(t, restored, "named", "--include-namespaces", b.name, "--namespace-mappings", b.name+":"+restored+",infra:infra2")

	// It is mounted with the Secret in infra2.
	b.waitRunning(t, restored, "media")
	media := b.media.waitBound(t, restored)
	wantEqual(t, "where the volume looks for the Secret that came with it", media.Spec.CSI.NodePublishSecretRef,
		&corev1.SecretReference{Namespace: "infra2", Name: "oss"})
	wantEqual(t, "where the volume looks for the Secret that was kept out", media.Spec.CSI.NodeExpandSecretRef,
		&corev1.SecretReference{Namespace: "infra", Name: "expand"})
	must(t, b.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: "infra2", Name: "oss"}, &corev1.Secret{}))
	archive := b.archive.waitBound(t, restored)
	wantEqual(t, "where the volume looks for the Secret of a namespace that is not mapped", archive.Spec.CSI.NodePublishSecretRef,
		&corev1.SecretReference{Namespace: metav1.NamespaceSystem, Name: "oss"})

	for _, before := range []*unstructured.Unstructured{alb, config} {
		after := b.object(t, before.GetAPIVersion(), before.GetKind(), "", before.GetName())
		wantEqual(t, "the spec of the restored "+before.GetKind(), after.Object["spec"], before.Object["spec"])
	}
	b.wantNoNotes(t)
	zone, labeled := b.disk.waitBound(t, restored).Labels[corev1.LabelTopologyZone]
	if labeled {
		t.Errorf("the restored disk has the label of the zone %s, which it did not have", zone)
	}
}

// wantNoNotes fails if a restored object has what a backup has written into it for the restore.
func (b *contentsBench) wantNoNotes(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"v1 PersistentVolume", "v1 PersistentVolumeClaim", "networking.k8s.io/v1 Ingress"} {
		list := &unstructured.UnstructuredList{}
		apiVersion, name, _ := strings.Cut(kind, " ")
		list.SetAPIVersion(apiVersion)
		list.SetKind(name + "List")
		must(t, b.cp.Client.List(t.Context(), list, client.HasLabels{velerov1.RestoreNameLabel}))
		if len(list.Items) < 2 {
			t.Errorf("there are %d restored objects of the kind %s, want more", len(list.Items), kind)
		}
		for i := range list.Items {
			for key := range list.Items[i].GetAnnotations() {
				switch key {
				case "alibabacloud.com/backed-up-with", "alibabacloud.com/zone-of-backup", leftOutKey,
					velerov1.MustIncludeAdditionalItemAnnotation, velerov1.MustIncludeAdditionalItemRestoreAnnotation:
					t.Errorf("the restored %s %s has the annotation %s", name, list.Items[i].GetName(), key)
				}
			}
		}
	}
}

// leftOutKey is the annotation of a volume whose data a backup leaves out.
const leftOutKey = "alibabacloud.com/data-left-out"

// testSettings has one backup take system namespaces, and leave out with their objects the volumes that no Pod mounts.
func (b *contentsBench) testSettings(t *testing.T) {
	const name = "settings"
	// As a Velero without the plugin would have restored it.
	nas := b.nas.waitBound(t, restored)
	old := client.MergeFrom(nas.DeepCopy())
	metav1.SetMetaDataAnnotation(&nas.ObjectMeta, leftOutKey, "an older backup: nobody mounted it")
	must(t, b.cp.Client.Patch(t.Context(), nas, old))
	b.create(t, (&diskVolume{namespace: restored, name: "nas"}).pod(volumeOptions{}))
	b.waitRunning(t, restored, "nas")
	must(t, b.cloud.ECS().Attach(diskOf(b.disk.waitBound(t, restored)), fileInstance)) // The nodes of the test attach none.
	b.createBackupSettings(t, "system-namespaces", name, map[string]string{"enabled": "false"})
	b.createBackupSettings(t, "unmounted-volumes", name, map[string]string{"skipUnmounted": "true", "dropObjects": "true"})

	has := b.contents(t, name, "*")
	has.wantCompleted(t)
	// Velero takes what is cluster-scoped into no backup that does not ask for it, though it is of all namespaces.
	has.want(t, slices.Concat(b.application(restored), b.kubeSystem(), otherSystem()), append(objectsOf(b.archive, restored), keptOut, aClusterRole)...)
	wantEqual(t, "who has taken what", has.takenBy, map[string]string{
		b.disk.pv.Name: takenByECS, b.media.pv.Name: takenByHBR, b.nas.pv.Name: takenByHBR, b.registry.pv.Name: takenByECS,
	})
}

// testUnreadableSettings takes no snapshots, which would be those of testSettings once more.
func (b *contentsBench) testUnreadableSettings(t *testing.T) {
	const name = "unreadable"
	b.createBackupSettings(t, "system-namespaces", name, map[string]string{"enabled": "perhaps"})
	has := b.contents(t, name, "*", "--snapshot-volumes=false")
	has.want(t, slices.Concat(b.application(restored), objectsOf(b.archive, restored), b.kubeSystem(), otherSystem()))
	wantEqual(t, "the phase of the backup", has.status.Phase, velerov1.BackupPhasePartiallyFailed)
	wantEqual(t, "the number of errors", has.status.Errors, 1)
	wantEqual(t, "how many warnings and errors there are", strings.Count(has.told, "\n"), 1)
	must(t, wantText(has.told, "Cannot read whether system namespaces are left out", "velero/system-namespaces-of-"+name, "perhaps"))
}
