//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// row is what people see of a disturbance.
type row struct {
	disturbance, kind, moment string
	first, second             result
}

// result is how an attempt has ended, and what it says.
type result struct{ phase, says string }

func says(now state, seen string) string {
	return fmt.Sprintf("%s (%d errors, %d warnings)", now.reason, now.errors, now.warnings)
}

func checkTable(t *testing.T, rows []row) {
	t.Helper()
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s: %s | %s | %s | %s |\n", r.disturbance, r.kind, r.moment, r.first.phase, r.first.says, r.second.phase)
	}
	t.Log("\n" + b.String())
}
