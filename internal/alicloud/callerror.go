// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// CallError is the failure of a call to an RPC service. Package failure finds what
// the cloud said in it, and its class.
type CallError struct {
	// Action is what a RAM policy must allow, such as ecs:CreateSnapshot.
	Action string
	// Region is the region that the call was sent to.
	Region string
	// Err is what failed.
	Err error
	// MayBeDone says that the cloud may have done what it was asked although the call
	// failed: no answer to one of its attempts came, and none to a later one says that the
	// request is refused. What was asked for is to be looked for; where the API has no
	// ClientToken, before the call is made again. It is false for the APIs that make nothing.
	MayBeDone bool
}

// Error names the call and what the cloud said with its request id, without secrets.
func (e *CallError) Error() string {
	text := fmt.Sprintf("calling %s in %s: %s", e.Action, e.Region, said(e.Err))
	if e.MayBeDone {
		text += "; it may have been done all the same"
	}
	return Redact(text)
}

// Unwrap returns Err.
func (e *CallError) Unwrap() error { return e.Err }

// MayBeDone tells whether err is that of a call that the cloud may have carried out all the
// same. Who was not let in, or has no credentials, or whose time was over before, has asked
// for nothing.
func MayBeDone(err error) bool {
	var call *CallError
	return errors.As(err, &call) && call.MayBeDone
}

// said returns the text of what the cloud answered, else that of err. Of a request
// that did not get there only the host is told: the URL is all of its parameters.
func said(err error) string {
	var source *credentials.Error
	if errors.As(err, &source) {
		return err.Error() // STS may have answered: the text says so.
	}
	if answer, ok := failure.Of(err); ok {
		return saidBefore(err) + answer.String()
	}
	var broken *url.Error
	if !errors.As(err, &broken) {
		return err.Error()
	}
	at, parseErr := url.Parse(broken.URL)
	if parseErr != nil {
		return broken.Err.Error()
	}
	return at.Host + ": " + broken.Err.Error()
}

// saidBefore returns why no further answer was waited for.
func saidBefore(err error) string {
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			return ended.Error() + ", and before: "
		}
	}
	return ""
}
