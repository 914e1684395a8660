// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// annotationDeletion begins the annotations of a PersistentVolume by which the external
// provisioner finds the Secret that it deletes the volume with (pkg/controller of
// kubernetes-csi/external-provisioner).
const annotationDeletion = "volume.kubernetes.io/provisioner-deletion-secret-"

// secretPlace is where a PersistentVolume may name a Secret: a map, and its keys.
type secretPlace struct {
	path            []string
	name, namespace string
}

func secretPlaces() []secretPlace {
	const name, namespace = "name", "namespace"
	return []secretPlace{
		{[]string{"metadata", "annotations"}, annotationDeletion + "name", annotationDeletion + "namespace"},
		{[]string{"spec", "csi", "controllerExpandSecretRef"}, name, namespace},
		{[]string{"spec", "csi", "controllerPublishSecretRef"}, name, namespace},
		{[]string{"spec", "csi", "nodeExpandSecretRef"}, name, namespace},
		{[]string{"spec", "csi", "nodePublishSecretRef"}, name, namespace},
		{[]string{"spec", "csi", "nodeStageSecretRef"}, name, namespace},
		{[]string{"spec", "flexVolume", "secretRef"}, name, namespace},
	}
}

// in returns the Secret that a PersistentVolume names in the place, with an empty name if
// it names none. The namespace may be empty.
func (p secretPlace) in(item *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: p.text(item, p.namespace), Name: p.text(item, p.name)}
}

func (p secretPlace) text(item *unstructured.Unstructured, key string) string {
	text, _, _ := unstructured.NestedString(item.Object, append(slices.Clone(p.path), key)...)
	return text
}

// Secrets returns the Secrets that item names, each once, in the order of their names. Item
// is a PersistentVolume; where it is not one of Alibaba Cloud's drivers there are none. The
// Secret of a FlexVolume that names no namespace is in that of the claim, also while the
// volume is held back.
func Secrets(item *unstructured.Unstructured) []types.NamespacedName {
	pv, err := FromItem(item)
	if err != nil || !hasDriver(pv) {
		return nil
	}
	found := make(map[types.NamespacedName]bool)
	for _, place := range secretPlaces() {
		secret := place.in(item)
		if secret.Namespace == "" && pv.Spec.FlexVolume != nil {
			secret.Namespace = ClaimOf(pv).Namespace
		}
		if secret.Namespace != "" && secret.Name != "" {
			found[secret] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b types.NamespacedName) int {
		return strings.Compare(a.String(), b.String())
	})
}

// hasDriver tells whether pv is mounted by one of Alibaba Cloud's CSI or FlexVolume drivers.
func hasDriver(pv *corev1.PersistentVolume) bool {
	return FormOf(pv) != FormInTree && KindOf(pv) != KindOther
}

// MoveSecrets returns item, a PersistentVolume, naming its Secrets in the namespaces that to
// returns for them, nil if nothing changes. Which Secrets those are is read from
// fromBackup, so that it does not matter what else has changed in item. A place that item
// names another Secret in by now, or none, stays, and so does one without a namespace.
func MoveSecrets(item, fromBackup *unstructured.Unstructured, to func(types.NamespacedName) string) *unstructured.Unstructured {
	secrets := Secrets(fromBackup)
	var moved *unstructured.Unstructured
	for _, place := range secretPlaces() {
		old, now := place.in(fromBackup), place.in(item)
		if !slices.Contains(secrets, old) || now.Name != old.Name || now.Namespace == to(old) {
			continue
		}
		if moved == nil {
			moved = item.DeepCopy()
		}
		// The path leads to a map, for a name was found in it.
		_ = unstructured.SetNestedField(moved.Object, to(old), append(slices.Clone(place.path), place.namespace)...)
	}
	return moved
}
