// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

func TestUntil(t *testing.T) {
	t.Parallel()
	errMissing := errors.New("2 of 3 are there")
	tests := []struct {
		name      string
		check     func(call int) error
		wantErr   error
		wantText  string
		wantCalls int
	}{
		{
			name:      "returns at once when the condition holds",
			check:     func(int) error { return nil },
			wantCalls: 1,
		},
		{
			name: "asks again until the condition holds",
			check: func(call int) error {
				if call < 3 {
					return errMissing
				}
				return nil
			},
			wantCalls: 3,
		},
		{
			name:      "gives up at once on a permanent error",
			check:     func(int) error { return poll.Permanent(errMissing) },
			wantErr:   errMissing,
			wantText:  "waiting for pods: 2 of 3 are there",
			wantCalls: 1,
		},
		{
			name:      "names what was missing when time is up",
			check:     func(int) error { return errMissing },
			wantErr:   context.DeadlineExceeded,
			wantText:  "waiting for pods: context deadline exceeded after 950ms: 2 of 3 are there",
			wantCalls: 10,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := poll.Until(t.Context(), 950*time.Millisecond, "pods", func(context.Context) error {
					calls++
					return tt.check(calls)
				})
				if !errors.Is(err, tt.wantErr) {
					t.Errorf("got error %v, want %v", err, tt.wantErr)
				}
				if err != nil && !strings.Contains(err.Error(), tt.wantText) {
					t.Errorf("got error %q, want it to contain %q", err, tt.wantText)
				}
				if calls != tt.wantCalls {
					t.Errorf("got %d calls, want %d", calls, tt.wantCalls)
				}
			})
		})
	}
}
