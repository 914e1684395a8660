// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// throttle counts the calls of the minute.
type throttle struct {
	limits Throttling
	minute time.Time
	calls  map[throttleKey]int
}

// throttleKey is what is counted. The account is empty where all are counted together.
type throttleKey struct{ account, region, action string }

func newThrottle(limits Throttling) throttle {
	return throttle{limits: limits, calls: map[throttleKey]int{}}
}

// admit counts a call of an account, or refuses it when the minute's calls are used up.
func (t *throttle) admit(user throttleKey, now time.Time) error {
	if minute := now.Truncate(time.Minute); !minute.Equal(t.minute) {
		t.minute = minute
		clear(t.calls)
	}
	api := throttleKey{region: user.region, action: user.action}
	switch {
	case usedUp(t.limits.User, user.action, t.calls[user]):
		return rpc.Forbidden("Throttling.User", "Request was denied due to user flow control.")
	case usedUp(t.limits.API, api.action, t.calls[api]):
		return rpc.Forbidden("Throttling.Api", "Request was denied due to api flow control.")
	}
	t.calls[user]++
	t.calls[api]++
	return nil
}

func usedUp(limits map[string]int, action string, calls int) bool {
	limit, ok := limits[action]
	return ok && calls >= limit
}
