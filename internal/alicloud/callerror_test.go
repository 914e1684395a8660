// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
)

func TestCallError(t *testing.T) {
	t.Parallel()
	refusal := &tea.SDKError{
		StatusCode: tea.Int(403), Code: tea.String("QuotaExceed.Snapshot"), Message: tea.String("Full."),
		Data: tea.String(`{"RequestId":"A-1"}`),
	}
	const said = `service returned error: StatusCode=403, ErrorCode=QuotaExceed.Snapshot, ErrorMessage="Full.", RequestId=A-1`
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"what the cloud said", refusal, said},
		{"what the cloud said before the time was over", fmt.Errorf("%w: %w", refusal, context.DeadlineExceeded), "context deadline exceeded, and before: " + said},
		{
			"what STS said is not taken for an answer of ECS",
			&credentials.Error{Err: fmt.Errorf("STS AssumeRole: %w; check the role", refusal)},
			"STS AssumeRole: " + refusal.Error() + "; check the role",
		},
		{
			"the host of a request that did not get there",
			&url.Error{Op: "Post", URL: "https://ecs.cn-hangzhou.aliyuncs.com/?DiskId=d-1", Err: errors.New("connection refused")},
			"ecs.cn-hangzhou.aliyuncs.com: connection refused",
		},
		{"no host where the URL is malformed", &url.Error{Op: "Post", URL: "https://%zz", Err: errors.New("bad")}, "bad"},
		{"no secret", errors.New("bad AccessKeySecret=abc"), "bad AccessKeySecret=[redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := &CallError{Action: "ecs:CreateSnapshot", Region: "cn-hangzhou", Err: tt.err}
			if want := "calling ecs:CreateSnapshot in cn-hangzhou: " + tt.want; err.Error() != want {
				t.Errorf("got  %q\nwant %q", err, want)
			}
			if open := (&CallError{Action: "a", Region: "r", Err: tt.err, MayBeDone: true}).Error(); open != "calling a in r: "+tt.want+"; it may have been done all the same" {
				t.Errorf("where it may have been done: %q", open)
			}
			if !errors.Is(err, tt.err) {
				t.Error("it does not wrap the error")
			}
		})
	}
}
