// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

const (
	// provisionerKey is the annotation of a claim by which kube-controller-manager hands it to the provisioner.
	provisionerKey = "volume.kubernetes.io/storage-provisioner"
	// provisionedKey is the annotation of a PersistentVolume that says who made it.
	provisionedKey = "pv.kubernetes.io/provisioned-by"
	// inTree begins the names of provisioners that are no drivers, and of the one that makes nothing.
	inTree = "kubernetes.io/"

	gib = 1 << 30
)

// provision makes the volumes of claims that have been handed to their drivers.
func (r *round) provision(ctx context.Context) error {
	var errs []error
	for i := range r.claims {
		claim := &r.claims[i]
		if claim.DeletionTimestamp != nil || claim.Spec.VolumeName != "" {
			continue
		}
		class, err := r.class(ctx, claim)
		if err == nil && class != nil && claim.Annotations[provisionerKey] == class.Provisioner &&
			!strings.HasPrefix(class.Provisioner, inTree) && r.volume(provisionedName(claim)) == nil {
			err = r.provisionFor(ctx, claim, class)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("provision for the claim %s/%s: %w", claim.Namespace, claim.Name, err))
		}
	}
	return errors.Join(errs...)
}

// provisionedName is the name of the PersistentVolume that is provisioned for a claim.
func provisionedName(claim *corev1.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

// provisionFor makes a volume as a claim and its class ask for it. An event tells of a failure.
func (r *round) provisionFor(ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	source, affinity, err := r.newStorage(claim, class)
	if err != nil {
		message := fmt.Sprintf("failed to provision volume with StorageClass %q: %v", class.Name, err)
		return r.warn(ctx, class.Provisioner, claimReference(claim), "ProvisioningFailed", message)
	}
	reclaim := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	return r.create(ctx, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: provisionedName(claim), Annotations: map[string]string{provisionedKey: class.Provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests, VolumeMode: claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: reclaim, StorageClassName: class.Name, MountOptions: class.MountOptions,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: source}, NodeAffinity: affinity,
		},
	})
}

// newStorage makes the storage of a volume.
func (r *round) newStorage(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) (
	*corev1.CSIPersistentVolumeSource, *corev1.VolumeNodeAffinity, error,
) {
	if r.faults.Provision != nil {
		if err := r.faults.Provision(claim); err != nil {
			return nil, nil, err
		}
	}
	if class.Provisioner == diskDriver {
		return r.newDisk(claim, class)
	}
	if isBlock(claim) {
		return nil, nil, errors.New("block volumes are not supported")
	}
	name := provisionedName(claim)
	source := &corev1.CSIPersistentVolumeSource{Driver: class.Provisioner, VolumeHandle: name, VolumeAttributes: map[string]string{}}
	for key, value := range class.Parameters {
		if !strings.HasPrefix(key, "csi.storage.k8s.io/") {
			source.VolumeAttributes[key] = value
		}
	}
	switch class.Provisioner {
	case nasDriver:
		return source, nil, r.storage.newDirectory(source, name)
	case ossDriver:
		source.VolumeAttributes["path"] = path.Join("/", class.Parameters["path"], name)
		if secret := class.Parameters["csi.storage.k8s.io/node-publish-secret-name"]; secret != "" {
			source.NodePublishSecretRef = &corev1.SecretReference{
				Name: secret, Namespace: class.Parameters["csi.storage.k8s.io/node-publish-secret-namespace"],
			}
		}
	}
	return source, nil, nil
}

func isBlock(claim *corev1.PersistentVolumeClaim) bool {
	return claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == corev1.PersistentVolumeBlock
}

// newDirectory makes a directory of a file system for a volume, or a file system where volumeAs says so. A mount target in
// the parameters may have a path, and a CNFS object stands for one.
func (s *storage) newDirectory(source *corev1.CSIPersistentVolumeSource, name string) error {
	attributes := source.VolumeAttributes
	if attributes["volumeAs"] == "filesystem" {
		return s.newFileSystem(attributes)
	}
	server := cmp.Or(attributes["server"], s.fileSystems[attributes["containerNetworkFileSystem"]])
	host, export, _ := strings.Cut(server, ":")
	f, ok := s.find(host)
	if !ok {
		return fmt.Errorf("there is no mount target %q", host)
	}
	if attributes["server"] != "" {
		attributes["server"] = host
	}
	attributes["path"] = path.Join("/", export, attributes["path"], name)
	_, err := tree.NewMachine(f.Dir).Make(attributes["path"])
	return err
}

