// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// reference is what people read.
const reference = "../../docs/volumesnapshotter-hbr.md"

func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(options())), document.FirstColumn(document.Section(t, reference, "Keys"))); diff != "" {
		t.Errorf("keys (-accepted +described):\n%s", diff)
	}
}

// TestReferenceTellsDefaults holds that the defaults of the reference are those of a
// location without keys: with them written out, it is the same.
func TestReferenceTellsDefaults(t *testing.T) {
	t.Parallel()
	written := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| `([^`]+)` \\|").FindAllStringSubmatch(document.Section(t, reference, "Keys"), -1) {
		for key := range strings.SplitSeq(row[1], ", ") {
			written[strings.Trim(key, "`")] = row[2]
		}
	}
	if want := 10; len(written) != want {
		t.Errorf("%d keys have a default, want %d: %v", len(written), want, written)
	}
	want, got := locationOf(t, nil), locationOf(t, written)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(location{}, retention.Policy{})); diff != "" {
		t.Errorf("location with the defaults of the reference (-none +written):\n%s", diff)
	}
}

func TestReferenceHasEveryPolicy(t *testing.T) {
	t.Parallel()
	want := []string{string(agent.Exclude), string(agent.Include), "nodeSchedulePolicy", string(agent.Prefer)}
	if diff := cmp.Diff(want, document.FirstColumn(document.Section(t, reference, "Nodes"))); diff != "" {
		t.Errorf("policies (-accepted +described):\n%s", diff)
	}
}

// TestReferenceHasMessages holds that the reference has what every message begins with,
// and every sentence of the backup center's FAQ.
func TestReferenceHasMessages(t *testing.T) {
	t.Parallel()
	text := document.Section(t, reference, "Messages")
	for _, begin := range []task{checkingVault, backingUp, restoring, deleting, checkingClient} {
		if !strings.Contains(text, "`"+string(begin)+"`") {
			t.Errorf("no message begins with %q", begin)
		}
	}
	text = strings.ReplaceAll(text, "<namespace>/<name>", "default/demo-pvc-for-convert202311151045")
	for _, sentence := range faqSentences(t, "hbr") {
		_, said, _ := strings.Cut(sentence, "code: 400, ")
		if said == "" {
			said = strings.TrimPrefix(sentence, "Code: ")
			said, _, _ = strings.Cut(said, `\n`)
		}
		if !strings.Contains(text, said) {
			t.Errorf("no message contains %q", said)
		}
	}
}

// TestTheExampleIsALocation loads what deploy/ shows as the API server and then the plugin
// would, as it is and with the keys that are commented out.
func TestTheExampleIsALocation(t *testing.T) {
	t.Parallel()
	content := document.Read(t, "../../deploy/volumesnapshotlocation/hbr.yaml")
	whole := document.WithOptionalKeys(content)
	if whole == content {
		t.Error("no key is commented out")
	}
	for _, text := range []string{content, whole} {
		var example velerov1.VolumeSnapshotLocation
		if err := yaml.UnmarshalStrict([]byte(text), &example); err != nil {
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
	examples := document.Examples(document.Section(t, reference, "Restore"), "yaml")
	if len(examples) != 1 {
		t.Fatalf("%d blocks of YAML, want 1", len(examples))
	}
	configMap := &corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict([]byte(examples[0]), configMap); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Decode[storageclass.Mapping](configMap); err != nil {
		t.Error(err)
	}
}
