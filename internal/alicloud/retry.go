// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"errors"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

var errAttemptsExhausted = errors.New("no further attempt")

// invalidator is told that the cloud refuses the credentials that a request was signed with.
type invalidator interface {
	Invalidate()
}

// ossRetryer is the retry policy in the form that the OSS SDK asks for.
type ossRetryer struct {
	policy      retry.Policy
	credentials invalidator
}

// MaxAttempts implements the SDK's Retryer. Each error sets the real limit.
func (r ossRetryer) MaxAttempts() int { return failure.MaxAttempts }

// IsErrorRetryable implements the SDK's Retryer.
func (r ossRetryer) IsErrorRetryable(err error) bool {
	class := failure.Classify(err)
	if class == failure.Expired || class == failure.Unauthenticated {
		r.credentials.Invalidate()
	}
	return failure.Attempts(err) > 1
}

// RetryDelay implements the SDK's Retryer. An error ends the attempts; the SDK
// then returns that of the last one.
func (r ossRetryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if attempt > failure.Attempts(err) {
		return 0, errAttemptsExhausted
	}
	return r.policy.Delay(attempt), nil
}
