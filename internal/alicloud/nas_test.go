// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

func TestEveryAPIOfNAS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good, bad := newScript(t, reply{body: `{"RequestId":"A-1"}`}), newScript(t, reply{status: http.StatusInternalServerError, body: internal})
	calls, failures := apis(t, good.nas(t, w)), apis(t, bad.nas(t, w))
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := good.got(); len(got) != 1 || got[0].API != name || got[0].Version != "2017-06-26" {
			t.Errorf("%s is called as %+v", name, got)
		}
		var failed *CallError
		if err := failures[name](); !errors.As(err, &failed) || failed.Action != "nas:"+name || failure.Classify(err) != failure.Transient {
			t.Errorf("%s: error %#v", name, err)
		}
		if got := len(bad.got()); got != attemptsInAll {
			t.Errorf("%s is called %d times, want %d", name, got, attemptsInAll)
		}
	}
}

func TestParametersOfNAS(t *testing.T) {
	t.Parallel()
	service := newScript(t, reply{body: `{"RequestId":"A-1"}`})
	client := service.nas(t, newWorld(t, nil))
	ctx := t.Context()
	tests := []struct {
		name string
		call func() error
		want url.Values
	}{
		{
			"all file systems",
			func() error { _, err := client.DescribeFileSystems(ctx, &DescribeFileSystemsRequest{}); return err },
			url.Values{},
		},
		{
			"a page of file systems",
			func() error {
				_, err := client.DescribeFileSystems(ctx, &DescribeFileSystemsRequest{FileSystemID: "fs", PageNumber: 2, PageSize: 100})
				return err
			},
			url.Values{"FileSystemId": {"fs"}, "PageNumber": {"2"}, "PageSize": {"100"}},
		},
	}
	for _, tt := range tests { // One after the other: they have one service.
		if err := tt.call(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := service.got()
		if len(got) != 1 {
			t.Fatalf("%s: calls %+v, want one", tt.name, got)
		}
		if diff := gocmp.Diff([]url.Values{tt.want, {}}, []url.Values{got[0].Query, got[0].Form}); diff != "" {
			t.Errorf("%s: query and form (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestWhenAFileSystemWasCreated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       int64 // Seconds since 1970; 0 is an error.
	}{
		{"UTC", "2020-01-05T16:00:00Z", 1578240000},
		{"the time of China", "2020-01-06T00:00:00CST", 1578240000},
		{"an offset", "2020-01-06T00:00:00+08:00", 1578240000},
		{"a date alone", "2020-01-05", 0},
		{"another zone", "2020-01-05T16:00:00EST", 0},
		{"nothing", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := NASFileSystem{FileSystemID: "fs-1", CreateTime: tt.text}.Created()
			switch {
			case tt.want == 0 && (err == nil || !strings.Contains(err.Error(), "fs-1")):
				t.Errorf("time %v, error %v, want an error that names the file system", got, err)
			case tt.want != 0 && (err != nil || got.Unix() != tt.want):
				t.Errorf("got %d, error %v, want %d", got.Unix(), err, tt.want)
			}
		})
	}
}

func FuzzWhenAFileSystemWasCreated(f *testing.F) {
	for _, seed := range []string{"2020-01-05T16:00:00Z", "2020-01-06T00:00:00CST", "CST", "2020-13-45T99:99:99CST", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		created, err := NASFileSystem{CreateTime: text}.Created()
		if err != nil {
			return
		}
		// Fractions and leap seconds aside, the same moment is written in UTC.
		again, err := NASFileSystem{CreateTime: created.UTC().Format(time.RFC3339Nano)}.Created()
		if err == nil && !again.Equal(created) {
			t.Errorf("%q is %v, which is written as %v", text, created, again)
		}
	})
}
