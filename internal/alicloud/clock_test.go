// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

func TestTheCloudsTimeIsTakenFromItsAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name string
		date string
		want time.Duration
	}{
		{"an hour ahead", now.Add(time.Hour).Format(http.TimeFormat), time.Hour},
		{"an hour behind", now.Add(-time.Hour).Format(http.TimeFormat), -time.Hour},
		{"some seconds are the way of the answer", now.Add(5 * time.Second).Format(http.TimeFormat), 0},
		{"an answer without a date changes nothing", "", time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var clock cloudClock
			clock.ahead.Store(int64(time.Minute))
			clock.observe(&http.Response{Header: http.Header{"Date": {tt.date}}}, now)
			if got := time.Duration(clock.ahead.Load()); got != tt.want {
				t.Errorf("the cloud is ahead by %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAClockThatGoesWrongAndIsMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clients, err := w.OSS(t.Context(), OSSConfig{Region: "cn-hangzhou", Endpoint: w.sim.OSSURL()})
	if err != nil {
		t.Fatal(err)
	}
	for _, skew := range []time.Duration{0, time.Hour, -2 * time.Hour, 0, time.Hour} {
		w.sim.Faults().Clear()
		if skew != 0 {
			if _, err := w.sim.Faults().Add(fault.Rule{Service: "oss", ClockSkew: skew}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := head(t, clients); err != nil {
				t.Errorf("with a clock that is wrong by %v: %v", skew, err)
			}
		}
	}
}

// TestAWrongClockUnderConcurrentRequests is for the race detector: the SDK keeps the
// offset that a request was signed with for all requests of the client, without a lock.
func TestAWrongClockUnderConcurrentRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if _, err := w.sim.Faults().Add(fault.Rule{Service: "oss", ClockSkew: time.Hour}); err != nil {
		t.Fatal(err)
	}
	clients, err := w.OSS(t.Context(), OSSConfig{Region: "cn-hangzhou", Endpoint: w.sim.OSSURL()})
	if err != nil {
		t.Fatal(err)
	}
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			for range 3 {
				if _, err := clients.Client.ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: new("backups")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	together.Wait()
}
