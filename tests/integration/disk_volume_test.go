// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

const (
	diskDriver     = "diskplugin.csi.alibabacloud.com"
	flexDriver     = "alicloud/disk"
	diskZoneKey    = "topology.diskplugin.csi.alibabacloud.com/zone"
	diskTypeLabel  = "csi.alibabacloud.com/disktype"
	diskClass      = "alicloud-disk-essd"
	provisionedKey = "pv.kubernetes.io/provisioned-by"

	// file is in each disk.
	file = "orders.csv"
	// ownTag is a tag that users have put on disks.
	ownTag = "team"
)

// volumeOptions say what is not as with every volume.
type volumeOptions struct {
	// namespace is that of the claim, by default the bench's.
	namespace string
	// podless leaves it to somebody else to make the Pod.
	podless bool
	// disk is by default a cloud_essd of PL1 and 20 GiB in zoneH.
	disk ecs.DiskConfig
	// pv is the name of the PersistentVolume, by default the id of the disk, as ACK has it.
	pv string
	// unused leaves the disk as one that was never attached, of which ECS makes no snapshot.
	unused bool
	// flex makes the PersistentVolume one of the FlexVolume driver.
	flex bool
	// mode is the access mode, by default ReadWriteOnce.
	mode corev1.PersistentVolumeAccessMode
	// block makes it a raw device.
	block        bool
	class        string
	mountOptions []string
	claimLabels  map[string]string
}

// diskVolume is a claim that a Pod mounts, with its PersistentVolume and its disk.
type diskVolume struct {
	bench     *bench
	namespace string
	// name is that of the claim and of the Pod.
	name string
	pv   string
	disk string
	// content is what the file holds that is on the disk.
	content string
}

// newVolume creates a disk that is attached and holds a file, its PersistentVolume, claim and Pod, and waits until the
// claim is bound.
func (b *bench) newVolume(t *testing.T, name string, options volumeOptions) *diskVolume {
	t.Helper()
	v := b.createVolume(t, name, options)
	v.waitBound(t)
	return v
}

// newVolumes is newVolume for so many equal ones.
func (b *bench) newVolumes(t *testing.T, number int) []*diskVolume {
	t.Helper()
	volumes := make([]*diskVolume, number)
	for i := range volumes {
		volumes[i] = b.createVolume(t, fmt.Sprintf("data-%02d", i), volumeOptions{})
	}
	for _, v := range volumes {
		v.waitBound(t)
	}
	return volumes
}

// createVolume is newVolume, and does not wait.
func (b *bench) createVolume(t *testing.T, name string, options volumeOptions) *diskVolume {
	t.Helper()
	namespace := cmp.Or(options.namespace, b.name)
	v := &diskVolume{bench: b, namespace: namespace, name: name, content: "orders of " + namespace + "/" + name}
	config := options.disk
	config.Account = b.account
	config.Zone = cmp.Or(config.Zone, zoneH)
	config.Category = cmp.Or(config.Category, "cloud_essd")
	config.Size = cmp.Or(config.Size, 20)
	if !options.unused {
		config.Instance = benchInstance(b.account, config.Zone)
	}
	config.Tags = map[string]string{ownTag: "storefront"}
	config.Files = map[string]string{file: v.content}
	var err error
	v.disk, err = b.cloud.ECS().AddDisk(config)
	must(t, err)
	v.pv = cmp.Or(options.pv, v.disk)
	b.create(t, v.persistentVolume(config, options), v.claim(config, options))
	if !options.podless {
		b.create(t, v.pod(options))
	}
	return v
}

func capacity(gibibytes int64) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(gibibytes<<30, resource.BinarySI)}
}

