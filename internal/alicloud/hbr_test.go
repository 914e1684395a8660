// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	ecs "github.com/alibabacloud-go/ecs-20140526/v4/client"
	hbr "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

const (
	succeeded   = `{"RequestId":"A-1","Success":true,"Code":"200","Message":"successful"}`
	internal    = `{"RequestId":"A-2","Success":false,"Code":"InternalError","Message":"Failed."}`
	denial      = `{"RequestId":"A-3","Code":"NoPermission","Message":"No."}`
	expired     = `{"RequestId":"A-4","Code":"InvalidSecurityToken.Expired","Message":"Old."}`
	throttling  = `{"RequestId":"A-5","Code":"Throttling.User","Message":"Slow down."}`
	unavailable = `{"RequestId":"A-6","Code":"ServiceUnavailable","Message":"Later."}`
)

// attemptsInAll is how often a call is made whose failure may pass.
var attemptsInAll = failure.Attempts(io.ErrUnexpectedEOF)

func TestWhereALocationsHBRAndNASAre(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		config           ServiceConfig
		wantHBR, wantNAS string
	}{
		{"inside the VPC in the instance's own region", ServiceConfig{}, "https://hbr-vpc.cn-hangzhou.aliyuncs.com", "https://nas-vpc.cn-hangzhou.aliyuncs.com"},
		{"the Internet in any other region", ServiceConfig{Region: "cn-beijing"}, "https://hbr.cn-beijing.aliyuncs.com", "https://nas.cn-beijing.aliyuncs.com"},
		{"the network that is given", ServiceConfig{Network: endpoint.Public}, "https://hbr.cn-hangzhou.aliyuncs.com", "https://nas.cn-hangzhou.aliyuncs.com"},
		{"an endpoint beats the network", ServiceConfig{Network: endpoint.VPC, Endpoint: "http://127.0.0.1:1"}, "http://127.0.0.1:1", "http://127.0.0.1:1"},
	}
	w := newWorld(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			backups, err := w.HBR(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			files, err := w.NAS(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff([]string{tt.wantHBR, tt.wantNAS}, []string{backups.endpoint.String(), files.endpoint.String()}); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}
			if again, err := w.HBR(t.Context(), tt.config); err != nil || again != backups {
				t.Errorf("another HBR for the same config, error %v", err)
			}
			if again, err := w.NAS(t.Context(), tt.config); err != nil || again != files {
				t.Errorf("another NAS for the same config, error %v", err)
			}
		})
	}
	t.Run("the region of an endpoint", func(t *testing.T) {
		t.Parallel()
		backups, err := w.HBR(t.Context(), HBRConfig{Endpoint: "hbr-vpc.cn-beijing.aliyuncs.com"})
		if err != nil || backups.Region() != "cn-beijing" {
			t.Errorf("HBR %+v, error %v, want one in cn-beijing", backups, err)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, map[string]string{metadataEndpointVariable: "http://127.0.0.1:1"})
		if _, err := w.HBR(t.Context(), HBRConfig{NotOnECS: true}); !errors.Is(err, ErrNoRegion) {
			t.Errorf("error %v, want that there is no region", err)
		}
		if _, err := w.NAS(t.Context(), NASConfig{NotOnECS: true}); !errors.Is(err, ErrNoRegion) {
			t.Errorf("error %v, want that there is no region", err)
		}
	})
}

