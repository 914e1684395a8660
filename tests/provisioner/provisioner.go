// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The drivers of the cloud's storage.
const (
	DiskDriver = "diskplugin.csi.alibabacloud.com"
	NASDriver  = "nasplugin.csi.alibabacloud.com"
	OSSDriver  = "ossplugin.csi.alibabacloud.com"
)

const (
	// DiskZoneLabel is the label of a node, and the key of a volume's affinity, with the zone of disks.
	DiskZoneLabel = "topology.diskplugin.csi.alibabacloud.com/zone"
	// DiskTypeLabel is the label of a disk's volume with the category and the performance level.
	DiskTypeLabel = "csi.alibabacloud.com/disktype"
	// SelectedNodeKey is the annotation by which the scheduler says where a claim's first Pod will be.
	SelectedNodeKey = "volume.kubernetes.io/selected-node"
	// ProvisionerKey is the annotation of a claim by which kube-controller-manager hands it to the provisioner.
	ProvisionerKey = "volume.kubernetes.io/storage-provisioner"

	// provisionedKey is the annotation of a PersistentVolume that says who made it.
	provisionedKey = "pv.kubernetes.io/provisioned-by"
	// inTree begins the names of provisioners that are no drivers, and of the one that makes nothing.
	inTree = "kubernetes.io/"
	// sidecar begins the parameters that are not for the driver.
	sidecar = "csi.storage.k8s.io/"

	gib = 1 << 30
)

// Disk is a disk to be made.
type Disk struct {
	// Name is the same whenever the same disk is asked for.
	Name                             string
	Zone, Category, PerformanceLevel string
	// Size is in GiB.
	Size        int64
	MultiAttach bool
	// Parameters are those of the class.
	Parameters map[string]string
	// Snapshot is the one that it is made of, "" for an empty disk.
	Snapshot string
}

// Storage is where the content of volumes is. All can be done twice, and what is deleted may have gone.
type Storage interface {
	CreateDisk(ctx context.Context, disk Disk) (id string, err error)
	DeleteDisk(ctx context.Context, id string) error
	// CreateDirectory makes a directory of the file system that a mount target serves.
	CreateDirectory(ctx context.Context, server, name string) error
	DeleteDirectory(ctx context.Context, server, name string) error
	// CreateFileSystem makes a file system and returns its mount target.
	CreateFileSystem(ctx context.Context, name string) (server string, err error)
	DeleteFileSystem(ctx context.Context, server string) error
	// ClearBucket deletes the objects below a path.
	ClearBucket(ctx context.Context, bucket, name string) error
	// DeleteOther deletes the storage of a volume of a foreign driver.
	DeleteOther(ctx context.Context, pv *corev1.PersistentVolume) error
}

// Provisioner makes volumes and deletes them.
type Provisioner struct {
	Storage Storage
	// FileSystems are the mount targets of CNFS objects, by the name that a StorageClass has for them.
	FileSystems map[string]string
}

