// SPDX-License-Identifier: Apache-2.0

package final_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// answered is what the cloud refuses a request with.
func answered(status int, code string) error {
	return &tea.SDKError{StatusCode: tea.Int(status), Code: tea.String(code)}
}

func TestIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		// is is what Is tells, passes what MayPass does.
		is, passes bool
	}{
		{"no error", nil, false, false},
		{"an error that nobody knows", errors.New("x"), false, false},
		{"a connection that was lost", io.EOF, false, true},
		{"one that was made final", final.Errorf("reading: %w", io.EOF), true, false},
		{"one that became final", final.Of(io.EOF), true, false},
		{"one around a final one", fmt.Errorf("reading: %w", final.Of(io.EOF)), true, false},
		{"one of several", errors.Join(io.ErrUnexpectedEOF, final.Of(io.EOF)), true, false},
		{"a call that was ended", context.Canceled, false, true},
		{"credentials that are missing", &credentials.Error{}, false, false},
		{"a thing that the cloud does not have", answered(404, "InvalidDiskId.NotFound"), true, false},
		{"a permission that is missing", answered(403, "Forbidden.RAM"), true, false},
		{"a service that fails", answered(503, "ServiceUnavailable"), false, true},
		{"too many requests", answered(400, "Throttling.User"), false, true},
		{"a failure of the service that became final", final.Of(answered(503, "ServiceUnavailable")), true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if is, passes := final.Is(tt.err), final.MayPass(tt.err); is != tt.is || passes != tt.passes {
				t.Errorf("%v: final %v, may pass %v, want %v and %v", tt.err, is, passes, tt.is, tt.passes)
			}
		})
	}
	if err := final.Of(io.EOF); !errors.Is(err, io.EOF) || err.Error() != "EOF" {
		t.Errorf("error %q is not the one that it was made of", err)
	}
}
