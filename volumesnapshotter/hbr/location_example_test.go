// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"os"
	"regexp"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/yaml"
)

// TestTheExampleIsALocation loads what deploy/ shows as the API server and then the plugin
// would, as it is and with the keys that are commented out.
func TestTheExampleIsALocation(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../deploy/volumesnapshotlocation/hbr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	optional := regexp.MustCompile(`(?m)^    # (\w+: \S+)$`)
	if !optional.Match(content) {
		t.Error("no key is commented out")
	}
	for _, text := range [][]byte{content, optional.ReplaceAll(content, []byte("    $1"))} {
		var example velerov1.VolumeSnapshotLocation
		if err := yaml.UnmarshalStrict(text, &example); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if _, err := parseLocation(example.Spec.Config); err != nil {
			t.Errorf("%v in:\n%s", err, text)
		}
	}
}
