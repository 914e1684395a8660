// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"math"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

// invalidator is told that the cloud refuses the credentials that a request was signed with.
type invalidator interface {
	Invalidate()
}

// ossRetryer is the retry policy, in the form that the OSS SDK asks for, of one request. It
// knows what all of its attempts failed with: those of an outage leave the ones that are
// worth it when a service, which is back, is not ready yet.
type ossRetryer struct {
	policy      retry.Policy
	credentials invalidator
	failures    failure.Tally
}

// MaxAttempts implements the SDK's Retryer. The classes of the failures set the real limit.
func (r *ossRetryer) MaxAttempts() int { return math.MaxInt }

// IsErrorRetryable implements the SDK's Retryer. It is called once for each failure.
func (r *ossRetryer) IsErrorRetryable(err error) bool {
	class := failure.Classify(err)
	if class == failure.Expired || class == failure.Unauthenticated {
		r.credentials.Invalidate()
	}
	return r.failures.Again(err)
}

// RetryDelay implements the SDK's Retryer.
func (r *ossRetryer) RetryDelay(attempt int, _ error) (time.Duration, error) {
	return r.policy.Delay(attempt), nil
}
