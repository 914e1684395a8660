// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestAnItemIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	want := volumeWith(csi(DriverNAS, map[string]string{"server": "s", "path": "/a"}))
	item, err := ToItem(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromItem(item)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("volume (-want +got):\n%s", diff)
	}
	if got, err := FromItem(&unstructured.Unstructured{Object: map[string]any{"spec": "x"}}); err == nil {
		t.Errorf("volume %v was read of what is none", got)
	}
}
