// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// alltype is the class of disks that ACK clusters have.
const alltype = "alicloud-disk-topology-alltype"

// testDocumentedStatefulSet follows the backup center's document "Modify resources on restore": a namespace, a
// registry, a mount path and an affinity are changed at once.
func (s *diskSuite) testDocumentedStatefulSet(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "nginx", nil)
	s.createClass(t, alltype, map[string]string{"type": "cloud_auto,cloud_essd,cloud_ssd,cloud_efficiency"})
	s.excludeClusterCA(t, metav1.NamespaceDefault)
	volumes := make([]*diskVolume, 2)
	for i, name := range []string{"web-0", "web-1"} {
		volumes[i] = b.newVolume(t, "www-"+name, volumeOptions{
			namespace: metav1.NamespaceDefault, podless: true, class: alltype, claimLabels: map[string]string{"app": "nginx"},
		})
	}
	s.create(t, readObject(t, "statefulset.yaml"))
	for _, name := range []string{"web-0", "web-1"} {
		s.makeReady(t, metav1.NamespaceDefault, name)
	}
	b.completedBackup(t, b.name, metav1.NamespaceDefault, "--volume-snapshot-locations", b.name)

	const restore = "nginx-in-default1"
	modifier, err := os.ReadFile(filepath.Join("testdata", "resource-modifier.yaml"))
	must(t, err)
	s.create(t, &corev1.ConfigMap{
		ObjectMeta: inVelero(b.name + "-resource-modifier"), Data: map[string]string{"modifier": string(modifier)},
	})
	s.createSettings(t, "image-mapping", restore, map[string]string{
		"imageRegistryMapping": "anolis-registry.cn-zhangjiakou.cr.aliyuncs.com/openanolis: registry.cn-beijing.aliyuncs.com/my-registry\n",
	})
	s.completedRestore(t, restore, b.name, "--namespace-mappings", "default:default1",
		"--resource-modifier-configmap", b.name+"-resource-modifier")

	got := s.object(t, "apps/v1", "StatefulSet", "default1", "web")
	wantEqual(t, "the StatefulSet of Step 6", documented(got), documented(readObject(t, "statefulset-restored.yaml")))
	disks := make([]string, 0, 2*len(volumes))
	for i, name := range []string{"web-0", "web-1"} {
		pod := &corev1.Pod{}
		must(t, s.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: "default1", Name: name}, pod))
		container := pod.Spec.Containers[0]
		wantEqual(t, "the image of "+name, container.Image, "registry.cn-beijing.aliyuncs.com/my-registry/nginx:1.14.1-8.6")
		wantEqual(t, "the mount path of "+name, container.VolumeMounts[0].MountPath, "/data")
		wantEqual(t, "whether "+name+" has an affinity", pod.Spec.Affinity != nil, false)
		pv := volumes[i].waitBoundIn(t, s.suite, "default1")
		wantEqual(t, "the disk of "+name, s.diskState(t, diskOf(pv)), volumes[i].essd())
		disks = append(disks, volumes[i].disk, diskOf(pv))
	}
	b.settle(t, disks...)
}

// documented is a StatefulSet without what the cluster alone decides: who and when it is, what its controller says of
// it, and what kubectl has noted. "kubectl get" does not show managedFields.
func documented(set *unstructured.Unstructured) map[string]any {
	shown := set.DeepCopy()
	for _, path := range [][]string{
		{"metadata", "uid"},
		{"metadata", "resourceVersion"},
		{"metadata", "creationTimestamp"},
		{"metadata", "managedFields"},
		{"metadata", "annotations", corev1.LastAppliedConfigAnnotation},
		{"spec", "template", "metadata", "creationTimestamp"},
		{"status"},
	} {
		unstructured.RemoveNestedField(shown.Object, path...)
	}
	if len(shown.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(shown.Object, "metadata", "annotations")
	}
	templates, _, _ := unstructured.NestedSlice(shown.Object, "spec", "volumeClaimTemplates")
	for _, template := range templates {
		if template, ok := template.(map[string]any); ok {
			unstructured.RemoveNestedField(template, "metadata", "creationTimestamp")
		}
	}
	_ = unstructured.SetNestedSlice(shown.Object, templates, "spec", "volumeClaimTemplates") // It was one.
	return shown.Object
}

// readObject reads an object from a file of testdata.
func readObject(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	content, err = yaml.YAMLToJSON(content)
	must(t, err)
	object := &unstructured.Unstructured{}
	must(t, object.UnmarshalJSON(content))
	return object
}

// object reads an object of the cluster.
func (s *suite) object(t *testing.T, apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	must(t, s.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object))
	return object
}

// createClass creates a StorageClass of disks that wait for their Pods, as a cluster of several zones needs it.
func (s *suite) createClass(t *testing.T, name string, parameters map[string]string) {
	t.Helper()
	mode := storagev1.VolumeBindingWaitForFirstConsumer
	s.create(t, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: diskDriver, Parameters: parameters, VolumeBindingMode: &mode,
	})
}

// makeReady waits for a Pod and says that it runs, as its kubelet would.
func (s *suite) makeReady(t *testing.T, namespace, name string) {
	t.Helper()
	eventually(t, "the Pod "+name+" to be there", func(ctx context.Context) error {
		pod := &corev1.Pod{}
		if err := s.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
			return err
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		return s.cp.Client.Status().Update(ctx, pod)
	})
}