func TestWhatAnAnswerOfHBRMeans(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reply reply
		// want is nil for a success.
		want      *failure.Answer
		wantClass failure.Class
		wantCalls int
	}{
		{name: "a success", reply: reply{body: succeeded}, wantCalls: 1},
		{name: "a success whose code is a number", reply: reply{body: `{"Success":true,"Code":200}`}, wantCalls: 1},
		{name: "a success written as a string", reply: reply{body: `{"Success":"true","Code":"200"}`}, wantCalls: 1},
		{name: "a success by its code alone", reply: reply{body: `{"Code":"200"}`}, wantCalls: 1},
		{
			name:      "a failure with the status of a success",
			reply:     reply{body: `{"RequestId":"B-1","Success":false,"Code":"VaultNotExist","Message":"No vault."}`},
			want:      &failure.Answer{StatusCode: http.StatusOK, Code: "VaultNotExist", Message: "No vault.", RequestID: "B-1"},
			wantClass: failure.NotFound, wantCalls: 1,
		},
		{
			name:      "a failure by its code alone",
			reply:     reply{body: `{"RequestId":"B-2","Code":"ServiceNotActivated","Message":"Not yet."}`},
			want:      &failure.Answer{StatusCode: http.StatusOK, Code: "ServiceNotActivated", Message: "Not yet.", RequestID: "B-2"},
			wantClass: failure.NotActivated, wantCalls: 1,
		},
		{
			name:      "a failure whose code is unknown",
			reply:     reply{body: `{"RequestId":"B-3","Success":false,"Code":"Odd","Message":"Odd."}`},
			want:      &failure.Answer{StatusCode: http.StatusOK, Code: "Odd", Message: "Odd.", RequestID: "B-3"},
			wantClass: failure.Unknown, wantCalls: 1,
		},
		{
			name:      "a failure that contradicts its code",
			reply:     reply{body: `{"RequestId":"B-4","Success":false,"Code":"200","Message":"successful"}`},
			want:      &failure.Answer{StatusCode: http.StatusOK, Code: "200", Message: "successful", RequestID: "B-4"},
			wantClass: failure.Unknown, wantCalls: 1,
		},
		{
			name:      "a failure that may pass is asked for again",
			reply:     reply{body: internal},
			want:      &failure.Answer{StatusCode: http.StatusOK, Code: "InternalError", Message: "Failed.", RequestID: "A-2"},
			wantClass: failure.Transient, wantCalls: attemptsInAll,
		},
		{
			name:      "a failure with a status of its own",
			reply:     reply{status: http.StatusBadRequest, body: `{"RequestId":"B-5","Code":"BadRequest","Message":"Illegal request."}`},
			want:      &failure.Answer{StatusCode: http.StatusBadRequest, Code: "BadRequest", Message: "Illegal request.", RequestID: "B-5"},
			wantClass: failure.Invalid, wantCalls: 1,
		},
		{name: "an object that is no answer of HBR", reply: reply{body: `{}`}, want: &failure.Answer{}, wantClass: failure.Transient, wantCalls: attemptsInAll},
		{name: "a null", reply: reply{body: `null`}, want: &failure.Answer{}, wantClass: failure.Transient, wantCalls: attemptsInAll},
		{name: "a page", reply: reply{body: `<html>sorry</html>`}, want: &failure.Answer{}, wantClass: failure.Transient, wantCalls: attemptsInAll},
		{name: "nothing", reply: reply{}, want: &failure.Answer{}, wantClass: failure.Transient, wantCalls: attemptsInAll},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := newScript(t, tt.reply)
			answer, err := service.hbr(t, newWorld(t, nil)).DescribeBackupPlans(t.Context(), &hbr.DescribeBackupPlansRequest{})
			if got := len(service.got()); got != tt.wantCalls {
				t.Errorf("%d calls, want %d", got, tt.wantCalls)
			}
			if tt.want == nil {
				if err != nil || answer == nil {
					t.Errorf("answer %v, error %v", answer, err)
				}
				return
			}
			var call *CallError
			if !errors.As(err, &call) {
				t.Fatalf("error %#v is no CallError", err)
			}
			if diff := gocmp.Diff([]any{"hbr:DescribeBackupPlans", "cn-hangzhou", false}, []any{call.Action, call.Region, call.MayBeDone}); diff != "" {
				t.Errorf("call (-want +got):\n%s", diff)
			}
			said, _ := failure.Of(err)
			if diff := gocmp.Diff(*tt.want, said); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got := failure.Classify(err); got != tt.wantClass {
				t.Errorf("class %v, want %v", got, tt.wantClass)
			}
		})
	}
}

func TestWhatHBRWouldDoTwiceIsNotRepeatedBlindly(t *testing.T) {
	t.Parallel()
	refused := func(status int, body string) reply { return reply{status: status, body: body} }
	tests := []struct {
		name      string
		replies   []reply
		wantCalls int
		// wantOpen says that it may have been done; wantDone that it was in the end.
		wantOpen, wantDone bool
	}{
		{name: "done", replies: []reply{{body: succeeded}}, wantCalls: 1, wantDone: true},
		{name: "a connection that broke", replies: []reply{{reset: true}}, wantCalls: 1, wantOpen: true},
		{name: "a service that failed", replies: []reply{refused(http.StatusInternalServerError, internal)}, wantCalls: 1, wantOpen: true},
		{name: "a service that failed with the status of a success", replies: []reply{{body: internal}}, wantCalls: 1, wantOpen: true},
		{name: "a front end that is away", replies: []reply{refused(http.StatusServiceUnavailable, unavailable)}, wantCalls: 1, wantOpen: true},
		{name: "an answer of a load balancer", replies: []reply{refused(http.StatusBadGateway, "<html>sorry</html>")}, wantCalls: 1, wantOpen: true},
		{name: "an answer without content", replies: []reply{{}}, wantCalls: 1, wantOpen: true},
		{name: "a denial", replies: []reply{refused(http.StatusForbidden, denial)}, wantCalls: 1},
		{name: "an expired token", replies: []reply{refused(http.StatusForbidden, expired), {body: succeeded}}, wantCalls: 2, wantDone: true},
		{name: "throttling", replies: []reply{refused(http.StatusForbidden, throttling), refused(http.StatusForbidden, throttling), {body: succeeded}}, wantCalls: 3, wantDone: true},
		{name: "throttling, then a connection that broke", replies: []reply{refused(http.StatusForbidden, throttling), {reset: true}}, wantCalls: 2, wantOpen: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := newScript(t, tt.replies...)
			_, err := service.hbr(t, newWorld(t, nil)).CreateBackupJob(t.Context(), &hbr.CreateBackupJobRequest{SourceType: new("CONTAINER")})
			if got := len(service.got()); got != tt.wantCalls {
				t.Errorf("%d calls, want %d", got, tt.wantCalls)
			}
			var call *CallError
			if !errors.As(err, &call) {
				call = &CallError{}
			}
			if done := err == nil; done != tt.wantDone || call.MayBeDone != tt.wantOpen {
				t.Errorf("it may be done: %v, want %v; error %v", call.MayBeDone, tt.wantOpen, err)
			}
		})
	}
}

