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

// repetition says whether a call may be made again when it may have been done, and whether
// it matters that it may.
type repetition int

const (
	// repeatable: to do it twice is the same as once, and so is to ask whether it was done.
	repeatable repetition = iota
	// tokened: the same, with the ClientToken of the request. What it makes is there, and
	// paid for, also where no answer tells of it.
	tokened
	// unrepeatable: each call does it anew, and the API has no ClientToken.
	unrepeatable
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
	var before course
	var failures failure.Tally
	for attempts := 0; ; {
		turn, err := limiter.Wait(ctx)
		if err != nil {
			return nil, before.ended(err)
		}
		answer, err := c.attempt(ctx)
		turn.Done(outcome(err))
		if err == nil {
			return answer, nil
		}
		before.add(err)
		if ctx.Err() != nil {
			return nil, before.failure()
		}
		if throttled(err) {
			cloud.env.Log.WithError(err).WithField("action", c.action).WithField("region", c.service.region).
				Info("The service refuses calls for their number, waiting")
			continue
		}
		attempts++
		if isOpen(err) && c.repetition == unrepeatable || !failures.Again(err) {
			return nil, before.failure()
		}
		if err := c.service.Sleep(ctx, cloud.env.Retry.Delay(attempts+1)); err != nil {
			return nil, before.ended(err)
		}
	}
}

// attempt makes the call once, with the credentials of now. The error is an *openError
// where the call may have been done, and that matters.
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
	case c.repetition != repeatable && !failure.Refused(err):
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

// course is what the attempts of a call have come to.
type course struct {
	// last is the error of the last one.
	last error
	// open says that one of them may have done it, whatever the later ones failed with.
	open bool
}

func (c *course) add(err error) {
	c.last = err
	c.open = isOpen(err) || c.open && !settles(err)
}

// failure is the error of the call after its last attempt.
func (c *course) failure() error {
	if c.open && !isOpen(c.last) {
		return &openError{err: c.last}
	}
	return c.last
}

// ended is the error of a call that may not be attempted any more: that of its context,
// with what the cloud last said.
func (c *course) ended(err error) error {
	if c.last != nil {
		err = fmt.Errorf("%w: %w", c.last, err)
	}
	c.last = err
	return c.failure()
}

// settles tells whether err is what the service says of the request itself. By the
// ClientToken that is also said of the earlier attempts. A caller who is not let in, for the
// number of his calls or for his credentials, is told nothing of them.
func settles(err error) bool {
	if _, answered := failure.Of(err); !answered || !failure.Refused(err) {
		return false
	}
	switch failure.Classify(err) {
	case failure.Throttled, failure.Expired, failure.Unauthenticated, failure.Skewed:
		return false
	default:
		return true
	}
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
