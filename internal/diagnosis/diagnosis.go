// SPDX-License-Identifier: Apache-2.0

// Package diagnosis makes of an error what a person needs at night: what was being
// done to which object, what the cloud said, and what to do about it.
package diagnosis

import (
	"fmt"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// Error is an error with its circumstances.
type Error struct {
	// Task is what was being done, in the words of the backup center's FAQ where it has them.
	Task string
	// Object is what it was done to.
	Object string
	// Said is the text of the cause; empty means its own. The cause may be of several lines.
	Said string
	// Cause is what failed.
	Cause error
	// Remedy is what the reader can do; empty where the cause says it.
	Remedy string
}

// Error implements error, in one line and without secrets.
func (e *Error) Error() string {
	said := e.Said
	if said == "" {
		said = e.Cause.Error()
	}
	text := fmt.Sprintf("%s: %s (%s)", e.Task, alicloud.Redact(strings.ReplaceAll(said, "\n", "; ")), e.Object)
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Rule is what the cloud may answer, and what to do about it. What is empty matches anything.
type Rule struct {
	// Code is the whole error code.
	Code string
	// Message is a part of the code or the message, in any case.
	Message string
	Class   failure.Class
	Remedy  string
}

func (r Rule) matches(a failure.Answer) bool {
	return (r.Code == "" || r.Code == a.Code) &&
		(r.Class == failure.Unknown || r.Class == a.Class()) &&
		strings.Contains(strings.ToLower(a.Code+" "+a.Message), strings.ToLower(r.Message))
}

// Remedy returns the remedy of the first rule that matches the answer, "" if none does.
func Remedy(rules []Rule, answer failure.Answer) string {
	for _, rule := range rules {
		if rule.matches(answer) {
			return rule.Remedy
		}
	}
	return ""
}
