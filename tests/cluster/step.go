// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// step is a command that changes this machine or a node, and ends.
type step []string

// run runs a step. Its error holds what the command said.
func (s step) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, s[0], s[1:]...)
	cmd.Env = environment()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(s, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

// runAll runs steps one after the other, until one fails.
func runAll(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := s.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// environment is that of every command and program: nothing of the caller's, neither credentials, nor a proxy that
// would send traffic between this machine and its nodes elsewhere. Messages are in English, for some are looked at.
func environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C"}
}
