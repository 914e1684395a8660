// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/signer"
)

// tolerableSkew is well below the 15 minutes by which OSS lets a clock be wrong
// (RequestTimeTooSkewed), and above what the way of an answer takes.
const tolerableSkew = time.Minute

// cloudClock is how much the cloud's clock is ahead of this machine's. Every
// answer has the cloud's time, so that a request that was refused for its time is
// right the next time, and is right again when this machine's clock was mended.
// The SDK's own correction adds up its corrections and writes them without a lock.
type cloudClock struct {
	ahead atomic.Int64 // A time.Duration.
}

// observe takes the cloud's time from an answer.
func (c *cloudClock) observe(answer *http.Response, now time.Time) {
	cloud, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	ahead := cloud.Sub(now)
	if ahead.Abs() < tolerableSkew {
		ahead = 0
	}
	c.ahead.Store(int64(ahead))
}

// observingTransport shows a clock all answers.
type observingTransport struct {
	next  http.RoundTripper
	clock *cloudClock
}

// RoundTrip implements http.RoundTripper.
func (t observingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(req)
	if err == nil {
		t.clock.observe(answer, time.Now())
	}
	return answer, err
}

// securityTokenHeader holds the token of temporary credentials.
const securityTokenHeader = "X-Oss-Security-Token" //nolint:gosec // A name, not a secret.

// clockSigner signs with the cloud's time.
type clockSigner struct {
	signer.Signer

	clock *cloudClock
}

// Sign implements signer.Signer.
func (s clockSigner) Sign(ctx context.Context, request *signer.SigningContext) error {
	// The SDK takes an offset that it finds changed for one of its own corrections.
	defer func(own time.Duration) { request.ClockOffset = own }(request.ClockOffset)
	request.ClockOffset = time.Duration(s.clock.ahead.Load())
	// It is signed again with the credentials of now, and the SDK sets the token of those that have one.
	request.Request.Header.Del(securityTokenHeader)
	return s.Signer.Sign(ctx, request)
}
