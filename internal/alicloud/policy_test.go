// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// The policies of the two methods of backing up file systems.
const (
	agentlessPolicy = "../../deploy/ram/hbr-agentless.json"
	nodePolicy      = "../../deploy/ram/hbr-node.json"
)

// TestPoliciesAllowWhatCanBeCalled holds that there is a client for each action that
// the policies allow, and a policy for each API that there is a client for.
func TestPoliciesAllowWhatCanBeCalled(t *testing.T) {
	t.Parallel()
	called := map[string]bool{}
	for name := range apis(t, &HBR{}) {
		called["hbr:"+name] = true
	}
	for name := range apis(t, &NAS{}) {
		called["nas:"+name] = true
	}
	allowed := map[string]bool{}
	for _, file := range []string{agentlessPolicy, nodePolicy} {
		actions := allowedActions(t, file)
		for _, action := range actions {
			allowed[action] = true
		}
		if slices.Sort(actions); len(slices.Compact(actions)) != len(actions) {
			t.Errorf("%s allows an action twice: %v", file, actions)
		}
	}
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(called)), slices.Sorted(maps.Keys(allowed))); diff != "" {
		t.Errorf("actions (-called +allowed):\n%s", diff)
	}
}

// allowedActions are those of the statements of a policy.
func allowedActions(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct{ Action []string }
	}
	if err := json.Unmarshal(content, &policy); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var actions []string
	for _, statement := range policy.Statement {
		actions = append(actions, statement.Action...)
	}
	return actions
}
