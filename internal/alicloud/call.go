// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"errors"
	"fmt"

	"github.com/alibabacloud-go/tea/dara"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/throttle"
)

// repetition says whether a call may be made again when it may have been done.
type repetition bool

const (
	// repeatable: to do it twice is the same as once, at least with a ClientToken.
	repeatable repetition = false
	// unrepeatable: each call does it anew, and the API has no ClientToken.
	unrepeatable repetition = true
)

// send makes a call until it succeeds, until its failure allows no further attempt,
// or until ctx ends. The error is a *CallError. The API is named as the service has it;
// do is the method of the SDK's client, such as (*ecs.Client).CreateSnapshotWithOptions.
func send[Client, Request, Answer any](
	ctx context.Context, s *service[Client], api string, again repetition,
	do func(*Client, *Request, *dara.RuntimeOptions) (*Answer, error), request *Request,
) (*Answer, error) {
	c := call[Client, Request, Answer]{service: s, action: fmt.Sprintf("%s:%s", s.product, api), repetition: again, do: do, request: request}
	answer, err := c.repeat(ctx)
	if err != nil {
		return nil, &CallError{Action: c.action, Region: s.region, Err: err, MayBeDone: isOpen(err)}
	}
	return answer, nil
}

// call is a call of an API, however often it is made.
type call[Client, Request, Answer any] struct {
	service *service[Client]
	// action is what a RAM policy must allow.
	action     string
	repetition repetition
	do         func(*Client, *Request, *dara.RuntimeOptions) (*Answer, error)
	request    *Request
}

// repeat is send with bare errors. A call that the cloud throttles is made again for
// as long as ctx allows, for the limiter sets the pace; any other as often as the
// class of its failure says. Each class counts its own: a service that comes back from
// an outage may be out of order at first.
func (c call[Client, Request, Answer]) repeat(ctx context.Context) (*Answer, error) {
	cloud, limiter := c.service.cloud, c.service.limiter(c.action)
	var refusal error
	var failures failure.Tally
	for attempts := 0; ; {
		turn, err := limiter.Wait(ctx)
		if err != nil {
			return nil, withRefusal(refusal, err)
		}
		answer, err := c.attempt(ctx)
		turn.Done(outcome(err))
		if err == nil || ctx.Err() != nil {
			return answer, err
		}
		refusal = err
		if throttled(err) {
			cloud.env.Log.WithError(err).WithField("action", c.action).WithField("region", c.service.region).
				Info("The service refuses calls for their number, waiting")
			continue
		}
		attempts++
		if isOpen(err) || !failures.Again(err) {
			return nil, err
		}
		if err := c.service.Sleep(ctx, cloud.env.Retry.Delay(attempts+1)); err != nil {
			return nil, withRefusal(refusal, err)
		}
	}
}

// attempt makes the call once, with the credentials of now. The error is an *openError
// where it may not be made again because it may have been done.
func (c call[Client, Request, Answer]) attempt(ctx context.Context) (*Answer, error) {
	account := c.service.account
	key, err := account.credentials.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	client, err := c.service.client(ctx, key)
	if err != nil {
		return nil, err
	}
	answer, err := c.do(client, c.request, &dara.RuntimeOptions{})
	switch failure.Classify(err) {
	case failure.Expired, failure.Unauthenticated:
		account.credentials.Invalidate(key)
	default:
	}
	switch {
	case err == nil:
		return answer, nil
	case c.repetition == unrepeatable && !failure.Refused(err):
		return nil, &openError{err: err}
	}
	return nil, err
}

// openError is the failure of a call of which it is not known whether it was done.
type openError struct{ err error }

func (e *openError) Error() string { return e.err.Error() }

func (e *openError) Unwrap() error { return e.err }

// isOpen tells whether err is, or wraps, an *openError.
func isOpen(err error) bool {
	var open *openError
	return errors.As(err, &open)
}

// throttled tells whether the service itself refused for its limit of calls. STS, from
// which credentials come, has limits of its own.
func throttled(err error) bool {
	var source *credentials.Error
	return failure.Classify(err) == failure.Throttled && !errors.As(err, &source)
}

// outcome is what a limiter learns from the error of a call.
func outcome(err error) throttle.Outcome {
	switch {
	case err == nil:
		return throttle.Admitted
	case throttled(err):
		return throttle.Refused
	}
	return throttle.Unknown
}

// withRefusal adds what the cloud last said to the error of a context that ended.
func withRefusal(refusal, ended error) error {
	if refusal == nil {
		return ended
	}
	return fmt.Errorf("%w: %w", refusal, ended)
}
