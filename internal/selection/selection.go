// SPDX-License-Identifier: Apache-2.0

// Package selection has the conditions by which the settings of an action say
// which objects a rule is about: their namespaces, names and labels. Each is that
// of the object in the cluster that was backed up. A condition that is left out
// holds for every object.
package selection

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Namespaces are the namespaces of the objects; nil means all.
type Namespaces []string

// Names are the names of the objects; nil means all.
type Names []string

// Selector is for the labels of the objects; nil means all.
type Selector metav1.LabelSelector

// Include reports whether an object of that namespace is meant.
func (n Namespaces) Include(namespace string) bool {
	return n == nil || slices.Contains(n, namespace)
}

// Validate refuses what no namespace is called, and a list that no object is in.
func (n *Namespaces) Validate() error {
	return validateEach(*n, "namespace", validation.IsDNS1123Label)
}

// Include reports whether an object of that name is meant.
func (n Names) Include(name string) bool {
	return n == nil || slices.Contains(n, name)
}

// Validate refuses what no object is called, and a list that no object is in.
func (n *Names) Validate() error {
	return validateEach(*n, "name", validation.IsDNS1123Subdomain)
}

func validateEach(list []string, what string, complaints func(string) []string) error {
	if len(list) == 0 {
		return errors.New("an empty list holds for no object: leave it out for all")
	}
	for _, element := range list {
		if messages := complaints(element); len(messages) > 0 {
			return fmt.Errorf("%s %q: %s", what, element, strings.Join(messages, "; "))
		}
	}
	return nil
}

// Matches reports whether an object with these labels is meant.
func (s *Selector) Matches(objectLabels map[string]string) bool {
	return s.Labels().Matches(labels.Set(objectLabels))
}

// Labels returns the selector as the API server takes it.
func (s *Selector) Labels() labels.Selector {
	if s == nil {
		return labels.Everything()
	}
	selector, err := metav1.LabelSelectorAsSelector((*metav1.LabelSelector)(s))
	if err != nil {
		return labels.Nothing() // Validate has refused what is no selector.
	}
	return selector
}

// Validate refuses what is no selector, and one that selects everything.
func (s *Selector) Validate() error {
	selector, err := metav1.LabelSelectorAsSelector((*metav1.LabelSelector)(s))
	if err != nil {
		return err
	}
	if selector.Empty() {
		return errors.New("the selector is empty: leave it out for all objects")
	}
	return nil
}
