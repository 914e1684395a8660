// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
)

// storageResources selects the resources that say what a volume is.
func storageResources() velero.ResourceSelector {
	return velero.ResourceSelector{IncludedResources: []string{resourceVolumes, resourceClaims, resourceStatefulSets}}
}

// storageObject is a PersistentVolume, a claim, or a template of claims in a
// StatefulSet, as far as it says what a volume is. Its methods change it, and return
// what there was and whether that was to be changed.
type storageObject struct {
	log  logrus.FieldLogger
	plan storageclass.Plan
	// content is that of the object, to be written to.
	content map[string]any
	// size is where it says how large the volume is.
	size []string
}

// changeStorage plans the volumes of an object and lets change do its part of each plan.
func changeStorage(
	log logrus.FieldLogger, planner *storageclass.Planner, input *velero.RestoreItemActionExecuteInput, change func(*storageObject),
) (*velero.RestoreItemActionExecuteOutput, error) {
	return execute(input, func(ctx context.Context, o object) (*unstructured.Unstructured, error) {
		changed := o.item.DeepCopy()
		planned, err := planStorage(ctx, log.WithFields(fieldsOf(o.item)), planner, o, changed)
		for _, part := range planned {
			change(part)
		}
		return changed, err
	})
}

// planStorage returns what is to become of the volumes that an object tells of. The
// outcome is for changed, a copy of the item.
func planStorage(
	ctx context.Context, log logrus.FieldLogger, planner *storageclass.Planner, o object, changed *unstructured.Unstructured,
) ([]*storageObject, error) {
	switch resourceOf(changed) {
	case resourceVolumes:
		fromBackup, present := &corev1.PersistentVolume{}, &corev1.PersistentVolume{}
		if err := readBoth(o, fromBackup, present); err != nil {
			return nil, err
		}
		plan, err := planner.Volume(ctx, o.restore, fromBackup, present)
		if err != nil {
			return nil, err
		}
		return []*storageObject{{log: log, plan: plan, content: changed.Object, size: []string{"spec", "capacity", "storage"}}}, nil
	case resourceClaims:
		fromBackup, present := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolumeClaim{}
		if err := readBoth(o, fromBackup, present); err != nil {
			return nil, err
		}
		plan, err := planner.Claim(ctx, o.restore, fromBackup, present)
		if err != nil {
			return nil, err
		}
		return []*storageObject{claimObject(log, plan, changed.Object)}, nil
	case resourceStatefulSets:
		return planTemplates(ctx, log, planner, o, changed)
	default:
		return nil, nil
	}
}

func claimObject(log logrus.FieldLogger, plan storageclass.Plan, content map[string]any) *storageObject {
	return &storageObject{log: log, plan: plan, content: content, size: []string{"spec", "resources", "requests", "storage"}}
}

// planTemplates returns what is to become of the templates of claims of a
// StatefulSet. A template that the backup does not have is another action's.
func planTemplates(
	ctx context.Context, log logrus.FieldLogger, planner *storageclass.Planner, o object, changed *unstructured.Unstructured,
) ([]*storageObject, error) {
	contents, _, _ := unstructured.NestedFieldNoCopy(changed.Object, "spec", "volumeClaimTemplates")
	list, _ := contents.([]any)
	if len(list) == 0 {
		return nil, nil
	}
	fromBackup, present := &appsv1.StatefulSet{}, &appsv1.StatefulSet{}
	if err := readBoth(o, fromBackup, present); err != nil {
		return nil, err
	}
	var planned []*storageObject
	for i := range present.Spec.VolumeClaimTemplates {
		template := &present.Spec.VolumeClaimTemplates[i]
		content, ok := list[i].(map[string]any)
		if !ok {
			continue // It is null.
		}
		at := slices.IndexFunc(fromBackup.Spec.VolumeClaimTemplates, func(old corev1.PersistentVolumeClaim) bool { return old.Name == template.Name })
		if at < 0 {
			continue
		}
		plan, err := planner.Template(ctx, o.restore, fromBackup, &fromBackup.Spec.VolumeClaimTemplates[at], template)
		if err != nil {
			return nil, err
		}
		planned = append(planned, claimObject(log.WithField("template", template.Name), plan, content))
	}
	return planned, nil
}