// Name is the name of the PersistentVolume that is provisioned for a claim.
func Name(claim *corev1.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

// Volume makes the storage that a claim and its class ask for, and returns the PersistentVolume that is to be created for
// it. A disk is made of a snapshot where there is one.
func (p Provisioner) Volume(
	ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, nodes []corev1.Node, snapshot string,
) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: Name(claim), Annotations: map[string]string{provisionedKey: class.Provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests, VolumeMode: claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete, StorageClassName: class.Name,
			MountOptions: class.MountOptions,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
	if class.ReclaimPolicy != nil {
		pv.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{
		Driver: class.Provisioner, VolumeHandle: pv.Name, VolumeAttributes: parametersOf(class),
	}
	switch {
	case class.Provisioner == DiskDriver:
		return pv, p.newDisk(ctx, pv, zoneFor(claim, class, nodes), snapshot)
	case snapshot != "":
		return nil, errors.New("only disks are made of snapshots")
	case isBlock(pv):
		return nil, errors.New("block volumes are not supported")
	case class.Provisioner == NASDriver:
		return pv, p.newDirectory(ctx, pv)
	case class.Provisioner == OSSDriver:
		pv.Spec.CSI.VolumeAttributes["path"] = path.Join("/", class.Parameters["path"], pv.Name)
		if secret := class.Parameters[sidecar+"node-publish-secret-name"]; secret != "" {
			pv.Spec.CSI.NodePublishSecretRef = &corev1.SecretReference{
				Name: secret, Namespace: class.Parameters[sidecar+"node-publish-secret-namespace"],
			}
		}
	}
	return pv, nil
}

// parametersOf are the parameters of a class that its driver sees.
func parametersOf(class *storagev1.StorageClass) map[string]string {
	all := maps.Clone(class.Parameters)
	maps.DeleteFunc(all, func(key, _ string) bool { return strings.HasPrefix(key, sidecar) })
	if all == nil {
		all = map[string]string{}
	}
	return all
}

func isBlock(pv *corev1.PersistentVolume) bool {
	return pv.Spec.VolumeMode != nil && *pv.Spec.VolumeMode == corev1.PersistentVolumeBlock
}

// newDisk makes a disk of the first category of the class that can be had. It refuses what the driver refuses.
func (p Provisioner) newDisk(ctx context.Context, pv *corev1.PersistentVolume, zone, snapshot string) error {
	attributes := pv.Spec.CSI.VolumeAttributes
	shared := attributes["multiAttach"] == "true"
	if slices.Contains(pv.Spec.AccessModes, corev1.ReadWriteMany) && (!shared || !isBlock(pv)) ||
		slices.Contains(pv.Spec.AccessModes, corev1.ReadOnlyMany) && !shared {
		return errors.New("multi-node writing is only supported for block volume. For Kubernetes users, if unsure, " +
			"use ReadWriteOnce access mode in PersistentVolumeClaim for disk volume")
	}
	if zone == "" {
		return errors.New("no node has a zone")
	}
	size := pv.Spec.Capacity[corev1.ResourceStorage]
	disk := Disk{
		Name: pv.Name, Zone: zone, PerformanceLevel: attributes["performanceLevel"], Size: (size.Value() + gib - 1) / gib,
		MultiAttach: shared, Parameters: attributes, Snapshot: snapshot,
	}
	var errs []error
	for category := range strings.SplitSeq(attributes["type"], ",") {
		disk.Category = strings.TrimSpace(category)
		id, err := p.Storage.CreateDisk(ctx, disk)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pv.Spec.CSI.VolumeHandle = id
		describeDisk(pv, disk)
		return nil
	}
	return errors.Join(errs...)
}

// describeDisk writes what a disk is into its volume.
func describeDisk(pv *corev1.PersistentVolume, disk Disk) {
	kind := disk.Category
	if kind == "cloud_essd" {
		kind += "." + cmp.Or(disk.PerformanceLevel, "PL1")
	}
	pv.Labels = map[string]string{DiskTypeLabel: kind}
	if disk.Category != "" {
		pv.Spec.CSI.VolumeAttributes["type"] = disk.Category
	}
	if !isBlock(pv) {
		pv.Spec.CSI.FSType = cmp.Or(disk.Parameters["fsType"], "ext4")
	}
	pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: DiskZoneLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{disk.Zone}}},
	}}}}
}

// zoneFor returns the zone in which a disk is made: that of the claim's node, else the first that the class names, else that
// of the first node.
func zoneFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, nodes []corev1.Node) string {
	selected := claim.Annotations[SelectedNodeKey]
	if first, _, _ := strings.Cut(class.Parameters["zoneId"], ","); first != "" && selected == "" {
		return first
	}
	for _, n := range nodes {
		if zone := n.Labels[DiskZoneLabel]; zone != "" && (selected == "" || n.Name == selected) {
			return zone
		}
	}
	return ""
}

// newDirectory makes a directory of a file system for a volume, or a file system where volumeAs says so. A mount target in
// the parameters may have a path, and a CNFS object stands for one.
func (p Provisioner) newDirectory(ctx context.Context, pv *corev1.PersistentVolume) error {
	attributes := pv.Spec.CSI.VolumeAttributes
	if attributes["volumeAs"] == "filesystem" {
		server, err := p.Storage.CreateFileSystem(ctx, pv.Name)
		attributes["server"], attributes["path"] = server, "/"
		return err
	}
	server, above := p.Export(attributes)
	if attributes["server"] != "" {
		attributes["server"] = server
	}
	attributes["path"] = path.Join(above, pv.Name)
	return p.Storage.CreateDirectory(ctx, server, attributes["path"])
}

// Export returns the mount target and the directory of it that a volume of NAS is, or is to be in.
func (p Provisioner) Export(attributes map[string]string) (server, name string) {
	server, export, _ := strings.Cut(cmp.Or(attributes["server"], p.FileSystems[attributes["containerNetworkFileSystem"]]), ":")
	return server, path.Join("/", export, attributes["path"])
}

// Delete deletes the storage of a volume, with all that is in it. There may be none.
func (p Provisioner) Delete(ctx context.Context, pv *corev1.PersistentVolume) error {
	attributes := pv.Spec.CSI.VolumeAttributes
	switch pv.Spec.CSI.Driver {
	case DiskDriver:
		return p.Storage.DeleteDisk(ctx, pv.Spec.CSI.VolumeHandle)
	case NASDriver:
		server, name := p.Export(attributes)
		if attributes["volumeAs"] == "filesystem" {
			return p.Storage.DeleteFileSystem(ctx, server)
		}
		return p.Storage.DeleteDirectory(ctx, server, name)
	case OSSDriver:
		return p.Storage.ClearBucket(ctx, attributes["bucket"], attributes["path"])
	default:
		return p.Storage.DeleteOther(ctx, pv)
	}
}
