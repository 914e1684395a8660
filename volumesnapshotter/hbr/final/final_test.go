// SPDX-License-Identifier: Apache-2.0

package final_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/final"
)

func TestIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"no error is none", nil, false},
		{"an error may pass", io.EOF, false},
		{"one that was made final", final.Errorf("reading: %w", io.EOF), true},
		{"one that became final", final.Of(io.EOF), true},
		{"one around a final one", fmt.Errorf("reading: %w", final.Of(io.EOF)), true},
		{"one of several", errors.Join(io.ErrUnexpectedEOF, final.Of(io.EOF)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := final.Is(tt.err); got != tt.want {
				t.Errorf("Is(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
	if err := final.Of(io.EOF); !errors.Is(err, io.EOF) || err.Error() != "EOF" {
		t.Errorf("error %q is not the one that it was made of", err)
	}
}