// newFileSystem makes a file system in the region of the others of the account.
func (s *storage) newFileSystem(attributes map[string]string) error {
	all := s.cloud.NAS().FileSystems()
	at := slices.IndexFunc(all, func(f nas.FileSystem) bool { return f.Account == s.account })
	if at < 0 {
		return fmt.Errorf("the account %q has no file system whose region could be taken", s.account)
	}
	id, err := s.cloud.NAS().AddFileSystem(nas.FileSystemConfig{Account: s.account, Region: all[at].Region})
	if err != nil {
		return err
	}
	f, err := s.cloud.NAS().FileSystem(id)
	if err != nil {
		return err
	}
	attributes["server"], attributes["path"] = f.MountTargets[0], "/"
	return nil
}

// newDisk makes a disk in the zone of the claim's node. It refuses what the driver refuses.
func (r *round) newDisk(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) (
	*corev1.CSIPersistentVolumeSource, *corev1.VolumeNodeAffinity, error,
) {
	parameters, block := class.Parameters, isBlock(claim)
	shared := parameters["multiAttach"] == "true"
	if slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany) && (!shared || !block) ||
		slices.Contains(claim.Spec.AccessModes, corev1.ReadOnlyMany) && !shared {
		return nil, nil, errors.New("multi-node writing is only supported for block volume. For Kubernetes users, if unsure, " +
			"use ReadWriteOnce access mode in PersistentVolumeClaim for disk volume")
	}
	zone := r.zoneFor(claim, parameters["zoneId"])
	if zone == "" {
		return nil, nil, errors.New("no node has a zone")
	}
	category, _, _ := strings.Cut(parameters["type"], ",")
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	id, err := r.options.Cloud.ECS().AddDisk(ecs.DiskConfig{
		Account: r.options.Account, Zone: zone, Category: category, PerformanceLevel: parameters["performanceLevel"],
		Size: (size.Value() + gib - 1) / gib, MultiAttach: shared,
	})
	if err != nil {
		return nil, nil, err
	}
	source := &corev1.CSIPersistentVolumeSource{Driver: diskDriver, VolumeHandle: id, VolumeAttributes: maps.Clone(parameters)}
	if !block {
		source.FSType = cmp.Or(parameters["fsType"], "ext4")
	}
	return source, &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: diskZoneLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
	}}}}, nil
}

// zoneFor returns the zone in which a disk is made: that of the claim's node, else the first that the class names, else that
// of the first node.
func (r *round) zoneFor(claim *corev1.PersistentVolumeClaim, ofClass string) string {
	selected := claim.Annotations[selectedNodeKey]
	if first, _, _ := strings.Cut(ofClass, ","); first != "" && selected == "" {
		return first
	}
	for _, n := range r.nodes {
		if zone := n.Labels[diskZoneLabel]; zone != "" && (selected == "" || n.Name == selected) {
			return zone
		}
	}
	return ""
}

// reclaim deletes the provisioned volumes whose claims have gone, with their storage, where their policy is Delete.
func (r *round) reclaim(ctx context.Context) error {
	var errs []error
	for i := range r.volumes {
		pv := &r.volumes[i]
		if pv.Status.Phase != corev1.VolumeReleased || pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete ||
			pv.DeletionTimestamp != nil || pv.Spec.CSI == nil || pv.Annotations[provisionedKey] != pv.Spec.CSI.Driver ||
			pv.Spec.ClaimRef == nil || !r.concerns(pv.Spec.ClaimRef.Namespace) || r.isMounted(pv) {
			continue
		}
		err := r.storage.delete(pv)
		if err == nil {
			err = r.remove(ctx, pv)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("delete the volume %s: %w", pv.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *round) isMounted(pv *corev1.PersistentVolume) bool {
	for _, p := range r.Cluster.pods {
		if p.has(pv) {
			return true
		}
	}
	return false
}

// delete deletes the storage of a volume, with all that is in it. There may be none.
func (s *storage) delete(pv *corev1.PersistentVolume) error {
	if id := diskID(pv); id != "" {
		if err := s.cloud.ECS().RemoveDisk(id); err != nil && !errors.Is(err, ecs.ErrNotFound) {
			return err
		}
		return nil
	}
	attributes := pv.Spec.CSI.VolumeAttributes
	if attributes["volumeAs"] == "filesystem" {
		if f, ok := s.find(attributes["server"]); ok {
			return s.cloud.NAS().RemoveFileSystem(f.ID)
		}
		return nil
	}
	content, err := s.open(pv)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(content.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(path.Join(content.Dir, entry.Name())); err != nil {
			return err
		}
	}
	if content.Sync != nil {
		return content.Sync()
	}
	return os.Remove(content.Dir)
}
