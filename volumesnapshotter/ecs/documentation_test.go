// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
	ram "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
)

const (
	reference  = "../../docs/volumesnapshotter-ecs.md"
	policyFile = "../../deploy/ram/ecs.json"
	examples   = "../../deploy/volumesnapshotlocation/ecs*.yaml"
)

// TestReferenceHasEveryKey holds that the reference describes the keys that a location takes, and no others.
func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	described := document.FirstColumn(document.Section(t, reference, "Keys"))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(options())), described); diff != "" {
		t.Errorf("keys of a location (-accepted +described):\n%s", diff)
	}
}

// TestReferenceTellsDefaults holds that the defaults of the reference are those of a location without keys: with them
// written out, it is the same.
func TestReferenceTellsDefaults(t *testing.T) {
	t.Parallel()
	written := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+)` \\|").FindAllStringSubmatch(document.Section(t, reference, "Keys"), -1) {
		written[row[1]] = row[2]
	}
	if want := 8; len(written) != want {
		t.Errorf("%d keys have a default, want %d: %v", len(written), want, written)
	}
	want, err := parseLocation(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseLocation(written)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(location{}, retention.Policy{})); diff != "" {
		t.Errorf("location with the defaults of the reference (-none +written):\n%s", diff)
	}
}

// TestExampleLocations loads what deploy/ shows, as the API server and then the plugin would.
func TestExampleLocations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(examples)
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in %s: %v", examples, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content := document.Read(t, file)
			for _, text := range []string{content, document.WithOptionalKeys(content)} {
				var example velerov1.VolumeSnapshotLocation
				if err := yaml.UnmarshalStrict([]byte(text), &example); err != nil {
					t.Fatalf("%v in:\n%s", err, text)
				}
				if _, err := parseLocation(example.Spec.Config); err != nil {
					t.Errorf("%v in:\n%s", err, text)
				}
			}
		})
	}
}

// TestReferenceFreezesGroups holds that the backup which the reference shows is one that Velero takes, and that its
// blocks are our groups.
func TestReferenceFreezesGroups(t *testing.T) {
	t.Parallel()
	blocks := document.Examples(document.Section(t, reference, "Consistency groups"), "yaml")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of YAML, want 1", len(blocks))
	}
	var backup velerov1.Backup
	if err := yaml.UnmarshalStrict([]byte(blocks[0]), &backup); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(labelGroup, backup.Spec.VolumeGroupSnapshotLabelKey); diff != "" {
		t.Errorf("label key (-ours +Velero's):\n%s", diff)
	}
}

// TestPolicyIsWhatIsCalled holds that the policy in deploy/ allows the actions that this package calls, and no others.
func TestPolicyIsWhatIsCalled(t *testing.T) {
	t.Parallel()
	content := document.Read(t, policyFile)
	if _, err := ram.ParsePolicy([]byte(content)); err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct{ Action []string }
	}
	if err := yaml.Unmarshal([]byte(content), &policy); err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, statement := range policy.Statement {
		allowed = append(allowed, statement.Action...)
	}
	slices.Sort(allowed)
	called := calledActions(t)
	if diff := cmp.Diff(called, allowed); diff != "" {
		t.Errorf("actions (-called +allowed):\n%s", diff)
	}
	described := document.FirstColumn(document.Section(t, reference, "Permissions"))
	if diff := cmp.Diff(called, described); diff != "" {
		t.Errorf("actions (-called +described):\n%s", diff)
	}
}

// calledActions are the actions of the APIs that this package calls, sorted: those methods of alicloud.ECS that take
// a request.
func calledActions(t *testing.T) []string {
	t.Helper()
	apis := map[string]bool{}
	for method := range reflect.TypeFor[*alicloud.ECS]().Methods() {
		if method.Type.NumIn() == 3 && strings.HasSuffix(method.Type.In(2).String(), "Request") {
			apis[method.Name] = true
		}
	}
	if len(apis) == 0 {
		t.Fatal("alicloud.ECS has no method that takes a request")
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && apis[selector.Sel.Name] {
				called["ecs:"+selector.Sel.Name] = true
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(called))
}

// TestReferenceHasMessages holds that the reference has the beginning of every message, and no others.
func TestReferenceHasMessages(t *testing.T) {
	t.Parallel()
	text := document.Section(t, reference, "Messages")
	for _, begin := range []task{describing, backingUp, restoring, deleting, sweeping, discarding} {
		if !strings.Contains(text, "`"+string(begin)+"`") {
			t.Errorf("no message begins with %q", begin)
		}
	}
	for _, said := range []string{
		policyMissing, crossRegionFailed, errSoldOut.Error()[:len("none of the zones sells a disk")], errInUse.Error(), errForeign.Error(),
	} {
		if !strings.Contains(text, "`"+said+"`") {
			t.Errorf("no message contains %q", said)
		}
	}
	for _, rule := range rules() {
		if name := rule.Code + rule.Message; name != "" && !strings.Contains(text, name) {
			t.Errorf("no message contains %q", name)
		}
	}
}
