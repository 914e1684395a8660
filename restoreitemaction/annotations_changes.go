// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"maps"
	"slices"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
)

// annotationChanges are what becomes of annotations, by their keys. Those that are
// not in it stay as they are.
type annotationChanges map[string]annotationChange

// annotationChange is the new value of an annotation, or its removal.
type annotationChange struct {
	value   string
	removed bool
}

func (c annotationChanges) set(key, value string) { c[key] = annotationChange{value: value} }

func (c annotationChanges) remove(key string) { c[key] = annotationChange{removed: true} }

// on returns a copy of annotations with the changes.
func (c annotationChanges) on(annotations map[string]string) map[string]string {
	changed := make(map[string]string, len(annotations)+len(c))
	maps.Copy(changed, annotations)
	for key, change := range c {
		if change.removed {
			delete(changed, key)
		} else {
			changed[key] = change.value
		}
	}
	return changed
}

// apply changes the annotations of object.
func (c annotationChanges) apply(object *unstructured.Unstructured) {
	for key, change := range c {
		if change.removed {
			annotation.Remove(object.Object, key)
		} else {
			annotation.Set(object.Object, key, change.value)
		}
	}
}

// log logs what apply would change in object, with log, which names the object.
func (c annotationChanges) log(log logrus.FieldLogger, object *unstructured.Unstructured) {
	old := object.GetAnnotations()
	for _, key := range slices.Sorted(maps.Keys(c)) {
		value, present := old[key]
		change := c[key]
		log := log.WithField("annotation", key)
		switch {
		case change.removed && present:
			log.WithField("old", value).Info("Removed an annotation")
		case !change.removed && (!present || value != change.value):
			log.WithFields(logrus.Fields{"old": value, "new": change.value}).Info("Set an annotation")
		}
	}
}
