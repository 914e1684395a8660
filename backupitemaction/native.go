// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/kuberesource"
	"github.com/vmware-tanzu/velero/pkg/plugin/utils/volumehelper"
	"github.com/vmware-tanzu/velero/pkg/util/boolptr"
	"github.com/vmware-tanzu/velero/pkg/util/podvolume"
	volumes "github.com/vmware-tanzu/velero/pkg/util/volumehelper"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Of a volume policy (https://velero.io/docs/main/resource-filtering/).
const (
	kindOfPolicies = "ConfigMap"
	actionSkip     = "skip"
)

// native tells which PersistentVolumes Velero hands to a VolumeSnapshotter in a backup:
// what takePVSnapshot of its pkg/backup/item_backupper.go decides, of which the package
// volumehelper is a part. It is for use in several goroutines.
//
// It reads a ConfigMap of volume policies once, the Pods of a namespace once, and for a
// backup with policies, of each PersistentVolume that is snapshotted, the claim and the
// PersistentVolume itself.
type native struct {
	api client.Client
	// pods are those that use claims, which may have asked for a backup of their files.
	pods *podvolume.PVCPodCache
	// helpers each have one set of volume policies, at least one an empty one. The policies
	// of the first set that matches hold.
	helpers []volumes.VolumeHelper
	// hasPolicies is whether any set is there.
	hasPolicies bool
	// byPoliciesAlone is whether nothing is snapshotted for which there is no policy.
	byPoliciesAlone bool
}

// newNative reads the volume policies of the backup and those of all backups, which are
// in namespace.
func newNative(api client.Client, namespace string, server Server, backup *velerov1.Backup) (*native, error) {
	n := &native{
		api: api, pods: podvolume.NewPVCPodCache(),
		hasPolicies:     backup.Spec.ResourcePolicy != nil || server.VolumePolicies != "",
		byPoliciesAlone: boolptr.IsSetToFalse(backup.Spec.SnapshotVolumes),
	}
	if err := n.add(backup); err != nil {
		return nil, fmt.Errorf("reading the volume policies of the Backup %s: %w", backup.Name, err)
	}
	if server.VolumePolicies == "" {
		return n, nil
	}
	common := backup.DeepCopy()
	common.Namespace = namespace
	common.Spec.ResourcePolicy = &corev1.TypedLocalObjectReference{Kind: kindOfPolicies, Name: server.VolumePolicies}
	if err := n.add(common); err != nil {
		return nil, fmt.Errorf("reading the volume policies of all backups: %w", err)
	}
	return n, nil
}

// add adds the volume policies that the backup names.
func (n *native) add(backup *velerov1.Backup) error {
	// Velero's server says the same in the backup's log, and what the helper logs at the
	// level of error would count for the backup.
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	helper, err := volumehelper.NewVolumeHelperWithCache(*backup, n.api, silent, n.pods)
	if err != nil {
		return err
	}
	n.helpers = append(n.helpers, helper)
	return nil
}

// snapshots tells whether pv, which item is, is handed to a VolumeSnapshotter, unless it is
// left to its CSI driver.
func (n *native) snapshots(ctx context.Context, item runtime.Unstructured, pv *corev1.PersistentVolume) (bool, error) {
	helper, action, err := n.match(item, kuberesource.PersistentVolumes)
	if err != nil {
		return false, err
	}
	if action == "" && n.byPoliciesAlone {
		return false, nil
	}
	if action == "" && pv.Spec.ClaimRef != nil {
		// Once a namespace is there, no other is read any more by itself.
		if err := n.pods.BuildCacheForNamespace(ctx, pv.Spec.ClaimRef.Namespace, n.api); err != nil {
			return false, fmt.Errorf("looking for Pods whose volumes are backed up as files: %w", err)
		}
	}
	asked, err := helper.ShouldPerformSnapshot(item, kuberesource.PersistentVolumes)
	if err != nil || !asked || !n.hasPolicies || pv.Spec.ClaimRef == nil {
		return asked, err
	}
	skipped, err := n.skipped(ctx, pv.Spec.ClaimRef)
	return !skipped, err
}

// skipped tells whether a volume policy on claims skips the claim: the policies are asked
// once without and once with it.
func (n *native) skipped(ctx context.Context, ref *corev1.ObjectReference) (bool, error) {
	claim := &corev1.PersistentVolumeClaim{}
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	if err := n.api.Get(ctx, key, claim); err != nil {
		return false, fmt.Errorf("reading the PersistentVolumeClaim %s: %w", key, err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(claim)
	if err != nil {
		return false, fmt.Errorf("reading the PersistentVolumeClaim %s: %w", key, err)
	}
	_, action, err := n.match(&unstructured.Unstructured{Object: content}, kuberesource.PersistentVolumeClaims)
	return action == actionSkip, err
}

// match returns the action of the first set of policies that has one for the item, and
// its helper; else "", and the last helper.
func (n *native) match(item runtime.Unstructured, resource schema.GroupResource) (helper volumes.VolumeHelper, action string, err error) {
	for _, helper = range n.helpers {
		matches, action, _, err := helper.GetActionParameters(item, resource)
		if err != nil || matches {
			return helper, action, err
		}
	}
	return helper, "", nil
}
