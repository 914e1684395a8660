// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"errors"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ContentProtection is the finalizer that keeps a VolumeSnapshotContent until its snapshot is deleted, or left.
const ContentProtection = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"

// SnapshotClass returns the class of a VolumeSnapshot.
func SnapshotClass(ctx context.Context, api client.Reader, wanted *snapshotv1.VolumeSnapshot) (*snapshotv1.VolumeSnapshotClass, error) {
	if wanted.Spec.VolumeSnapshotClassName == nil {
		return nil, errors.New("it has no class")
	}
	class := &snapshotv1.VolumeSnapshotClass{}
	return class, api.Get(ctx, client.ObjectKey{Name: *wanted.Spec.VolumeSnapshotClassName}, class)
}

// SnapshotContent returns the VolumeSnapshotContent that is to be created for a VolumeSnapshot of a volume. It refuses a volume
// that is not of the driver of the class.
func SnapshotContent(
	wanted *snapshotv1.VolumeSnapshot, class *snapshotv1.VolumeSnapshotClass, pv *corev1.PersistentVolume,
) (*snapshotv1.VolumeSnapshotContent, error) {
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != class.Driver {
		return nil, fmt.Errorf("its claim has no volume of the driver %s", class.Driver)
	}
	return &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{Name: "snapcontent-" + string(wanted.UID), Finalizers: []string{ContentProtection}},
		Spec: snapshotv1.VolumeSnapshotContentSpec{
			DeletionPolicy: class.DeletionPolicy, Driver: class.Driver, VolumeSnapshotClassName: &class.Name,
			Source: snapshotv1.VolumeSnapshotContentSource{VolumeHandle: new(pv.Spec.CSI.VolumeHandle)},
			VolumeSnapshotRef: corev1.ObjectReference{
				APIVersion: snapshotv1.SchemeGroupVersion.String(), Kind: "VolumeSnapshot",
				Namespace: wanted.Namespace, Name: wanted.Name, UID: wanted.UID,
			},
		},
	}, nil
}