func TestACallThatIsGivenUpMayBeDone(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, err error) bool {
		t.Helper()
		var call *CallError
		if !errors.As(err, &call) || failure.Classify(err) != failure.Canceled {
			t.Fatalf("error %v, want the end of the context", err)
		}
		return call.MayBeDone
	}
	t.Run("while the cloud is silent", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := newScript(t, reply{hang: cancel}).hbr(t, newWorld(t, nil)).CreateBackupJob(ctx, &hbr.CreateBackupJobRequest{})
		if !open(t, err) {
			t.Errorf("error %v, want that it may be done", err)
		}
	})
	t.Run("before it was made", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		service := newScript(t, reply{body: succeeded})
		_, err := service.hbr(t, newWorld(t, nil)).CreateBackupJob(ctx, &hbr.CreateBackupJobRequest{})
		if open(t, err) || len(service.got()) != 0 {
			t.Errorf("error %v, want that it is not done", err)
		}
	})
}

func TestAnHBRThatIsNotReachedHasDoneNothing(t *testing.T) {
	t.Parallel()
	service := newScript(t, reply{body: succeeded})
	client, err := newWorld(t, nil).HBR(t.Context(), HBRConfig{
		Region: "cn-hangzhou", Endpoint: "http://127.0.0.1:1", Credentials: service.config(t).Credentials,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateBackupJob(t.Context(), &hbr.CreateBackupJobRequest{})
	var call *CallError
	if !errors.As(err, &call) || call.MayBeDone || failure.Classify(err) != failure.Unreachable {
		t.Errorf("error %#v, want that HBR cannot be reached", err)
	}
}

func TestHBRWithoutCredentialsHasDoneNothing(t *testing.T) {
	t.Parallel()
	service := newScript(t, reply{body: succeeded})
	config := service.config(t)
	config.Credentials.File += ".missing"
	client, err := newWorld(t, nil).HBR(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateBackupJob(t.Context(), &hbr.CreateBackupJobRequest{})
	var source *credentials.Error
	var call *CallError
	if !errors.As(err, &call) || call.MayBeDone || !errors.As(err, &source) || len(service.got()) != 0 {
		t.Errorf("error %#v, want that there are no credentials", err)
	}
}

// apis are the methods of a client that take a request, each called with an empty one.
func apis(t *testing.T, client any) map[string]func() error {
	t.Helper()
	found := map[string]func() error{}
	value := reflect.ValueOf(client)
	for i := range value.NumMethod() {
		method := value.Method(i)
		kind := method.Type()
		if kind.NumIn() != 2 || !strings.HasSuffix(kind.In(1).String(), "Request") {
			continue
		}
		found[value.Type().Method(i).Name] = func() error {
			results := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.New(kind.In(1).Elem())})
			err, _ := results[1].Interface().(error)
			return err
		}
	}
	if len(found) == 0 {
		t.Fatalf("%T has no method that takes a request", client)
	}
	return found
}

func TestEveryAPIOfHBR(t *testing.T) {
	t.Parallel()
	notRepeated := map[string]bool{
		"CreateVault": true, "AddContainerCluster": true, "CreateBackupPlan": true,
		"ExecuteBackupPlan": true, "CreateBackupJob": true, "CreateRestoreJob": true,
	}
	w := newWorld(t, nil)
	good, bad := newScript(t, reply{body: succeeded}), newScript(t, reply{status: http.StatusInternalServerError, body: internal})
	calls, failures := apis(t, good.hbr(t, w)), apis(t, bad.hbr(t, w))
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := good.got(); len(got) != 1 || got[0].API != name || got[0].Version != "2017-09-08" {
			t.Errorf("%s is called as %+v", name, got)
		}
		err := failures[name]()
		wantCalls := attemptsInAll
		if notRepeated[name] {
			wantCalls = 1
		}
		var failed *CallError
		if !errors.As(err, &failed) || failed.Action != "hbr:"+name || failed.MayBeDone != notRepeated[name] {
			t.Errorf("%s: error %#v", name, err)
		}
		if got := len(bad.got()); got != wantCalls {
			t.Errorf("%s is called %d times, want %d", name, got, wantCalls)
		}
		delete(notRepeated, name)
	}
	if len(notRepeated) != 0 {
		t.Errorf("there are no APIs %v", notRepeated)
	}
}

