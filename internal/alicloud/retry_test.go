// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

func ossError(status int, code string) error {
	return &oss.ServiceError{StatusCode: status, Code: code}
}

type countingInvalidator int

func (c *countingInvalidator) Invalidate() { *c++ }

func TestOSSRetryer(t *testing.T) {
	t.Parallel()
	unreachable := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	tests := []struct {
		name            string
		err             error
		wantAttempts    int
		wantInvalidated int
	}{
		{"a broken front end is tried ten times", ossError(503, "ServiceUnavailable"), 10, 0},
		{"an expired token is renewed and tried again", ossError(403, "SecurityTokenExpired"), 3, 1},
		{"a disabled key is read again for the next request, but not tried again", ossError(403, "InvalidAccessKeyId"), 1, 1},
		{"a wrong clock is tried once more", ossError(403, "RequestTimeTooSkewed"), 2, 0},
		{"an endpoint that does not answer is most likely wrong", unreachable, 3, 0},
		{"one that has answered before is waited for", &failure.LostError{Err: unreachable}, 20, 0},
		{"what is denied stays denied", ossError(403, "AccessDenied"), 1, 0},
		{"what is missing stays missing", ossError(404, "NoSuchKey"), 1, 0},
		{"an unknown error is not tried again", errors.New("odd"), 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var invalidated countingInvalidator
			retryer := &ossRetryer{policy: retry.Policy{BaseDelay: 1, MaxDelay: 1}, credentials: &invalidated}
			attempts := 1
			for ; attempts < retryer.MaxAttempts() && retryer.IsErrorRetryable(tt.err); attempts++ {
				if _, err := retryer.RetryDelay(attempts+1, tt.err); err != nil {
					break
				}
				invalidated = 0
			}
			if attempts != tt.wantAttempts {
				t.Errorf("the request is sent %d times, want %d", attempts, tt.wantAttempts)
			}
			if tt.wantAttempts < 10 && int(invalidated) != tt.wantInvalidated {
				t.Errorf("credentials were invalidated %d times by the last failure, want %d", invalidated, tt.wantInvalidated)
			}
		})
	}
}

func TestEachClassOfFailureOfARequestHasAttemptsOfItsOwn(t *testing.T) {
	t.Parallel()
	lost := &failure.LostError{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	broken, skewed, expired := ossError(503, "ServiceUnavailable"), ossError(403, "RequestTimeTooSkewed"), ossError(403, "SecurityTokenExpired")
	tests := []struct {
		name     string
		failures []error
		// wantAttempts is how often the request is sent; one more than there are failures if it succeeds.
		wantAttempts int
	}{
		{"a front end that is not ready after an outage", slices.Concat(slices.Repeat([]error{lost}, 19), slices.Repeat([]error{broken}, 9)), 29},
		{"a clock that is found wrong after an outage", slices.Concat(slices.Repeat([]error{lost}, 12), []error{broken, skewed}), 15},
		{"a token that has expired meanwhile", slices.Concat(slices.Repeat([]error{broken}, 5), []error{expired, expired}), 8},
		{"a front end that stays broken", slices.Concat([]error{skewed}, slices.Repeat([]error{broken}, 20)), 11},
		{"what is denied stays denied", []error{broken, ossError(403, "AccessDenied"), broken}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var invalidated countingInvalidator
			client := OSSClient{policy: retry.Policy{BaseDelay: 1, MaxDelay: 1}, credentials: &invalidated}
			var options oss.Options
			client.attempts()(&options)
			attempts := 1
			for _, err := range tt.failures {
				if !options.Retryer.IsErrorRetryable(err) {
					break
				}
				attempts++
				if delay, err := options.Retryer.RetryDelay(attempts, err); err != nil || delay > 1 {
					t.Errorf("delay %v, error %v", delay, err)
				}
			}
			if attempts != tt.wantAttempts || attempts > options.Retryer.MaxAttempts() {
				t.Errorf("the request is sent %d times, want %d", attempts, tt.wantAttempts)
			}
		})
	}
}

func TestRefusalTakesBackWhatTheClientWasGiven(t *testing.T) {
	t.Parallel()
	key := "LTAIfirst"
	provider := credentials.NewProvider(credentials.Config{}, credentials.Environment{
		Getenv: func(name string) string {
			switch name {
			case "ALIBABA_CLOUD_ACCESS_KEY_ID":
				return key
			case "ALIBABA_CLOUD_ACCESS_KEY_SECRET":
				return "secret"
			}
			return ""
		},
	})
	early, late := &ossCredentials{provider: provider}, &ossCredentials{provider: provider}
	given := func(client *ossCredentials, want string) {
		t.Helper()
		got, err := client.GetCredentials(t.Context())
		if err != nil || got.AccessKeyID != want {
			t.Errorf("access key %s, error %v: want %s", got.AccessKeyID, err, want)
		}
	}
	early.Invalidate() // It was given none.
	given(early, "LTAIfirst")
	given(late, "LTAIfirst")

	key = "LTAIsecond"
	given(early, "LTAIfirst")
	early.Invalidate()
	given(early, "LTAIsecond")

	key = "LTAIthird"
	late.Invalidate() // A late refusal of the first key.
	given(early, "LTAIsecond")
	given(late, "LTAIsecond")
	late.Invalidate()
	given(early, "LTAIthird")
}
