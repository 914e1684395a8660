// SPDX-License-Identifier: Apache-2.0

// Package controlplanetest starts control planes that end with the test which needs them.
package controlplanetest

import (
	"os"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// FindTools returns the programs of a control plane. With -short it skips the test, which would run them.
func FindTools(tb testing.TB) controlplane.Tools {
	tb.Helper()
	if testing.Short() {
		tb.Skip("skipped: -short, and this test runs a Kubernetes control plane")
	}
	tools, err := controlplane.FindTools(tb.Context(), os.Stderr)
	if err != nil {
		tb.Fatal(err)
	}
	return tools
}

// Start starts a control plane that ends with the test. Options without tools get those of FindTools, which skips the
// test with -short, and options without a folder get one that is removed after the test.
func Start(tb testing.TB, options controlplane.Options) *controlplane.ControlPlane {
	tb.Helper()
	if options.Tools == (controlplane.Tools{}) {
		options.Tools = FindTools(tb)
	}
	if options.Dir == "" {
		options.Dir = tb.TempDir()
	}
	cp, err := controlplane.Start(tb.Context(), options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return cp
}
