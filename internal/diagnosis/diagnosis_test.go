// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"errors"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diagnosis"
)

func TestTheTextOfAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  diagnosis.Error
		want string
	}{
		{
			"task, cause, object and remedy",
			diagnosis.Error{Task: "create ECS snapshot failed", Object: "disk d-1", Cause: errors.New("quota"), Remedy: "delete snapshots"},
			"create ECS snapshot failed: quota (disk d-1): delete snapshots",
		},
		{
			"a cause that says what to do",
			diagnosis.Error{Task: "describe disks failed", Object: "disk d-1", Cause: errors.New("write a Secret")},
			"describe disks failed: write a Secret (disk d-1)",
		},
		{
			"other words than the cause's",
			diagnosis.Error{Task: "list failed", Object: "bucket b", Said: "AccessDenied", Cause: errors.New("long")},
			"list failed: AccessDenied (bucket b)",
		},
		{
			"a cause of several lines is one line",
			diagnosis.Error{Task: "delete failed", Object: "snapshot s-1", Cause: errors.Join(errors.New("one"), errors.New("two"))},
			"delete failed: one; two (snapshot s-1)",
		},
		{
			"no secret is told",
			diagnosis.Error{Task: "list failed", Object: "bucket b", Cause: errors.New("Get https://x/?Signature=abc%2Bdef&b=c")},
			"list failed: Get https://x/?Signature=[redacted]&b=c (bucket b)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("text %q, want %q", got, tt.want)
			}
			if !errors.Is(&tt.err, tt.err.Cause) {
				t.Error("the cause is not in the chain")
			}
		})
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	rules := []diagnosis.Rule{
		{Code: "QuotaExceed.Snapshot", Remedy: "of the whole code"},
		{Message: "never attached", Remedy: "of the message"},
		{Message: "quotaexceed", Class: failure.Quota, Remedy: "of code and class"},
		{Class: failure.Denied, Remedy: "of the class"},
		{Class: failure.Denied, Remedy: "too late"},
	}
	tests := []struct {
		name   string
		answer failure.Answer
		want   string
	}{
		{"the whole code", failure.Answer{StatusCode: 403, Code: "QuotaExceed.Snapshot"}, "of the whole code"},
		{"a part of the message, in any case", failure.Answer{StatusCode: 403, Code: "IncorrectDiskStatus", Message: "The disk was Never Attached."}, "of the message"},
		{"a part of the code, in any case, with a class", failure.Answer{StatusCode: 403, Code: "QuotaExceed.Disk"}, "of code and class"},
		{"a class", failure.Answer{StatusCode: 403, Code: "Forbidden.RAM"}, "of the class"},
		{"no rule", failure.Answer{StatusCode: 500, Code: "InternalError"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := diagnosis.Remedy(rules, tt.answer); got != tt.want {
				t.Errorf("remedy %q, want %q", got, tt.want)
			}
		})
	}
}

func TestARuleOfNothingMatchesAnything(t *testing.T) {
	t.Parallel()
	if got := diagnosis.Remedy([]diagnosis.Rule{{Remedy: "ask"}}, failure.Answer{}); got != "ask" {
		t.Errorf("remedy %q", got)
	}
}
