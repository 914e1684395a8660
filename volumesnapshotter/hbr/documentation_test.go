// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// reference is what people read.
const reference = "../../docs/volumesnapshotter-hbr.md"

// section returns a section of the reference, without its title.
func section(t *testing.T, title string) string {
	t.Helper()
	content, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(content), "\n## "+title+"\n")
	if !found {
		t.Fatalf("%s has no section %s", reference, title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// codeOfFirstColumn returns what the first column of a table has as code, sorted.
func codeOfFirstColumn(markdown string) []string {
	var found []string
	for _, row := range regexp.MustCompile("(?m)^\\|([^|]*`[^|]*)\\|").FindAllStringSubmatch(markdown, -1) {
		for _, code := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			found = append(found, code[1])
		}
	}
	slices.Sort(found)
	return found
}

func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(options())), codeOfFirstColumn(section(t, "Keys"))); diff != "" {
		t.Errorf("keys (-accepted +described):\n%s", diff)
	}
}

// TestReferenceTellsDefaults holds that the defaults of the reference are those of a
// location without keys: with them written out, it is the same.
func TestReferenceTellsDefaults(t *testing.T) {
	t.Parallel()
	written := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| `([^`]+)` \\|").FindAllStringSubmatch(section(t, "Keys"), -1) {
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
	if diff := cmp.Diff(want, codeOfFirstColumn(section(t, "Nodes"))); diff != "" {
		t.Errorf("policies (-accepted +described):\n%s", diff)
	}
}

// TestReferenceHasMessages holds that the reference has what every message begins with,
// and every sentence of the backup center's FAQ.
func TestReferenceHasMessages(t *testing.T) {
	t.Parallel()
	text := section(t, "Messages")
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
