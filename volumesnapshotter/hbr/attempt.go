// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"
	"fmt"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// createAttempts is how often something is created of which it is not known whether it was.
const createAttempts = 3

// createOnce returns the id of what create makes. Cloud Backup takes no ClientToken:
// where the answer was lost, or says that the thing cannot be made, which may be because
// it is there, find tells the id of what is there, "" for nothing.
func createOnce(ctx context.Context, api *alicloud.HBR, create, find func(context.Context) (string, error)) (string, error) {
	for attempt := 1; ; attempt++ {
		id, err := create(ctx)
		if err == nil && id == "" {
			return "", errors.New("Cloud Backup accepted the request and did not tell the id") //nolint:staticcheck // A name begins it.
		}
		if err == nil {
			return id, nil
		}
		open := alicloud.MayBeDone(err)
		if class := failure.Classify(err); !open && class != failure.Conflict && class != failure.Invalid {
			return "", err
		}
		if open {
			if slept := api.Sleep(ctx, pollInterval); slept != nil {
				return "", err
			}
		}
		found, lookErr := find(ctx)
		switch {
		case lookErr != nil:
			return "", fmt.Errorf("%w; looking whether it was done: %w", err, lookErr)
		case found != "":
			return found, nil
		case !open || attempt == createAttempts:
			return "", err
		}
	}
}

// visible returns what look finds, nil for nothing. Lists may lag behind what was created.
func visible[T any](ctx context.Context, api *alicloud.HBR, look func() (*T, error)) (*T, error) {
	for since := api.Now(); ; {
		found, err := look()
		if err != nil || found != nil || api.Now().Sub(since) >= visibleAfter {
			return found, err
		}
		if err := api.Sleep(ctx, pollInterval); err != nil {
			return nil, err
		}
	}
}
