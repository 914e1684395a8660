// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// How many objects of a kind there are.
const (
	configMaps  = 1000
	secrets     = 500
	deployments = 300
	claims      = 100
	services    = 100
)

// numberOfObjects is that of all kinds.
const numberOfObjects = configMaps + secrets + deployments + claims + services

// classOfClaims is a StorageClass of another vendor.
const classOfClaims = "gp2"

// createObjects creates the objects in the namespace.
func (c *cluster) createObjects(b *testing.B) {
	b.Helper()
	must(b, c.cp.Client.Create(b.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	c.createEach(b, namespace, []population{
		{configMaps, configMap}, {secrets, secret}, {deployments, deployment}, {claims, func(name string) client.Object { return claim(name) }}, {services, service},
	})
}

// population is a number of objects of a kind.
type population struct {
	number int
	object func(name string) client.Object
}

// createEach creates objects in a namespace.
func (c *cluster) createEach(b *testing.B, namespace string, populations []population) {
	b.Helper()
	for _, kind := range populations {
		for i := range kind.number {
			object := kind.object(fmt.Sprintf("object-%04d", i))
			object.SetNamespace(namespace)
			must(b, c.cp.Client.Create(b.Context(), object))
		}
	}
}

// createSettings lets the actions change every Deployment, Service and claim.
func (c *cluster) createSettings(b *testing.B) {
	b.Helper()
	waits := storagev1.VolumeBindingWaitForFirstConsumer
	must(b, c.cp.Client.Create(b.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "alicloud-disk-essd"}, Provisioner: "diskplugin.csi.alibabacloud.com",
		Parameters: map[string]string{"type": "cloud_essd"}, VolumeBindingMode: &waits,
	}))
	for action, data := range map[string]map[string]string{
		"image-mapping":         {"imageRegistryMapping": "docker.io/library: registry.cn-beijing.aliyuncs.com/my-registry\n"},
		"storage-class-mapping": {classOfClaims: "alicloud-disk-essd"},
		"annotations":           {"rules": "- set: {team: shop}\n"},
	} {
		settings := &corev1.ConfigMap{ObjectMeta: inVelero(action), Data: data}
		settings.Labels = map[string]string{"velero.io/plugin-config": "", "alibabacloud.com/" + action: "RestoreItemAction"}
		must(b, c.cp.Client.Create(b.Context(), settings))
	}
}

// wantChanged fails unless what was restored into the namespace is what the settings make of it.
func (c *cluster) wantChanged(b *testing.B, name string) {
	b.Helper()
	deployed, claimed, served := &appsv1.DeploymentList{}, &corev1.PersistentVolumeClaimList{}, &corev1.ServiceList{}
	for _, list := range []client.ObjectList{deployed, claimed, served} {
		must(b, c.cp.Client.List(b.Context(), list, client.InNamespace(name)))
	}
	changed := make(map[string]int)
	for i := range deployed.Items {
		changed[deployed.Items[i].Spec.Template.Spec.Containers[0].Image]++
	}
	for i := range claimed.Items {
		changed[*claimed.Items[i].Spec.StorageClassName]++
	}
	for i := range served.Items {
		changed[served.Items[i].Annotations["team"]]++
	}
	want := map[string]int{"registry.cn-beijing.aliyuncs.com/my-registry/nginx:1.14.1": deployments, "alicloud-disk-essd": claims, "shop": services}
	if diff := cmp.Diff(want, changed); diff != "" {
		b.Errorf("images, classes and annotations that were restored (-want +got):\n%s", diff)
	}
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}}
}

func configMap(name string) client.Object {
	return &corev1.ConfigMap{ObjectMeta: meta(name), Data: map[string]string{"greeting": "hello"}}
}

func secret(name string) client.Object {
	return &corev1.Secret{ObjectMeta: meta(name), Data: map[string][]byte{"greeting": []byte("hello")}}
}

// deployment is one without Pods, which would add objects.
func deployment(name string) client.Object {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: meta(name),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.14.1"}}},
			},
		},
	}
}

// claim is one that is never bound: no provisioner runs.
func claim(name string) *corev1.PersistentVolumeClaim {
	class := classOfClaims
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: meta(name),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: &class,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
		},
	}
}

func service(name string) client.Object {
	return &corev1.Service{
		ObjectMeta: meta(name),
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80}}},
	}
}
