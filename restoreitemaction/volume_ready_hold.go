// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/operationid"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

const (
	// holdKey is the annotation of a held PersistentVolume, and the label that tells what
	// an object is to this action.
	holdKey = volume.AnnotationHold
	// labelHeld is the label's value on a held PersistentVolume.
	labelHeld = "held"
	// labelStash is the label's value on the ConfigMap of a stash.
	labelStash = "stash"
)

// operation is what the id of an operation says: which PersistentVolume is held
// until which volume is whole, and whose volume that is.
type operation struct {
	PersistentVolume string `json:"persistentVolume"`
	Volume           string `json:"volume"`
	Provider         string `json:"provider"`
}

// String writes the id as parseOperation reads it.
func (o operation) String() string { return operationid.Of(o) }

func parseOperation(id string) (operation, error) {
	var op operation
	if err := json.Unmarshal([]byte(id), &op); err != nil {
		return operation{}, fmt.Errorf("the operation id %q is none of %s: %w", id, VolumeReadyName, err)
	}
	if op.PersistentVolume == "" || op.Volume == "" || op.Provider == "" {
		return operation{}, fmt.Errorf("the operation id %q is none of %s: it lacks the PersistentVolume, the volume or the provider", id, VolumeReadyName)
	}
	return op, nil
}

// hold is what a held PersistentVolume notes.
type hold struct{ volume.Hold }

func newHold(op operation, restore *velerov1.Restore, claim *corev1.ObjectReference) hold {
	return hold{volume.Hold{Restore: restore.Name, RestoreUID: restore.UID, Volume: op.Volume, Claim: claim}}
}

// holdOf returns the hold on pv; held is false where there is none.
func holdOf(pv *corev1.PersistentVolume) (h hold, held bool, err error) {
	h.Hold, held, err = volume.HoldOf(pv)
	return h, held, err
}

// isOf tells whether it is the operation of the restore that holds.
func (h hold) isOf(op operation, restore *velerov1.Restore) bool {
	return h.RestoreUID == restore.UID && h.Volume == op.Volume
}

func (h hold) String() string {
	text, _ := json.Marshal(h) //nolint:errchkjson // strings alone
	return string(text)
}

// put holds pv: its claimRef becomes that of a claim that does not exist, in the
// namespace of Velero.
func (h hold) put(pv *corev1.PersistentVolume, namespace string) {
	metav1.SetMetaDataAnnotation(&pv.ObjectMeta, holdKey, h.String())
	metav1.SetMetaDataLabel(&pv.ObjectMeta, holdKey, labelHeld)
	// Without an UID, the volume controller takes the PersistentVolume for reserved
	// (Available): it neither binds nor reclaims it.
	pv.Spec.ClaimRef = &corev1.ObjectReference{
		APIVersion: "v1",
		Kind:       "PersistentVolumeClaim",
		Namespace:  namespace,
		Name:       holdName(pv.Name),
	}
}

// release undoes put.
func (h hold) release(pv *corev1.PersistentVolume) {
	delete(pv.Annotations, holdKey)
	delete(pv.Labels, holdKey)
	pv.Spec.ClaimRef = h.Claim.DeepCopy()
}

// holdName names what stands in for a PersistentVolume in Velero's namespace: the
// claim that does not exist, and the ConfigMap of its stash.
func holdName(pv string) string {
	const prefix = "volume-ready-"
	if len(prefix)+len(pv) <= validation.DNS1123SubdomainMaxLength {
		return prefix + pv
	}
	sum := sha256.Sum256([]byte(pv))
	return prefix + hex.EncodeToString(sum[:])
}

// itemOf returns pv as Velero takes it from an action: without a status.
func itemOf(pv *corev1.PersistentVolume) (*unstructured.Unstructured, error) {
	item, err := volume.ToItem(pv)
	if err != nil {
		return nil, err
	}
	unstructured.RemoveNestedField(item.Object, "status")
	unstructured.RemoveNestedField(item.Object, "metadata", "creationTimestamp")
	return item, nil
}
