// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// How many objects of a kind there are in a cluster that is backed up: applications with a Deployment each and a
// Service, two or three ConfigMaps and a Secret or two; every fourth has an Ingress, every sixth a volume. Each
// twentieth object is in a system namespace.
const (
	backedUpConfigMaps  = 500
	backedUpSecrets     = 300
	backedUpDeployments = 200
	backedUpServices    = 200
	backedUpIngresses   = 50
	systemConfigMaps    = 50
	systemSecrets       = 50

	// Volumes, by what is behind them. Each is a claim and a PersistentVolume.
	disks       = 15
	fileSystems = 8
	buckets     = 4
	// foreign ones are none of Alibaba Cloud's.
	foreign = 8
)

const (
	numberOfVolumes = disks + fileSystems + buckets + foreign
	// Kubernetes makes a ReplicaSet of a Deployment, and Endpoints and an EndpointSlice of a Service.
	numberOfBackedUpObjects = backedUpConfigMaps + backedUpSecrets + 2*backedUpDeployments + 3*backedUpServices + backedUpIngresses +
		systemConfigMaps + systemSecrets + 2*numberOfVolumes
)

// kindsOfBackup are the resources of a backup: those of the objects, with what Kubernetes makes of them.
func kindsOfBackup() []string {
	return []string{
		"namespaces", "configmaps", "secrets", "deployments.apps", "replicasets.apps", "services", "endpoints",
		"endpointslices.discovery.k8s.io", "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io",
		"persistentvolumeclaims", "persistentvolumes",
	}
}

// createMixture creates the objects that are backed up, and what a cluster has for them.
func (c *cluster) createMixture(b *testing.B) {
	b.Helper()
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		ingressClass("alb", &networkingv1.IngressClassParametersReference{APIGroup: new("alibabacloud.com"), Kind: "AlbConfig", Name: "alb"}),
		ingressClass("nginx", nil),
		snapshotLocation("disks", "velero.io/alibabacloud"),
		snapshotLocation("files", "alibabacloud.com/hbr"),
	} {
		must(b, c.cp.Client.Create(b.Context(), object))
	}
	c.createEach(b, namespace, []population{
		{backedUpConfigMaps, configMap},
		{backedUpSecrets, secret},
		{backedUpDeployments, deployment},
		{backedUpServices, service},
		{backedUpIngresses, ingress},
	})
	c.createEach(b, metav1.NamespaceSystem, []population{{systemConfigMaps, configMap}, {systemSecrets, secret}})
	for i := range numberOfVolumes {
		name := fmt.Sprintf("volume-%04d", i)
		must(b, c.cp.Client.Create(b.Context(), persistentVolume(name, sourceOf(i))))
		must(b, c.cp.Client.Create(b.Context(), claimOf(name)))
	}
	must(b, poll.Until(b.Context(), timeout, "the claims to be bound", c.claimsBound))
}

// claimsBound returns an error while a claim is not bound: Velero takes the PersistentVolumes of bound ones along.
func (c *cluster) claimsBound(ctx context.Context) error {
	claims := &corev1.PersistentVolumeClaimList{}
	if err := c.cp.Client.List(ctx, claims, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range claims.Items {
		if phase := claims.Items[i].Status.Phase; phase != corev1.ClaimBound {
			return fmt.Errorf("the claim %s is %s", claims.Items[i].Name, phase)
		}
	}
	return nil
}

// snapshotLocation is one that an installation has, though nothing is snapshotted.
func snapshotLocation(name, provider string) client.Object {
	return &velerov1.VolumeSnapshotLocation{
		ObjectMeta: inVelero(name),
		Spec:       velerov1.VolumeSnapshotLocationSpec{Provider: provider, Config: map[string]string{"region": region}},
	}
}

func ingressClass(name string, parameters *networkingv1.IngressClassParametersReference) client.Object {
	return &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       networkingv1.IngressClassSpec{Controller: "example.com/" + name, Parameters: parameters},
	}
}

// ingress is one of a class, half of them of each.
func ingress(name string) client.Object {
	class := "alb"
	if name[len(name)-1]%2 == 0 {
		class = "nginx"
	}
	backend := networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Number: 80}},
	}
	return &networkingv1.Ingress{
		ObjectMeta: meta(name),
		Spec:       networkingv1.IngressSpec{IngressClassName: &class, DefaultBackend: &backend},
	}
}

// sourceOf is what is behind one of the volumes.
func sourceOf(i int) corev1.PersistentVolumeSource {
	name := fmt.Sprintf("volume-%04d", i)
	switch {
	case i < disks:
		return ofDriver("diskplugin.csi.alibabacloud.com", fmt.Sprintf("d-%04d", i), map[string]string{"type": "cloud_essd"})
	case i < disks+fileSystems:
		return ofDriver("nasplugin.csi.alibabacloud.com", name, map[string]string{"server": "0a1b2c.cn-hangzhou.nas.aliyuncs.com", "path": "/" + name})
	case i < disks+fileSystems+buckets:
		source := ofDriver("ossplugin.csi.alibabacloud.com", name, map[string]string{"bucket": name, "url": "oss-cn-hangzhou-internal.aliyuncs.com"})
		source.CSI.NodePublishSecretRef = &corev1.SecretReference{Namespace: namespace, Name: fmt.Sprintf("object-%04d", i)}
		return source
	case i%3 == 0:
		return corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data/" + name}}
	default:
		return ofDriver("ebs.csi.aws.com", name, nil)
	}
}

func ofDriver(driver, handle string, attributes map[string]string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{
		CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: handle, VolumeAttributes: attributes},
	}
}

// zoneOfDisks is the key by which the driver of disks tells the zone of one.
const zoneOfDisks = "topology.diskplugin.csi.alibabacloud.com/zone"

// persistentVolume is that of the claim of its name. It names a zone as disks do, whatever is behind it.
func persistentVolume(name string, source corev1.PersistentVolumeSource) client.Object {
	inZone := corev1.NodeSelectorRequirement{Key: zoneOfDisks, Operator: corev1.NodeSelectorOpIn, Values: []string{region + "-h"}}
	terms := []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{inZone}}}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: source,
			StorageClassName:       classOfClaims,
			AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")},
			ClaimRef:               &corev1.ObjectReference{Namespace: namespace, Name: name},
			NodeAffinity:           &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: terms}},
		},
	}
}

// claimOf is the claim of the PersistentVolume of that name.
func claimOf(name string) client.Object {
	claim := claim(name)
	claim.Spec.VolumeName = name
	return claim
}
