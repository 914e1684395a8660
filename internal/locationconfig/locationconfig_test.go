// SPDX-License-Identifier: Apache-2.0

package locationconfig_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/locationconfig"
)

type mode string

// place is a location with one key of each kind.
type place struct {
	Region, Endpoint, Text string
	Mode                   mode
	Flag                   bool
	Count                  int
	Wait                   time.Duration
	Credentials            credentials.Config
}

func options() map[string]locationconfig.Option[place] {
	return locationconfig.WithCredentials(map[string]locationconfig.Option[place]{
		"region":   locationconfig.Region(func(p *place) *string { return &p.Region }),
		"endpoint": locationconfig.Endpoint(func(p *place) *string { return &p.Endpoint }),
		"text":     locationconfig.Text(func(p *place) *string { return &p.Text }),
		"mode":     locationconfig.OneOf(func(p *place) *mode { return &p.Mode }, mode("fast"), mode("safe")),
		"flag":     locationconfig.Flag(func(p *place) *bool { return &p.Flag }),
		"count":    locationconfig.Count(func(p *place) *int { return &p.Count }, 9),
		"wait":     locationconfig.Duration(func(p *place) *time.Duration { return &p.Wait }, time.Minute, "1h"),
		"other":    locationconfig.Ignored[place],
	}, func(p *place) *credentials.Config { return &p.Credentials })
}

func contradictions(p *place) []error {
	return locationconfig.CredentialsContradictions(p.Credentials)
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   place
	}{
		{name: "what is not there stays as it was", want: place{Count: 1, Text: "default"}},
		{
			name: "a value of each kind",
			config: map[string]string{
				"region": "cn-hangzhou", "endpoint": "ecs.example.com", "text": "any, thing", "mode": "safe", "flag": "true", "count": "9", "wait": "1m",
				"other": "what somebody else reads", "credentialsFile": "/c", "profile": "p", "roleArn": "acs:ram::1:role/x", "roleSessionName": "s",
			},
			want: place{
				Region: "cn-hangzhou", Endpoint: "https://ecs.example.com", Text: "any, thing", Mode: "safe", Flag: true, Count: 9, Wait: time.Minute,
				Credentials: credentials.Config{File: "/c", Profile: "p", RoleARN: "acs:ram::1:role/x", RoleSessionName: "s"},
			},
		},
		{
			name:   "a region as endpoints of OSS have it, and an endpoint without TLS",
			config: map[string]string{"region": "oss-cn-hangzhou", "endpoint": "http://127.0.0.1:9000", "text": ""},
			want:   place{Region: "cn-hangzhou", Endpoint: "http://127.0.0.1:9000", Count: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := place{Count: 1, Text: "default"}
			if err := locationconfig.Parse("test location", tt.config, &got, options(), contradictions); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("location (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, value, want string }{
		{
			"a key that is not known", "Region", "cn-hangzhou",
			`unknown key "Region": allowed are count, credentialsFile, endpoint, flag, mode, other, profile, region, roleArn, roleSessionName, text, wait`,
		},
		{"a region with capitals", "region", "CN-Hangzhou", `key "region" has the value "CN-Hangzhou": allowed is a region id such as cn-hangzhou`},
		{"a region of one word", "region", "hangzhou", `key "region" has the value "hangzhou": allowed is a region id such as cn-hangzhou`},
		{"a value that is none of a few", "mode", "slow", `key "mode" has the value "slow": allowed are fast, safe`},
		{"a flag that is none", "flag", "on", `key "flag" has the value "on": allowed are "true" and "false"`},
		{"no number", "count", "many", `key "count" has the value "many": allowed is a whole number from 1 to 9`},
		{"a number that is too small", "count", "0", `key "count" has the value "0": allowed is a whole number from 1 to 9`},
		{"a number that is too large", "count", "10", `key "count" has the value "10": allowed is a whole number from 1 to 9`},
		{"a duration without a unit", "wait", "60", `key "wait" has the value "60": allowed is a duration of at least 1m0s, such as 1h`},
		{"a duration that is too short", "wait", "59s", `key "wait" has the value "59s": allowed is a duration of at least 1m0s, such as 1h`},
		{"a role that is none", "roleArn", "x", `key "roleArn" has the value "x": allowed is the ARN of a RAM role such as acs:ram::1234567890123456:role/velero`},
		{"a key that needs another", "roleSessionName", "s", `key "roleSessionName" needs roleArn`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := locationconfig.Parse("test location", map[string]string{tt.key: tt.value}, &place{}, options(), contradictions)
			if want := "reading the config of the test location: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

func TestAnEndpointThatIsNone(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "ftp://x", "https://"} {
		if err := locationconfig.Parse("test location", map[string]string{"endpoint": value}, &place{}, options(), contradictions); err == nil {
			t.Errorf("%q was taken", value)
		}
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	t.Parallel()
	called := false
	err := locationconfig.Parse("test location", map[string]string{"mode": "x", "count": "y"}, &place{}, options(), func(*place) []error {
		called = true
		return []error{errors.New("never")}
	})
	want := "reading the config of the test location: key \"count\" has the value \"y\": allowed is a whole number from 1 to 9\n" +
		`key "mode" has the value "x": allowed are fast, safe`
	if err == nil || err.Error() != want || called {
		t.Errorf("contradictions asked: %v, error:\n%v\nwant:\n%s", called, err, want)
	}
}
