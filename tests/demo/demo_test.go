// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/fields"
)

func TestAnAlteredObjectIsNamedAndFailsTheDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short, and this test runs the whole demo")
	}
	var out bytes.Buffer
	status := run(t.Context(), []string{"--alter"}, options{parent: t.TempDir()}, &out)
	if status != 1 {
		t.Errorf("got exit status %d, want 1", status)
	}
	wantOutput(t, out.String(), "what was restored into the namespace shop is not what is expected:\n"+
		"unexpected: configmaps/settings: data.altered: (none) -> yes\n")
	if strings.Contains(out.String(), "\nRestore: Completed") {
		t.Errorf("the demo says that the restore completed:\n%s", &out)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want int
		says string
	}{
		{name: "help is said and is no failure", args: []string{"--help"}, says: "KEEP=1"},
		{name: "an unknown flag is named", args: []string{"--alters"}, want: 2, says: "unknown flag: --alters"},
		{name: "an argument that is no flag is named", args: []string{"alter"}, want: 2, says: `unknown argument "alter"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if got := run(t.Context(), tt.args, options{parent: t.TempDir()}, &out); got != tt.want {
				t.Errorf("got exit status %d, want %d", got, tt.want)
			}
			wantOutput(t, out.String(), tt.says)
		})
	}
}

func TestRequestTable(t *testing.T) {
	t.Parallel()
	got := requestTable([]journal.Entry{
		{Service: "oss", Operation: "PutObject", RequestBytes: 10, ResponseBytes: 1},
		{Service: "sts", Operation: "AssumeRole", RequestBytes: 5},
		{Service: "oss", Operation: "GetObject", ResponseBytes: 7},
		{Service: "oss", Operation: "PutObject", RequestBytes: 20, ResponseBytes: 2},
	})
	want := [][]string{
		{"REQUESTS", "OPERATION", "BYTES SENT", "BYTES RECEIVED"},
		{"1", "GetObject", "0", "7"},
		{"2", "PutObject", "30", "3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestUnexpected(t *testing.T) {
	t.Parallel()
	replicas := fields.Change{Object: "deployments.apps/web", Field: "spec.replicas", Before: "1", After: "2"}
	other := fields.Change{Object: "deployments.apps/web", Field: "spec.replicas", Before: "1", After: "3"}
	tests := []struct {
		name      string
		want, got []fields.Change
		says      []string
	}{
		{name: "what is expected and has happened is not told", want: []fields.Change{replicas}, got: []fields.Change{replicas}},
		{
			name: "a change that did not happen is missing", want: []fields.Change{replicas},
			says: []string{"missing: deployments.apps/web: spec.replicas: 1 -> 2"},
		},
		{
			name: "a change to another value is missing and unexpected", want: []fields.Change{replicas}, got: []fields.Change{other},
			says: []string{
				"missing: deployments.apps/web: spec.replicas: 1 -> 2",
				"unexpected: deployments.apps/web: spec.replicas: 1 -> 3",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.says, unexpected(tt.want, tt.got)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestShortened(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, want string }{
		{name: "a short value stays", value: "ReadWriteOnce", want: "ReadWriteOnce"},
		{name: "a long value ends early", value: strings.Repeat("a", longestValue+1), want: strings.Repeat("a", longestValue) + "…"},
		{name: "no character is cut in two", value: strings.Repeat("a", longestValue-1) + "茶", want: strings.Repeat("a", longestValue-1) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, shortened(tt.value)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIndented(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{name: "each line is indented, inner indentation stays", text: "a\n  b\n", want: "   a\n     b\n"},
		{name: "empty lines have no trailing blanks", text: "a\n\nb", want: "   a\n\n   b\n"},
		{name: "nothing is nothing", text: "\n", want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, indented(tt.text)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func wantOutput(t *testing.T, out, want string) {
	t.Helper()
	if !strings.Contains(out, want) {
		t.Errorf("the output lacks %q:\n%s", want, out)
	}
}
