// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestAnAlteredObjectIsNamedAndFailsTheDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short, and this test runs the whole demo")
	}
	var out bytes.Buffer
	status := run(t.Context(), []string{"--alter"}, false, &out)
	if status != 1 {
		t.Errorf("got exit status %d, want 1", status)
	}
	wantOutput(t, out.String(), "what was restored into the namespace shop differs:\nconfigmaps/settings: altered\n")
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
			if got := run(t.Context(), tt.args, false, &out); got != tt.want {
				t.Errorf("got exit status %d, want %d", got, tt.want)
			}
			wantOutput(t, out.String(), tt.says)
		})
	}
}

func wantOutput(t *testing.T, out, want string) {
	t.Helper()
	if !strings.Contains(out, want) {
		t.Errorf("the output lacks %q:\n%s", want, out)
	}
}