func (v *diskVolume) persistentVolume(disk ecs.DiskConfig, options volumeOptions) *corev1.PersistentVolume {
	kind := disk.Category
	if disk.Category == "cloud_essd" {
		kind += "." + cmp.Or(disk.PerformanceLevel, "PL1")
	}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: v.pv,
			Labels: map[string]string{
				diskTypeLabel: kind, corev1.LabelTopologyZone: disk.Zone, corev1.LabelTopologyRegion: regionOf(disk.Zone),
			},
			Annotations: map[string]string{provisionedKey: diskDriver},
		},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   []corev1.PersistentVolumeAccessMode{cmp.Or(options.mode, corev1.ReadWriteOnce)},
			Capacity:                      capacity(disk.Size),
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              cmp.Or(options.class, diskClass),
			MountOptions:                  options.mountOptions,
			VolumeMode:                    volumeMode(options),
			ClaimRef:                      &corev1.ObjectReference{Namespace: v.namespace, Name: v.name},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: diskZoneKey, Operator: corev1.NodeSelectorOpIn, Values: []string{disk.Zone}},
				},
			}}}},
		},
	}
	if options.flex {
		pv.Annotations[provisionedKey] = flexDriver
		pv.Spec.FlexVolume = &corev1.FlexPersistentVolumeSource{
			Driver: flexDriver, FSType: "ext4", Options: map[string]string{"VolumeId": v.disk},
		}
		return pv
	}
	pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{
		Driver: diskDriver, VolumeHandle: v.disk, VolumeAttributes: map[string]string{"type": disk.Category},
	}
	if !options.block {
		pv.Spec.CSI.FSType = "ext4"
	}
	return pv
}

// regionOf is the region of a zone.
func regionOf(zone string) string { return zone[:strings.LastIndexByte(zone, '-')] }

func volumeMode(options volumeOptions) *corev1.PersistentVolumeMode {
	mode := corev1.PersistentVolumeFilesystem
	if options.block {
		mode = corev1.PersistentVolumeBlock
	}
	return &mode
}

func (v *diskVolume) claim(disk ecs.DiskConfig, options volumeOptions) *corev1.PersistentVolumeClaim {
	class := cmp.Or(options.class, diskClass)
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v.namespace, Name: v.name, Labels: options.claimLabels,
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{cmp.Or(options.mode, corev1.ReadWriteOnce)},
			Resources:        corev1.VolumeResourceRequirements{Requests: capacity(disk.Size)},
			StorageClassName: &class,
			VolumeName:       v.pv,
			VolumeMode:       volumeMode(options),
		},
	}
}

// pod is a Pod with the volume. There is no kubelet: it stays Pending.
func (v *diskVolume) pod(options volumeOptions) *corev1.Pod {
	container := corev1.Container{Name: "app", Image: "busybox:1.37.0", Command: []string{"sleep", "infinity"}}
	if options.block {
		container.VolumeDevices = []corev1.VolumeDevice{{Name: "data", DevicePath: "/dev/data"}}
	} else {
		container.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace, Name: v.name},
		Spec: corev1.PodSpec{
			// A volume with the token would have a name that is chosen at random.
			AutomountServiceAccountToken: new(bool),

			Containers: []corev1.Container{container},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: v.name},
			}}},
		},
	}
}

// waitBound waits until the claim is bound.
func (v *diskVolume) waitBound(t *testing.T) {
	t.Helper()
	v.waitBoundIn(t, v.bench.suite, v.namespace)
}

// waitBoundIn waits until the claim in a namespace of a suite's cluster is bound, and returns its PersistentVolume.
func (v *diskVolume) waitBoundIn(t *testing.T, s *suite, namespace string) *corev1.PersistentVolume {
	t.Helper()
	pv := &corev1.PersistentVolume{}
	eventually(t, fmt.Sprintf("the claim %s/%s to be bound", namespace, v.name), func(ctx context.Context) error {
		claim := &corev1.PersistentVolumeClaim{}
		if err := s.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v.name}, claim); err != nil {
			return err
		}
		if claim.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("it is %q, with the volume %q", claim.Status.Phase, claim.Spec.VolumeName)
		}
		return s.cp.Client.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, pv)
	})
	return pv
}

// overwrite changes the file on the disk: what a backup has taken must be of the time before.
func (v *diskVolume) overwrite(t *testing.T) {
	t.Helper()
	must(t, v.bench.cloud.ECS().WriteFile(v.disk, file, []byte("written after the backup")))
}

// lose deletes the bench's namespace, and the volumes with their disks.
func (b *bench) lose(t *testing.T, volumes ...*diskVolume) {
	t.Helper()
	b.deleteApplication(t)
	for _, v := range volumes {
		v.losePersistentVolume(t)
		must(t, b.cloud.ECS().RemoveDisk(v.disk))
	}
}

