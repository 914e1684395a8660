// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		host string
		want Endpoint
		ok   bool
	}{
		"a region":                       {"ecs.cn-hangzhou.aliyuncs.com", Endpoint{Product: "ecs", Region: "cn-hangzhou"}, true},
		"a region with a port":           {"ecs.cn-hangzhou.aliyuncs.com:443", Endpoint{Product: "ecs", Region: "cn-hangzhou"}, true},
		"a region's VPC":                 {"hbr-vpc.cn-beijing.aliyuncs.com", Endpoint{Product: "hbr", Region: "cn-beijing", VPC: true}, true},
		"the older form":                 {"ecs-cn-hangzhou.aliyuncs.com", Endpoint{Product: "ecs", Region: "cn-hangzhou"}, true},
		"a central endpoint":             {"STS.aliyuncs.com", Endpoint{Product: "sts"}, true},
		"an address":                     {"127.0.0.1:8080", Endpoint{}, false},
		"another domain":                 {"ecs.cn-hangzhou.example.com", Endpoint{}, false},
		"too many labels":                {"a.ecs.cn-hangzhou.aliyuncs.com", Endpoint{}, false},
		"an unknown suffix of a product": {"ecs-x.cn-hangzhou.aliyuncs.com", Endpoint{}, false},
		"no product":                     {".aliyuncs.com", Endpoint{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := ParseEndpoint(tt.host)
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
				t.Errorf("ok %v, want %v (-want +got):\n%s", ok, tt.ok, diff)
			}
		})
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := mergeParams(url.Values{
		"DiskId.1": {"d-1"}, "DiskId.2": {"d-2"}, "DiskId.4": {"d-4"}, "Size": {"20"}, "Force": {"true"},
		"Tag.1.Key": {"a"}, "Tag.1.Value": {"b"}, "Tag.2.Key": {"c"},
		"Filters.1.Values.1": {"x"}, "Filters.1.Values.2": {"y"}, "Name": {"query"},
	}, url.Values{"Name": {"body"}})
	type view struct {
		Disks, None []string
		Tags        []Params
		Values      []string
		Size, Else  int64
		Force, Has  bool
		Name        string
	}
	got := view{
		Disks: p.List("DiskId"), None: p.List("Tag"), Tags: p.Groups("Tag"), Values: p.Groups("Filters")[0].List("Values"),
		Size: p.Int("Size", 1), Else: p.Int("Other", 7), Force: p.Bool("Force"), Has: p.Has("Other"), Name: p.String("Name"),
	}
	want := view{
		Disks: []string{"d-1", "d-2"}, Tags: []Params{{"Key": "a", "Value": "b"}, {"Key": "c"}}, Values: []string{"x", "y"},
		Size: 20, Else: 7, Force: true, Name: "body",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

func TestSpecificationChecksParameters(t *testing.T) {
	t.Parallel()
	s, err := LoadSpecification()
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		Unknown []string
		Code    string
	}
	tests := map[string]struct {
		product, action string
		params          Params
		want            result
	}{
		"all that is required": {"ecs", "CreateSnapshot", Params{"DiskId": "d"}, result{}},
		"a required parameter is missing": {
			"ecs", "CreateSnapshot", Params{}, result{Code: "MissingDiskId"},
		},
		"a required parameter is empty": {
			"ecs", "CreateSnapshot", Params{"DiskId": ""}, result{Code: "MissingDiskId"},
		},
		"an integer that is none": {
			"ecs", "CreateSnapshot", Params{"DiskId": "d", "RetentionDays": "x"}, result{Code: "InvalidRetentionDays"},
		},
		"a boolean that is none": {
			"ecs", "CreateSnapshot", Params{"DiskId": "d", "InstantAccess": "yes"}, result{Code: "InvalidInstantAccess"},
		},
		"items of a list are known": {
			"ecs", "CreateSnapshot", Params{"DiskId": "d", "Tag.1.Key": "k", "Tag.1.Value": "v"}, result{},
		},
		"common parameters are known": {
			"ecs", "CreateSnapshot", Params{"DiskId": "d", "RegionId": "r", "Action": "a", "SignatureNonce": "n"}, result{},
		},
		"unknown parameters are named in order": {
			"ecs", "CreateSnapshot",
			Params{"DiskId": "d", "Z": "", "DiskID": "d", "DiskId.1": "d"},
			result{Unknown: []string{"DiskID", "DiskId.1", "Z"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got result
			unknown, failure := s.check(tt.product, tt.action, tt.params)
			got.Unknown = unknown
			if failure != nil {
				got.Code = failure.Code
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// rules allows or denies by resource.
type rules map[string]bool

func (r rules) Decide(_ account.Caller, _, resource string) account.Decision {
	return account.Decision{Allowed: r[resource], NoPermissionType: "ImplicitDeny"}
}

func TestOperationsAreAuthorized(t *testing.T) {
	t.Parallel()
	caller := account.Caller{AccountID: "1", ARN: account.UserARN("1", "velero")}
	both := func(*Call) []string { return []string{"disk", "snapshot"} }
	tests := map[string]struct {
		operation Operation
		allowed   rules
		want      bool
	}{
		"an action that needs no permission":     {Operation{}, nil, true},
		"all resources of the region by default": {Operation{RAMAction: "ecs:X"}, rules{"acs:ecs:cn-hangzhou:1:*": true}, true},
		"another region's permission":            {Operation{RAMAction: "ecs:X"}, rules{"acs:ecs:cn-beijing:1:*": true}, false},
		"one of two resources is not allowed":    {Operation{RAMAction: "ecs:X", Resources: both}, rules{"disk": true}, false},
		"each of two resources is allowed":       {Operation{RAMAction: "ecs:X", Resources: both}, rules{"disk": true, "snapshot": true}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Service{config: Config{Product: "ecs", Authorizer: tt.allowed}}
			failure := s.authorize(tt.operation, &Call{Caller: caller, Region: "cn-hangzhou"})
			if (failure == nil) != tt.want {
				t.Errorf("failure %v, want allowed %v", failure, tt.want)
			}
			if failure != nil && failure.AccessDenied.AuthPrincipalDisplayName != "velero" {
				t.Errorf("detail %+v", failure.AccessDenied)
			}
		})
	}
}

func TestAnswersOfAService(t *testing.T) {
	t.Parallel()
	spec, err := LoadSpecification()
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]func(context.Context, *Call) (any, error){
		"DescribeRegions": func(_ context.Context, c *Call) (any, error) { return map[string]string{"Region": c.Region}, nil },
		"DeleteSnapshot":  func(context.Context, *Call) (any, error) { return nil, nil }, //nolint:nilnil // an empty answer
		"DescribeDisks":   func(context.Context, *Call) (any, error) { return nil, context.Canceled },
		"CreateDisk":      func(context.Context, *Call) (any, error) { return func() {}, nil },
		"DescribeZones":   func(context.Context, *Call) (any, error) { return []int{1}, nil },
	}
	operations := make([]Operation, 0, len(results))
	for action, handle := range results {
		operations = append(operations, Operation{Action: action, Anonymous: true, Handle: handle})
	}
	s, err := NewService(Config{Product: "ecs", Region: "cn-default", Specification: spec}, operations...)
	if err != nil {
		t.Fatal(err)
	}
	mux := NewMux(http.NotFoundHandler())
	mux.Handle(s, s)
	tests := map[string]struct {
		host, query string
		status      int
		want        map[string]any
	}{
		"a result": {
			"127.0.0.1", "Action=DescribeRegions", 200, map[string]any{"Region": "cn-default"},
		},
		"the region of the endpoint": {
			"ecs.cn-beijing.aliyuncs.com", "Action=DescribeRegions&RegionId=cn-hangzhou", 200, map[string]any{"Region": "cn-beijing"},
		},
		"the region of the parameter": {
			"ecs.aliyuncs.com", "Action=DescribeRegions&RegionId=cn-hangzhou", 200, map[string]any{"Region": "cn-hangzhou"},
		},
		"an empty result": {"127.0.0.1", "Action=DeleteSnapshot&SnapshotId=s", 200, map[string]any{}},
		"an error of the handler's own": {
			"127.0.0.1", "Action=DescribeDisks&RegionId=r", 500, map[string]any{"Code": "InternalError"},
		},
		"a result that can not be encoded": {
			"127.0.0.1", "Action=CreateDisk&RegionId=r&ZoneId=z&DiskCategory=cloud", 500, map[string]any{"Code": "InternalError"},
		},
		"a result that is no object": {
			"127.0.0.1", "Action=DescribeZones&RegionId=r", 500, map[string]any{"Code": "InternalError"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?Version=2014-05-26&"+tt.query, nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("body %q: %v", w.Body, err)
			}
			for _, name := range []string{"RequestId", "HostId", "Message", "Recommend"} {
				delete(got, name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || w.Code != tt.status {
				t.Errorf("status %d, want %d (-want +got):\n%s", w.Code, tt.status, diff)
			}
		})
	}
}

func TestNewServiceRefusesWhatIsNotSpecified(t *testing.T) {
	t.Parallel()
	spec, err := LoadSpecification()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewService(Config{Product: "vpc", Specification: spec}); err == nil {
		t.Error("an unknown product is accepted")
	}
	if _, err := NewService(Config{Product: "ecs", Specification: spec}, Operation{Action: "X"}); err == nil {
		t.Error("an unknown action is accepted")
	}
}

func TestNoncesAreForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := NewVerifier(nil, time.Now)
	got := []bool{
		v.useNonce("a", now), v.useNonce("a", now.Add(maxSkew)), v.useNonce("b", now),
		v.useNonce("a", now.Add(2*maxSkew+time.Second)),
	}
	if diff := cmp.Diff([]bool{true, false, true, true}, got); diff != "" {
		t.Errorf("nonces (-want +got):\n%s", diff)
	}
}

// FuzzReadV3 checks that no Authorization header and body make the parser fail, and that what it accepts names a key.
func FuzzReadV3(f *testing.F) {
	f.Add("ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;x-acs-date,Signature=b", "a=b", "n")
	f.Add("ACS3-HMAC-SHA256 ,,=,SignedHeaders=", "", "")
	f.Fuzz(func(t *testing.T, authorization, body, nonce string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Acs-Signature-Nonce", nonce)
		s, failure := readV3(r, []byte(body), authorization)
		if (failure == nil) == (s.accessKeyID == "") {
			t.Errorf("failure %v with key %q", failure, s.accessKeyID)
		}
	})
}

// FuzzReadParams checks that lists and structures can be read from any form.
func FuzzReadParams(f *testing.F) {
	f.Add("Tag.1.Key=a&Tag.1.Value=b&Tag.2.Key=c", "DiskId.1=d")
	f.Add("%zz&&=&a;b", ";")
	f.Fuzz(func(t *testing.T, query, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p := readParams(r, []byte(body))
		for i, group := range p.Groups("Tag") {
			if len(group) == 0 {
				t.Errorf("group %d is empty", i)
			}
		}
		if len(p.List("DiskId")) > len(p) {
			t.Error("a list is longer than all parameters")
		}
	})
}
