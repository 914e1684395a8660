// SPDX-License-Identifier: Apache-2.0

package silence_test

import (
	"context"
	"errors"
	"testing"

	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/silence"
)

func TestAProviderThatWasSilentIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	failed := errors.New("no answer")
	var keeper silence.Keeper
	asked := map[string]int{}
	ask := func(provider string, over bool, err error) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if over {
			cancel()
		}
		_, got := keeper.Ask(ctx, provider, func() (velero.OperationProgress, error) {
			asked[provider]++
			return velero.OperationProgress{}, err
		})
		return got
	}
	tests := []struct {
		name, provider string
		over           bool
		err, want      error
		asked          int
	}{
		{"an error in time is that of one call", "a", false, failed, failed, 1},
		{"the next call is made", "a", false, nil, nil, 2},
		{"an answer at the last moment is one", "a", true, nil, nil, 3},
		{"an error when the time is over is one of silence", "a", true, failed, failed, 4},
		{"which is the answer from then on", "a", false, nil, failed, 4},
		{"another provider is asked", "b", false, nil, nil, 1},
	}
	for _, tt := range tests { // Each goes on from the one before.
		if got := ask(tt.provider, tt.over, tt.err); !errors.Is(got, tt.want) || asked[tt.provider] != tt.asked {
			t.Errorf("%s: error %v, asked %d times, want %v and %d", tt.name, got, asked[tt.provider], tt.want, tt.asked)
		}
	}
}
