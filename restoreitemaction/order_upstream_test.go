// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// byVelero returns an object as Velero and its own actions change-storage-class, pvc
// and service leave it, which come before those of plugins; classes is the ConfigMap
// of the first. As they do, it reads and writes typed objects.
func byVelero(t *testing.T, restore *velerov1.Restore, classes map[string]string, backedUp *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	item := backedUp.DeepCopy()
	unstructured.RemoveNestedField(item.Object, "status")
	switch item.GetKind() {
	case "PersistentVolume":
		changeClass(t, item, classes)
	case "PersistentVolumeClaim":
		changeClass(t, item, classes)
		item = retyped(t, item, &corev1.PersistentVolumeClaim{}, func(claim *corev1.PersistentVolumeClaim) {
			for _, key := range []string{
				"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller",
				"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
			} {
				delete(claim.Annotations, key)
			}
		})
	case "StatefulSet":
		if len(classes) == 0 {
			break
		}
		item = retyped(t, item, &appsv1.StatefulSet{}, func(set *appsv1.StatefulSet) {
			for i := range set.Spec.VolumeClaimTemplates {
				spec := &set.Spec.VolumeClaimTemplates[i].Spec
				if spec.StorageClassName == nil {
					continue
				}
				if class, ok := classes[*spec.StorageClassName]; ok {
					spec.StorageClassName = &class
				}
			}
		})
	case "Service":
		item = retyped(t, item, &corev1.Service{}, func(service *corev1.Service) { withoutAddresses(restore, service) })
	}
	return item
}

func changeClass(t *testing.T, item *unstructured.Unstructured, classes map[string]string) {
	t.Helper()
	old, _, _ := unstructured.NestedString(item.Object, "spec", "storageClassName")
	if class, ok := classes[old]; ok && old != "" {
		if err := unstructured.SetNestedField(item.Object, class, "spec", "storageClassName"); err != nil {
			t.Fatal(err)
		}
	}
}

// withoutAddresses removes from a Service what velero.io/service does where nobody
// has asked for node ports, but for a port of health checks.
func withoutAddresses(restore *velerov1.Restore, service *corev1.Service) {
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		service.Spec.ClusterIP, service.Spec.ClusterIPs = "", nil
	}
	if preserve := restore.Spec.PreserveNodePorts; preserve != nil && *preserve {
		return
	}
	for i := range service.Spec.Ports {
		service.Spec.Ports[i].NodePort = 0
	}
}

// retyped returns item as it is after it was read into a typed object, changed and
// written.
func retyped[T any](t *testing.T, item *unstructured.Unstructured, typed *T, change func(*T)) *unstructured.Unstructured {
	t.Helper()
	asObject(t, item, typed)
	change(typed)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}
