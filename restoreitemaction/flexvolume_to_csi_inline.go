// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/flexvolume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// inlineCapacity is what the claim of a volume says that had none. It is there
// because Kubernetes asks for one: nothing is made of it.
const inlineCapacity = "20Gi"

// controllerRevisions are the templates that the Pods of a StatefulSet or DaemonSet
// had over time.
const controllerRevisions = "controllerrevisions.apps"

// inlineFlexVolumes returns the volumes of a PodSpec, as the item has them, that
// are FlexVolumes of Alibaba Cloud's drivers.
func inlineFlexVolumes(item *unstructured.Unstructured) []map[string]any {
	path := podSpecPath(item)
	if resourceOf(item) == controllerRevisions {
		path = []string{"data", "spec", "template", "spec"}
	}
	if path == nil {
		return nil
	}
	var found []map[string]any
	for _, candidate := range volumesOf(item, path) {
		if driver, _, _ := unstructured.NestedString(candidate, "flexVolume", "driver"); flexvolume.IsDriver(driver) {
			found = append(found, candidate)
		}
	}
	return found
}

// podSpec puts a claim in the place of each FlexVolume.
func (c *flexVolumeConversion) podSpec(ctx context.Context) error {
	inline := inlineFlexVolumes(c.item)
	volumes := make([]*inlineVolume, 0, len(inline))
	// What cannot be converted is found out before anything is created.
	for _, podVolume := range inline {
		converted, err := c.inlineVolumeOf(podVolume)
		if err != nil {
			return err
		}
		volumes = append(volumes, converted)
	}
	for i, podVolume := range inline {
		c.createInline(ctx, volumes[i])
		delete(podVolume, "flexVolume")
		claim := map[string]any{"claimName": volumes[i].name}
		if volumes[i].readOnly {
			claim["readOnly"] = true
		}
		podVolume["persistentVolumeClaim"] = claim
		c.dropLastApplied(volumes[i].converted)
		c.log.WithFields(logrus.Fields{
			"podVolume": podVolume["name"], "old": volumes[i].driver, "new": "PersistentVolumeClaim " + volumes[i].name,
		}).Info("Converted a FlexVolume to a claim for a CSI volume")
	}
	return nil
}

// inlineVolume is what a FlexVolume of a PodSpec becomes.
type inlineVolume struct {
	// name is that of the claim and of its PersistentVolume. Volumes of a namespace
	// that are the same storage with the same options share it, so that the Pods of
	// a workload have what its template says, and a restore that is repeated finds
	// what it made.
	name, namespace string
	// driver is that of the FlexVolume.
	driver    string
	readOnly  bool
	secret    *corev1.SecretReference
	converted flexvolume.Volume
}

func (c *flexVolumeConversion) inlineVolumeOf(podVolume map[string]any) (*inlineVolume, error) {
	var typed corev1.Volume
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(podVolume, &typed); err != nil {
		return nil, fmt.Errorf("reading the volume %v: %w", podVolume["name"], err)
	}
	flex := typed.FlexVolume
	converted, err := flexvolume.ToCSI(flex.Driver, flex.FSType, flex.Options)
	if err != nil {
		return nil, fmt.Errorf("the volume %s: %w", typed.Name, err)
	}
	inline := &inlineVolume{
		namespace: targetNamespace(c.restore, c.item.GetNamespace()),
		driver:    flex.Driver,
		readOnly:  flex.ReadOnly,
		converted: converted,
	}
	if flex.SecretRef != nil {
		inline.secret = &corev1.SecretReference{Namespace: inline.namespace, Name: flex.SecretRef.Name}
	}
	inline.name, err = inline.identity()
	return inline, err
}

// identity returns a name that the same volume always has, and no other.
func (v *inlineVolume) identity() (string, error) {
	identified := v.converted
	// Nothing of it shows, not even in a digest.
	identified.AccessKey.Secret = ""
	content, err := json.Marshal(struct {
		Namespace string
		Volume    flexvolume.Volume
		Secret    *corev1.SecretReference
	}{v.namespace, identified, v.secret})
	if err != nil {
		return "", fmt.Errorf("naming the claim of a volume: %w", err)
	}
	return digestName(content), nil
}

// createInline creates the claim of v, bound to a PersistentVolume, and the Secret
// that it needs.
func (c *flexVolumeConversion) createInline(ctx context.Context, v *inlineVolume) {
	source := sourceOf(v.converted, v.name)
	source.NodePublishSecretRef = v.secret
	if v.secret == nil && !v.converted.AccessKey.IsZero() {
		secret := c.secretOf(v.namespace, v.name, v.converted.AccessKey)
		c.create(ctx, "Secret", secret)
		source.NodePublishSecretRef = referenceTo(secret)
	}
	mode := corev1.ReadWriteMany
	if v.converted.Driver == volume.DriverDisk {
		mode = corev1.ReadWriteOnce
	}
	capacity := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(inlineCapacity)}
	noClass := ""
	pv := &corev1.PersistentVolume{
		ObjectMeta: c.createdMeta("", v.name),
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Capacity:    capacity,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: v.namespace, Name: v.name,
			},
			MountOptions:                  v.converted.MountOptions,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: source},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: c.createdMeta(v.namespace, v.name),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{mode},
			Resources:        corev1.VolumeResourceRequirements{Requests: capacity},
			StorageClassName: &noClass,
			VolumeName:       v.name,
		},
	}
	c.createVolume(ctx, pv)
	c.create(ctx, "PersistentVolumeClaim", claim)
}
