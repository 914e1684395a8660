// SPDX-License-Identifier: Apache-2.0

// Package silence keeps a cloud that does not answer from holding up a whole poll: Velero
// polls one operation after the other.
package silence

import (
	"context"
	"sync"

	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
)

// Keeper keeps, by provider, the error of the first call that was not answered in its
// time. The zero Keeper is ready for use, also by several goroutines.
type Keeper struct {
	mu     sync.Mutex
	silent map[string]error
}

// Ask returns what call answers. Once a call to a provider was not answered before ctx
// ended, its error is the answer of all others to that provider.
func (k *Keeper) Ask(ctx context.Context, provider string, call func() (velero.OperationProgress, error)) (velero.OperationProgress, error) {
	k.mu.Lock()
	silent := k.silent[provider]
	k.mu.Unlock()
	if silent != nil {
		return velero.OperationProgress{}, silent
	}
	progress, err := call()
	if err != nil && ctx.Err() != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.silent == nil {
			k.silent = map[string]error{}
		}
		k.silent[provider] = err
	}
	return progress, err
}
