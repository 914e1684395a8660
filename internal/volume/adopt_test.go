// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAdopt(t *testing.T) {
	t.Parallel()
	filesystem := corev1.PersistentVolumeFilesystem
	size := func(text string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(text)}
	}
	inZone := &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "topology.diskplugin.csi.alibabacloud.com/zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"cn-hangzhou-h"}}},
	}}}}
	claim := &corev1.ObjectReference{Namespace: "shop", Name: "data"}
	nas := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: "pv-1", Labels: map[string]string{"team": "shop"},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": DriverNAS, "volume.beta.kubernetes.io/storage-class": "nas", "note": "x"},
		},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: csi(DriverNAS, map[string]string{"server": "s", "path": "/a"}), MountOptions: []string{"vers=3"},
			StorageClassName: "nas", Capacity: size("5Gi"), ClaimRef: claim, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		},
	}
	disk := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: "pvc-2", Labels: map[string]string{LabelDiskType: "cloud_essd.PL1", "topology.kubernetes.io/zone": "cn-hangzhou-h", "csi": "x"},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": DriverDisk, "pv.kubernetes.io/bound-by-controller": "yes"},
		},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: csi(DriverDisk, map[string]string{"type": "cloud_essd"}), NodeAffinity: inZone, VolumeMode: &filesystem,
			StorageClassName: "essd", Capacity: size("20Gi"), ClaimRef: &corev1.ObjectReference{Namespace: "velero", Name: "tmp"},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
		},
	}
	nasBefore, diskBefore := nas.DeepCopy(), disk.DeepCopy()

	diskOfNAS := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: "pv-1", Labels: map[string]string{"team": "shop", LabelDiskType: "cloud_essd.PL1", "topology.kubernetes.io/zone": "cn-hangzhou-h"},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": DriverDisk, "note": "x"},
		},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: disk.Spec.PersistentVolumeSource, NodeAffinity: inZone, VolumeMode: &filesystem,
			StorageClassName: "essd", Capacity: size("20Gi"), ClaimRef: claim,
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		},
	}
	if diff := cmp.Diff(diskOfNAS, Adopt(nas, disk)); diff != "" {
		t.Errorf("a volume of NAS that becomes a disk (-want +got):\n%s", diff)
	}
	nasAgain := nas.DeepCopy()
	nas.Name, nas.Spec.CSI.VolumeHandle = "pvc-3", "pvc-3"
	delete(nasAgain.Annotations, "volume.beta.kubernetes.io/storage-class")
	nas.Annotations = map[string]string{"pv.kubernetes.io/provisioned-by": DriverNAS}
	diskOfNAS.Annotations[AnnotationZone] = "cn-hangzhou-h"
	if diff := cmp.Diff(nasAgain, Adopt(diskOfNAS, nas)); diff != "" {
		t.Errorf("the disk that becomes a volume of NAS (-want +got):\n%s", diff)
	}
	nas.Name, nas.Spec.CSI.VolumeHandle, nas.Annotations = nasBefore.Name, nasBefore.Spec.CSI.VolumeHandle, nasBefore.Annotations
	if diff := cmp.Diff([]*corev1.PersistentVolume{nasBefore, diskBefore}, []*corev1.PersistentVolume{nas, disk}); diff != "" {
		t.Errorf("the arguments were modified (-before +after):\n%s", diff)
	}
}

// TestTheHandleOfWhatIsAdopted holds that the driver finds by it what it is to delete.
func TestTheHandleOfWhatIsAdopted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ driver, provisioned, want string }{
		"a name":                                {driver: DriverNAS, provisioned: "pvc-2", want: "pv-1"},
		"the id of a disk":                      {driver: DriverDisk, provisioned: "d-2", want: "d-2"},
		"a file system and one of its filesets": {driver: DriverBMCPFS, provisioned: "bmcpfs-1+fset-2", want: "bmcpfs-1+fset-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pv, provisioned := volumeWith(csi(test.driver, nil)), volumeWith(csi(test.driver, nil))
			pv.Name, provisioned.Name = "pv-1", "pvc-2"
			pv.Spec.CSI.VolumeHandle, provisioned.Spec.CSI.VolumeHandle = "old", test.provisioned
			if got := Adopt(pv, provisioned).Spec.CSI.VolumeHandle; got != test.want {
				t.Errorf("handle %q, want %q", got, test.want)
			}
		})
	}
}