// deleteApplication deletes the bench's namespace, the claims first: a namespace in which the claims' finalizers are seen
// is looked at again after 8 seconds (pkg/controller/namespace, finalizerEstimateSeconds).
func (b *bench) deleteApplication(t *testing.T) {
	t.Helper()
	must(t, b.cp.Client.DeleteAllOf(t.Context(), &corev1.PersistentVolumeClaim{}, client.InNamespace(b.name)))
	eventually(t, "the claims in "+b.name+" to be gone", func(ctx context.Context) error {
		var claims corev1.PersistentVolumeClaimList
		if err := b.cp.Client.List(ctx, &claims, client.InNamespace(b.name)); err != nil {
			return err
		}
		if left := len(claims.Items); left > 0 {
			return fmt.Errorf("there are %d", left)
		}
		return nil
	})
	b.deleteNamespace(t, b.name)
}

// losePersistentVolume deletes the PersistentVolume, whose claim must be gone.
func (v *diskVolume) losePersistentVolume(t *testing.T) {
	t.Helper()
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: v.pv}}
	must(t, client.IgnoreNotFound(v.bench.cp.Client.Delete(t.Context(), pv)))
	v.bench.waitGone(t, "the volume "+v.pv, pv)
}

// diskState is what a test asks of a disk.
type diskState struct {
	Category, PerformanceLevel, Zone string
	Size                             int64
	Encrypted                        bool
	KMSKeyID                         string
	ProvisionedIOPS                  int64
	Bursting                         bool
	OwnTag                           string
	Content                          string
}

// essd is the state of a disk that volumeOptions leave as it is by default.
func (v *diskVolume) essd() diskState {
	return diskState{Category: "cloud_essd", PerformanceLevel: "PL1", Zone: zoneH, Size: 20, OwnTag: "storefront", Content: v.content}
}

// diskInfo returns what the cloud knows of a disk.
func (s *suite) diskInfo(t *testing.T, id string) ecs.DiskInfo {
	t.Helper()
	disks := s.cloud.ECS().Disks()
	i := slices.IndexFunc(disks, func(d ecs.DiskInfo) bool { return d.ID == id })
	if i < 0 {
		t.Fatalf("the disk %q does not exist", id)
	}
	return disks[i]
}

func (s *suite) diskState(t *testing.T, id string) diskState {
	t.Helper()
	disk := s.diskInfo(t, id)
	content, err := s.cloud.ECS().ReadFile(id, file)
	must(t, err)
	return diskState{
		Category: disk.Category, PerformanceLevel: disk.PerformanceLevel, Zone: disk.Zone, Size: disk.Size,
		Encrypted: disk.Encrypted, KMSKeyID: disk.KMSKeyID, ProvisionedIOPS: disk.ProvisionedIOPS, Bursting: disk.Bursting,
		OwnTag: disk.Tags[ownTag], Content: string(content),
	}
}

// wantRestored fails unless the claim is bound to a volume whose disk is a new one in the state. It returns the
// PersistentVolume.
func (v *diskVolume) wantRestored(t *testing.T, want diskState) *corev1.PersistentVolume {
	t.Helper()
	return v.wantRestoredIn(t, v.bench.suite, v.namespace, want)
}

// wantRestoredIn is wantRestored for the claim in a namespace of a suite's cluster.
func (v *diskVolume) wantRestoredIn(t *testing.T, s *suite, namespace string, want diskState) *corev1.PersistentVolume {
	t.Helper()
	pv := v.waitBoundIn(t, s, namespace)
	id := diskOf(pv)
	if id == v.disk {
		t.Errorf("the claim %s has its old disk %s", v.name, id)
	}
	wantEqual(t, "the disk of the claim "+v.name, s.diskState(t, id), want)
	wantEqual(t, "the zone of the volume's label", pv.Labels[corev1.LabelTopologyZone], want.Zone)
	wantEqual(t, "the region of the volume's label", pv.Labels[corev1.LabelTopologyRegion], regionOf(want.Zone))
	wantEqual(t, "the zones of the volume's affinity",
		pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values, []string{want.Zone})
	must(t, s.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: v.name}, &corev1.Pod{}))
	return pv
}

// diskOf is the id of the disk of a volume.
func diskOf(pv *corev1.PersistentVolume) string {
	if pv.Spec.FlexVolume != nil {
		return pv.Spec.FlexVolume.Options["VolumeId"]
	}
	return pv.Spec.CSI.VolumeHandle
}