func TestParametersOfHBR(t *testing.T) {
	t.Parallel()
	service := newScript(t, reply{body: succeeded})
	client := service.hbr(t, newWorld(t, nil))
	ctx := t.Context()
	tests := []struct {
		name  string
		call  func() error
		query url.Values
		form  url.Values
	}{
		{
			"a vault is found by its name",
			func() error {
				_, err := client.DescribeVaults(ctx, &DescribeVaultsRequest{
					DescribeVaultsRequest: hbr.DescribeVaultsRequest{PageSize: new(int32(99))}, VaultName: new("ack-backup-data"),
				})
				return err
			},
			url.Values{"PageSize": {"99"}, "VaultName": {"ack-backup-data"}},
			url.Values{},
		},
		{
			"a cluster is found by its identifier",
			func() error {
				_, err := client.DescribeContainerCluster(ctx, &DescribeContainerClusterRequest{Identifier: new("c1")})
				return err
			},
			url.Values{"Identifier": {"c1"}},
			url.Values{},
		},
		{
			"a plan has its paths in the form",
			func() error {
				_, err := client.CreateBackupPlan(ctx, &hbr.CreateBackupPlanRequest{
					SourceType: new("NAS"), FileSystemId: new("fs"), CreateTime: new(int64(1578240000)), Path: []*string{new("/a"), new("/b")},
				})
				return err
			},
			url.Values{"SourceType": {"NAS"}, "FileSystemId": {"fs"}, "CreateTime": {"1578240000"}},
			url.Values{"Path.1": {"/a"}, "Path.2": {"/b"}},
		},
		{
			"jobs are found by filters",
			func() error {
				_, err := client.DescribeBackupJobs2(ctx, &hbr.DescribeBackupJobs2Request{Filters: []*hbr.DescribeBackupJobs2RequestFilters{
					{Key: new("JobId"), Operator: new("IN"), Values: []*string{new("job-1"), new("job-2")}},
				}})
				return err
			},
			url.Values{"Filters.1.Key": {"JobId"}, "Filters.1.Operator": {"IN"}, "Filters.1.Values.1": {"job-1"}, "Filters.1.Values.2": {"job-2"}},
			url.Values{},
		},
		{
			"a restore has its options in the query and its path in the form",
			func() error {
				_, err := client.CreateRestoreJob(ctx, &CreateRestoreJobRequest{
					CreateRestoreJobRequest: hbr.CreateRestoreJobRequest{RestoreType: new("NAS"), TargetPath: new("/r")},
					Options:                 new(`{"conflictPolicy":"OVERWRITE_EXISTING"}`),
				})
				return err
			},
			url.Values{"RestoreType": {"NAS"}, "Options": {`{"conflictPolicy":"OVERWRITE_EXISTING"}`}},
			url.Values{"TargetPath": {"/r"}},
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
		if diff := gocmp.Diff([]url.Values{tt.query, tt.form}, []url.Values{got[0].Query, got[0].Form}); diff != "" {
			t.Errorf("%s: query and form (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestServicesAreThrottledApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	service := newScript(t, reply{status: http.StatusForbidden, body: throttling}, reply{body: succeeded})
	begin := w.time.Now()
	if _, err := service.hbr(t, w).DeleteSnapshot(t.Context(), &hbr.DeleteSnapshotRequest{SnapshotId: new("s-1")}); err != nil {
		t.Fatal(err)
	}
	throttled := w.time.Now()
	if throttled.Sub(begin) < time.Minute {
		t.Errorf("the second call of HBR came after %v", throttled.Sub(begin))
	}
	disks, err := w.ECS(t.Context(), service.config(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disks.DeleteSnapshot(t.Context(), &ecs.DeleteSnapshotRequest{SnapshotId: new("s-1")}); err != nil {
		t.Fatal(err)
	}
	if took := w.time.Now().Sub(throttled); took != 0 {
		t.Errorf("ECS waited %v for the limit of HBR", took)
	}
	if got := tea.StringValue(new(service.got()[2].Version)); got != "2014-05-26" {
		t.Errorf("the last call is of version %s, not of ECS", got)
	}
}
