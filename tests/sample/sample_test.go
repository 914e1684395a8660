// SPDX-License-Identifier: Apache-2.0

package sample_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
)

func TestApplicationOnAControlPlane(t *testing.T) {
	t.Parallel()
	cp := controlplanetest.Start(t, controlplane.Options{})
	for _, namespace := range []string{"shop", "copy"} {
		if err := sample.Create(t.Context(), cp.Client, namespace); err != nil {
			t.Fatal(err)
		}
	}
	before := digests(t, cp, "shop")
	// The Namespace and what is in it; not the definition; with the two objects of the control plane.
	if got, want := len(before), len(sample.Objects("shop"))-1+2; got != want {
		t.Errorf("got %d digests, want %d: %v", got, want, before)
	}
	if diff := cmp.Diff([]digest.Difference(nil), digest.Compare(before, digests(t, cp, "copy"))); diff != "" {
		t.Errorf("the same application in two namespaces (-want +got):\n%s", diff)
	}

	settings := &corev1.ConfigMap{}
	if err := cp.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "settings"}, settings); err != nil {
		t.Fatal(err)
	}
	settings.Data["currency"] = "EUR"
	if err := cp.Client.Update(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	want := []digest.Difference{{Object: "configmaps/settings", Change: digest.Altered}}
	if diff := cmp.Diff(want, digest.Compare(before, digests(t, cp, "shop"))); diff != "" {
		t.Errorf("after an alteration (-want +got):\n%s", diff)
	}
}

func TestObjectsAreTheSameEveryTime(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(sample.Objects("shop"), sample.Objects("shop")); diff != "" {
		t.Errorf("two calls (-first +second):\n%s", diff)
	}
}

func digests(t *testing.T, cp *controlplane.ControlPlane, namespace string) map[string]string {
	t.Helper()
	all, err := digest.Namespace(t.Context(), cp.Config, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
