// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"os"
	"regexp"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
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

// TestTheReferenceHasValidSettings holds that the settings which the reference shows for
// another kind of storage are accepted.
func TestTheReferenceHasValidSettings(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section(t, "Restore"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of YAML, want 1", len(blocks))
	}
	configMap := &corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict([]byte(blocks[0][1]), configMap); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Decode[storageclass.Mapping](configMap); err != nil {
		t.Error(err)
	}
}