// readBoth reads an object as it was backed up and as it is by now.
func readBoth(o object, fromBackup, present any) error {
	convert := runtime.DefaultUnstructuredConverter.FromUnstructured
	if err := errors.Join(convert(o.fromBackup.Object, fromBackup), convert(o.item.Object, present)); err != nil {
		return fmt.Errorf("reading the object to restore: %w", err)
	}
	return nil
}

// setClass names the class where Kubernetes has it now. The annotation of old objects
// would win over the field.
func (o *storageObject) setClass(name string) (old string, changed bool) {
	old, _, _ = unstructured.NestedString(o.content, "spec", "storageClassName")
	annotated, isAnnotated, _ := unstructured.NestedString(o.content, "metadata", "annotations", corev1.BetaStorageClassAnnotation)
	if !isAnnotated && old == name {
		return old, false
	}
	if isAnnotated {
		old = annotated
		annotation.Remove(o.content, corev1.BetaStorageClassAnnotation)
	}
	o.set(name, "spec", "storageClassName")
	return old, true
}

// removeSelector removes what a claim was backed up with from the selector that it has. Velero's
// data mover adds a label, by which nothing is provisioned before it has restored the volume.
func (o *storageObject) removeSelector(backedUp *metav1.LabelSelector) (changed bool) {
	selector, _, _ := unstructured.NestedMap(o.content, "spec", "selector")
	if selector == nil {
		return false
	}
	labels, _, _ := unstructured.NestedMap(selector, "matchLabels")
	maps.DeleteFunc(labels, func(key string, _ any) bool { _, had := backedUp.MatchLabels[key]; return had })
	if len(labels) == 0 {
		unstructured.RemoveNestedField(o.content, "spec", "selector")
		return true
	}
	o.set(map[string]any{"matchLabels": labels}, "spec", "selector")
	return true
}

// setModes sets the access modes.
func (o *storageObject) setModes(modes []corev1.PersistentVolumeAccessMode) (old []string, changed bool) {
	old, _, _ = unstructured.NestedStringSlice(o.content, "spec", "accessModes")
	texts := make([]string, 0, len(modes))
	for _, mode := range modes {
		texts = append(texts, string(mode))
	}
	if slices.Equal(old, texts) {
		return old, false
	}
	values := make([]any, 0, len(texts))
	for _, text := range texts {
		values = append(values, text)
	}
	o.set(values, "spec", "accessModes")
	return old, true
}

// raiseSize sets the size unless it is as large. An object that says none is left to
// the API server, which refuses it.
func (o *storageObject) raiseSize(least resource.Quantity) (old string, changed bool) {
	value, found, _ := unstructured.NestedFieldNoCopy(o.content, o.size...)
	if !found {
		return "", false
	}
	old = fmt.Sprint(value)
	if number, ok := value.(float64); ok {
		old = strconv.FormatFloat(number, 'f', -1, 64)
	}
	size, err := resource.ParseQuantity(old)
	if err != nil || size.Cmp(least) >= 0 {
		return old, false
	}
	o.set(least.String(), o.size...)
	return old, true
}

// setFlag sets an attribute of the volume of a CSI driver that is on or, as it is
// where it is absent, off.
func (o *storageObject) setFlag(name string, on bool) (old string, changed bool) {
	path := []string{"spec", "csi", "volumeAttributes", name}
	old, present, _ := unstructured.NestedString(o.content, path...)
	value := strconv.FormatBool(on)
	if old == value || !present && !on {
		return old, false
	}
	o.set(value, path...)
	return old, true
}

// set writes a field of the object. What stands in its way is no object of
// Kubernetes, and could not be read as one before.
func (o *storageObject) set(value any, path ...string) {
	if err := unstructured.SetNestedField(o.content, value, path...); err != nil {
		o.log.WithError(err).Warn("A field of the object could not be written")
	}
}

func (o *storageObject) changed(from, to any) logrus.FieldLogger {
	return o.log.WithFields(logrus.Fields{"old": from, "new": to})
}
