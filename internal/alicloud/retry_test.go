// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"errors"
	"net"
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
			retryer := ossRetryer{policy: retry.Policy{BaseDelay: 1, MaxDelay: 1}, credentials: &invalidated}
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
