// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fieldsOf names object in a log line. Velero counts warnings by these fields,
// which must be strings.
func fieldsOf(object *unstructured.Unstructured) logrus.Fields {
	return logrus.Fields{
		"resource": resourceOf(object), "namespace": object.GetNamespace(), "name": object.GetName(),
	}
}
