// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"errors"
	"fmt"

	ecs "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/rpc"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/throttle"
)

// call is a method of the SDK's client, such as (*ecs.Client).CreateSnapshotWithOptions.
type call[Request, Answer any] func(*ecs.Client, *Request, *dara.RuntimeOptions) (*Answer, error)

// send makes a call until it succeeds, until its failure allows no further attempt,
// or until ctx ends. The error is a *CallError.
func send[Request, Answer any](ctx context.Context, e *ECS, action string, do call[Request, Answer], request *Request) (*Answer, error) {
	answer, err := repeat(ctx, e, action, do, request)
	if err != nil {
		return nil, &CallError{Action: "ecs:" + action, Region: e.region, Err: err}
	}
	return answer, nil
}

// repeat is send with bare errors. A call that the cloud throttles is made again for
// as long as ctx allows, for the limiter sets the pace; any other as often as the
// class of its failure says.
func repeat[Request, Answer any](ctx context.Context, e *ECS, action string, do call[Request, Answer], request *Request) (*Answer, error) {
	limiter := e.limiter(action)
	var refusal error
	for attempts := 0; ; {
		turn, err := limiter.Wait(ctx)
		if err != nil {
			return nil, withRefusal(refusal, err)
		}
		answer, err := attempt(ctx, e, do, request)
		turn.Done(outcome(err))
		if err == nil || ctx.Err() != nil {
			return answer, err
		}
		refusal = err
		if throttled(err) {
			e.cloud.env.Log.WithError(err).WithField("action", action).WithField("region", e.region).
				Info("ECS refuses calls for their number, waiting")
			continue
		}
		attempts++
		if attempts >= failure.Classify(err).Attempts() {
			return nil, err
		}
		if err := e.Sleep(ctx, e.cloud.env.Retry.Delay(attempts+1)); err != nil {
			return nil, withRefusal(refusal, err)
		}
	}
}

// attempt makes a call once, with the credentials of now.
func attempt[Request, Answer any](ctx context.Context, e *ECS, do call[Request, Answer], request *Request) (*Answer, error) {
	key, err := e.account.credentials.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	client, err := e.client(ctx, key)
	if err != nil {
		return nil, err
	}
	answer, err := do(client, request, &dara.RuntimeOptions{})
	switch failure.Classify(err) {
	case failure.Expired, failure.Unauthenticated:
		e.account.credentials.Invalidate(key)
	default:
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// client returns a client of the SDK for one attempt: it knows neither contexts nor
// credentials that change. Its connections are those of all attempts.
func (e *ECS) client(ctx context.Context, key credentials.Credentials) (*ecs.Client, error) {
	config, err := rpc.ConfigFor(ctx, e.endpoint.String(), e.account.http)
	if err != nil {
		return nil, fmt.Errorf("make a client of ECS: %w", err)
	}
	config.AccessKeyId, config.AccessKeySecret = &key.AccessKeyID, &key.AccessKeySecret
	if key.SecurityToken != "" {
		config.SecurityToken = &key.SecurityToken
	}
	client, err := ecs.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of ECS: %w", err)
	}
	return client, nil
}

// throttled tells whether ECS itself refused for its limit of calls. STS, from which
// credentials come, has limits of its own.
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
