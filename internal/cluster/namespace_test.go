// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

// TestVeleroNamespace is of the package, for a pod's file has a fixed place.
func TestVeleroNamespace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, variable, file, want string
	}{
		{name: "the variable wins over the pod's own", variable: "backups", file: "pod", want: "backups"},
		{name: "without it, it is the pod's own", file: "pod\n", want: "pod"},
		{name: "an empty file names none", file: "", want: "velero"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "namespace")
			if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := veleroNamespace(func(string) string { return tt.variable }, file); got != tt.want {
				t.Errorf("veleroNamespace() = %s, want %s", got, tt.want)
			}
		})
	}
}
