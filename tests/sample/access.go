// SPDX-License-Identifier: Apache-2.0

package sample

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// access is who the application is, and what it may do.
func access(namespace string) []client.Object {
	return []client.Object{
		&corev1.ServiceAccount{
			ObjectMeta:       named(namespace, "web"),
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
		},
		&rbacv1.Role{
			ObjectMeta: named(namespace, "web"),
			Rules: []rbacv1.PolicyRule{{
				APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "watch"},
			}},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: named(namespace, "web"),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "web"},
			// A restore into another namespace must follow here.
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "web"}},
		},
	}
}
