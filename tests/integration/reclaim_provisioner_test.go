// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

const (
	nasDriver = "nasplugin.csi.alibabacloud.com"
	ossDriver = "ossplugin.csi.alibabacloud.com"

	selectedNodeKey    = "volume.kubernetes.io/selected-node"
	storageProvisioner = "volume.kubernetes.io/storage-provisioner"
)

// provisionIn stands in for what a cluster with nodes has besides the control plane, in one namespace and until the test
// ends: the scheduler, which chooses a node in zoneH for each claim that waits for its Pod, and the external-provisioner
// with the CSI drivers, which makes a volume for each claim that kube-controller-manager leaves to it. That binds the two.
func (b *bench) provisionIn(t *testing.T, namespace string) {
	t.Helper()
	follow(t, b.suite, &corev1.PersistentVolumeClaimList{}, b.provision, client.InNamespace(namespace))
}

// follow calls do with each object of a kind that is there, created or changed, until the test ends.
func follow[T client.Object](t *testing.T, s *suite, list client.ObjectList, do func(context.Context, T) error, which ...client.ListOption) {
	t.Helper()
	ctx := t.Context()
	watched, err := s.cp.Client.Watch(ctx, list, which...)
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range watched.ResultChan() {
			object, ok := event.Object.(T)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			if err := do(ctx, object); err != nil && ctx.Err() == nil {
				t.Errorf("%s/%s: %v", object.GetNamespace(), object.GetName(), err)
			}
		}
	}()
	t.Cleanup(func() {
		watched.Stop()
		<-ended
	})
}

// provision does what is next for a claim, if that is not for kube-controller-manager to do.
func (b *bench) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.DeletionTimestamp != nil || claim.Spec.VolumeName != "" || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "" {
		return nil
	}
	class := &storagev1.StorageClass{}
	if err := b.cp.Client.Get(ctx, client.ObjectKey{Name: *claim.Spec.StorageClassName}, class); err != nil {
		return err
	}
	if *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer && claim.Annotations[selectedNodeKey] == "" {
		before := claim.DeepCopy()
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, selectedNodeKey, "node-"+zoneH)
		return b.cp.Client.Patch(ctx, claim, client.MergeFrom(before))
	}
	if claim.Annotations[storageProvisioner] != class.Provisioner {
		return nil
	}
	err := b.cp.Client.Get(ctx, client.ObjectKey{Name: provisionedName(claim)}, &corev1.PersistentVolume{})
	if !apierrors.IsNotFound(err) {
		return err // It is there already.
	}
	pv, err := b.provisioned(claim, class)
	if err != nil {
		return err
	}
	return b.cp.Client.Create(ctx, pv)
}

// provisionedName is the name of the PersistentVolume that is provisioned for a claim.
func provisionedName(claim *corev1.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

// provisioned is a volume as a claim and its class ask for it. The volume of a disk has one.
func (b *bench) provisioned(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: provisionedName(claim), Annotations: map[string]string{provisionedKey: class.Provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      claim.Spec.Resources.Requests,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: class.Provisioner, VolumeHandle: provisionedName(claim), VolumeAttributes: class.Parameters,
			}},
		},
	}
	switch class.Provisioner {
	case diskDriver:
		return pv, b.addDisk(pv)
	case nasDriver, ossDriver:
		return pv, nil
	default:
		return nil, fmt.Errorf("no driver has the name %s", class.Provisioner)
	}
}

// addDisk makes the disk that a provisioned volume asks for, in zoneH. It refuses what the driver of disks refuses.
func (b *bench) addDisk(pv *corev1.PersistentVolume) error {
	parameters := pv.Spec.CSI.VolumeAttributes
	block := *pv.Spec.VolumeMode == corev1.PersistentVolumeBlock
	shared := parameters["multiAttach"] == "true"
	switch {
	case slices.Contains(pv.Spec.AccessModes, corev1.ReadWriteMany) && (!shared || !block),
		slices.Contains(pv.Spec.AccessModes, corev1.ReadOnlyMany) && !shared:
		return errors.New("multi-node writing is only supported for block volume")
	}
	category, _, _ := strings.Cut(parameters["type"], ",")
	size := pv.Spec.Capacity[corev1.ResourceStorage]
	id, err := b.cloud.ECS().AddDisk(ecs.DiskConfig{
		Account: b.account, Zone: zoneH, Category: category, PerformanceLevel: parameters["performanceLevel"], Size: size.Value() >> 30, MultiAttach: shared,
	})
	if err != nil {
		return err
	}
	pv.Spec.CSI.VolumeHandle = id
	if !block {
		pv.Spec.CSI.FSType = "ext4"
	}
	pv.Spec.NodeAffinity = inZone(zoneH)
	return nil
}

// inZone is the affinity of a disk's volume.
func inZone(zone string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: diskZoneKey, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
	}}}}
}

// waitAllBound waits until so many claims of a namespace are bound, which are all of them, and returns their
// PersistentVolumes by the names of the claims.
func (s *suite) waitAllBound(t *testing.T, namespace string, number int) map[string]*corev1.PersistentVolume {
	t.Helper()
	volumes := map[string]*corev1.PersistentVolume{}
	eventually(t, fmt.Sprintf("%d claims in %s to be bound", number, namespace), func(ctx context.Context) error {
		var claims corev1.PersistentVolumeClaimList
		if err := s.cp.Client.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
			return err
		}
		var missing []error
		for _, claim := range claims.Items {
			if claim.Status.Phase != corev1.ClaimBound {
				missing = append(missing, fmt.Errorf("%s is %q, with the volume %q", claim.Name, claim.Status.Phase, claim.Spec.VolumeName))
				continue
			}
			pv := &corev1.PersistentVolume{}
			if err := s.cp.Client.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, pv); err != nil {
				return err
			}
			volumes[claim.Name] = pv
		}
		if len(claims.Items) != number {
			missing = append(missing, fmt.Errorf("there are %d claims", len(claims.Items)))
		}
		return errors.Join(missing...)
	})
	return volumes
}

// classOptions say what is not as with every StorageClass: one of disks that wait for their Pods.
type classOptions struct {
	provisioner string
	immediate   bool
	parameters  map[string]string
}

// createClassOf is createClass for any driver.
func (s *suite) createClassOf(t *testing.T, name string, options classOptions) {
	t.Helper()
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: options.provisioner, Parameters: options.parameters,
	}
	mode := storagev1.VolumeBindingWaitForFirstConsumer
	if options.immediate {
		mode = storagev1.VolumeBindingImmediate
	}
	class.VolumeBindingMode = &mode
	s.create(t, class)
}
