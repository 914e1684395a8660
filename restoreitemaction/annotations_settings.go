// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/selection"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// AnnotationsSettings are the settings of the action annotations.
type AnnotationsSettings struct {
	// Rules hold one after the other: of two that are about the same annotation the
	// later one decides.
	Rules []AnnotationsRule `json:"rules"`
}

// AnnotationsRule says which objects it is about, all by what they are in the
// cluster that was backed up, and what becomes of their annotations.
type AnnotationsRule struct {
	// Kinds of the objects; nil means all that the action is for.
	Kinds      []AnnotatedKind      `json:"kinds,omitempty"`
	Namespaces selection.Namespaces `json:"namespaces,omitempty"`
	Names      selection.Names      `json:"names,omitempty"`
	Selector   *selection.Selector  `json:"selector,omitempty"`
	// Set gives annotations a value, whether or not the object has them.
	Set AnnotationValues `json:"set,omitempty"`
	// Overwrite gives the annotations that the object has another value.
	Overwrite AnnotationValues `json:"overwrite,omitempty"`
	// Remove removes annotations.
	Remove AnnotationKeys `json:"remove,omitempty"`
}

// AnnotatedKind is a kind whose annotations are changed: Service or Ingress.
type AnnotatedKind string

// AnnotationValues are values of annotations by key.
type AnnotationValues map[string]string

// AnnotationKeys are keys of annotations.
type AnnotationKeys []string

// annotationsSettings returns the settings of the action annotations, which the
// action load-balancer reads too.
func annotationsSettings(reader *settings.Reader) *settings.Settings[AnnotationsSettings] {
	return settings.Of[AnnotationsSettings](reader, AnnotationsName)
}

// Validate refuses a rule that holds for no object, changes nothing or contradicts
// itself.
func (r *AnnotationsRule) Validate() error {
	if r.Kinds != nil && len(r.Kinds) == 0 {
		return errors.New("an empty list of kinds holds for no object: leave it out for all")
	}
	if len(r.Set)+len(r.Overwrite)+len(r.Remove) == 0 {
		return errors.New("nothing is asked: allowed are set, overwrite and remove")
	}
	seen := make(map[string]bool)
	for _, keys := range [][]string{
		slices.Sorted(maps.Keys(r.Set)), slices.Sorted(maps.Keys(r.Overwrite)), r.Remove,
	} {
		for _, key := range keys {
			if seen[key] {
				return fmt.Errorf("the annotation %q is there twice: a rule does one thing with it", key)
			}
			seen[key] = true
		}
	}
	return nil
}

// Validate refuses kinds that the action is not for.
func (k *AnnotatedKind) Validate() error {
	if *k != "Service" && *k != "Ingress" {
		return errors.New("allowed are Service, Ingress")
	}
	return nil
}

// Validate refuses what cannot be the key of an annotation.
func (v *AnnotationValues) Validate() error {
	return validateAnnotationKeys(slices.Sorted(maps.Keys(*v)))
}

// Validate refuses what cannot be the key of an annotation.
func (k *AnnotationKeys) Validate() error {
	return validateAnnotationKeys(*k)
}

func validateAnnotationKeys(keys []string) error {
	for _, key := range keys {
		// The API server takes upper case too, see ValidateAnnotations of apimachinery.
		if messages := validation.IsQualifiedName(strings.ToLower(key)); len(messages) > 0 {
			return fmt.Errorf("annotation %q: %s", key, strings.Join(messages, "; "))
		}
	}
	return nil
}

// changes returns what the rules make of the annotations of an object, which is as
// it was backed up.
func (s *AnnotationsSettings) changes(object *unstructured.Unstructured) annotationChanges {
	changes := annotationChanges{}
	backedUp := object.GetAnnotations()
	for i := range s.Rules {
		rule := &s.Rules[i]
		if !rule.covers(object) {
			continue
		}
		present := changes.on(backedUp)
		for key, value := range rule.Overwrite {
			if _, ok := present[key]; ok {
				changes.set(key, value)
			}
		}
		for key, value := range rule.Set {
			changes.set(key, value)
		}
		for _, key := range rule.Remove {
			changes.remove(key)
		}
	}
	return changes
}

// covers reports whether the rule is about the object, which is as it was backed up.
func (r *AnnotationsRule) covers(object *unstructured.Unstructured) bool {
	return (r.Kinds == nil || slices.Contains(r.Kinds, AnnotatedKind(object.GetKind()))) &&
		r.Namespaces.Include(object.GetNamespace()) &&
		r.Names.Include(object.GetName()) &&
		r.Selector.Matches(object.GetLabels())
}
