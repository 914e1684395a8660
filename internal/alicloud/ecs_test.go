// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ecs "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// snapshotter is a location whose user may do everything in ECS.
func (w *world) snapshotter(t *testing.T) *ECS {
	t.Helper()
	client, err := w.ECS(t.Context(), ECSConfig{
		Region: "cn-hangzhou", Endpoint: w.sim.RPCURL(),
		Credentials: credentials.Config{File: file(t, "LTAIsnapshotter", "snapshotter-secret")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// calls returns the calls of ECS in the form "CreateSnapshot at host: 200 or code".
func (w *world) calls() []string {
	var calls []string
	for _, entry := range w.sim.Journal().Entries() {
		if entry.Service == simecs.Product {
			calls = append(calls, fmt.Sprintf("%s at %s: %s", entry.Operation, entry.Host, cmp.Or(entry.Code, strconv.Itoa(entry.Status))))
		}
	}
	return calls
}

func TestWhereALocationsECSIs(t *testing.T) {
	t.Parallel()
	type place struct{ Region, Endpoint string }
	tests := []struct {
		name   string
		config ECSConfig
		want   place
	}{
		{"inside the VPC in the instance's own region", ECSConfig{}, place{"cn-hangzhou", "https://ecs-vpc.cn-hangzhou.aliyuncs.com"}},
		{"the Internet in any other region", ECSConfig{Region: "cn-beijing"}, place{"cn-beijing", "https://ecs.cn-beijing.aliyuncs.com"}},
		{"the Internet where the location is not on ECS", ECSConfig{NotOnECS: true}, place{"cn-hangzhou", "https://ecs.cn-hangzhou.aliyuncs.com"}},
		{"the network that is given", ECSConfig{Network: endpoint.Public}, place{"cn-hangzhou", "https://ecs.cn-hangzhou.aliyuncs.com"}},
		{"the network that is given in another region", ECSConfig{Region: "cn-beijing", Network: endpoint.VPC}, place{"cn-beijing", "https://ecs-vpc.cn-beijing.aliyuncs.com"}},
		{"an endpoint beats the network", ECSConfig{Network: endpoint.VPC, Endpoint: "http://127.0.0.1:1"}, place{"cn-hangzhou", "http://127.0.0.1:1"}},
		{"the region of the endpoint", ECSConfig{Endpoint: "ecs.cn-beijing.aliyuncs.com"}, place{"cn-beijing", "https://ecs.cn-beijing.aliyuncs.com"}},
		{"a region beats that of the endpoint", ECSConfig{Region: "cn-x", Endpoint: "ecs.cn-beijing.aliyuncs.com"}, place{"cn-x", "https://ecs.cn-beijing.aliyuncs.com"}},
	}
	w := newWorld(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, err := w.ECS(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(tt.want, place{client.Region(), client.endpoint.String()}); diff != "" {
				t.Errorf("place (-want +got):\n%s", diff)
			}
			again, err := w.ECS(t.Context(), tt.config)
			if err != nil || again != client {
				t.Errorf("another client for the same config, error %v", err)
			}
		})
	}
}

func TestECSThatCannotBeLocated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{metadataEndpointVariable: "http://127.0.0.1:1"})
	for _, notOnECS := range []bool{false, true} {
		if _, err := w.ECS(t.Context(), ECSConfig{NotOnECS: notOnECS}); !errors.Is(err, ErrNoRegion) || !errors.Is(err, metadata.ErrNotOnECS) {
			t.Errorf("not on ECS %v: error %v, want that there is no region", notOnECS, err)
		}
	}
	if _, err := w.ECS(t.Context(), ECSConfig{Endpoint: "ecs://x"}); err == nil || !strings.Contains(err.Error(), "reading the endpoint") {
		t.Errorf("error %v, want one about the endpoint", err)
	}
}

func TestTheRoleThatIsNamedInALocationThatIsNotOnECS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"ALIBABA_CLOUD_RAM_ROLE": "node"})
	client, err := w.ECS(t.Context(), ECSConfig{NotOnECS: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DescribeSnapshots(t.Context(), &ecs.DescribeSnapshotsRequest{}); err != nil {
		t.Error(err)
	}
	if diff := gocmp.Diff([]string{"DescribeSnapshots at ecs.cn-hangzhou.aliyuncs.com: 200"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestCallsReachTheirRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	delete(w.env, stsEndpointVariable)
	home, err := w.ECS(t.Context(), ECSConfig{Credentials: credentials.Config{
		File: file(t, "LTAIassumer", "assumer-secret"), RoleARN: account.RoleARN("1000000000000001", "backup"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	away := home.In("cn-beijing")
	if away.Region() != "cn-beijing" || home.In("cn-hangzhou") != home || away.In("cn-hangzhou") != home || away.In("cn-beijing") != away {
		t.Errorf("the region away is %s; the regions do not lead to each other", away.Region())
	}
	for _, region := range []*ECS{home, away} {
		if _, err := region.DescribeSnapshots(t.Context(), &ecs.DescribeSnapshotsRequest{}); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"DescribeSnapshots at ecs-vpc.cn-hangzhou.aliyuncs.com: 200",
		"DescribeSnapshots at ecs.cn-beijing.aliyuncs.com: 200",
	}
	if diff := gocmp.Diff(want, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for _, entry := range w.sim.Journal().Entries() {
		if entry.Service == "sts" && entry.Host != "sts-vpc.cn-hangzhou.aliyuncs.com" {
			t.Errorf("STS was asked at %s, not inside the VPC", entry.Host)
		}
	}
}

func TestEveryAPIIsCalledByItsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	e := w.snapshotter(t)
	ctx := t.Context()
	snapshot, err := e.CreateSnapshot(ctx, &ecs.CreateSnapshotRequest{DiskId: new("d-data")})
	if err != nil {
		t.Fatal(err)
	}
	group, err := e.CreateSnapshotGroup(ctx, &ecs.CreateSnapshotGroupRequest{DiskId: []*string{new("d-data")}})
	if err != nil {
		t.Fatal(err)
	}
	disk, err := e.CreateDisk(ctx, &ecs.CreateDiskRequest{ZoneId: new("cn-hangzhou-k"), SnapshotId: snapshot.SnapshotId, DiskCategory: new("cloud_essd")})
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name string
		call func() error
	}{
		{"DescribeSnapshots", func() error { _, err := e.DescribeSnapshots(ctx, &ecs.DescribeSnapshotsRequest{}); return err }},
		{"DescribeSnapshotGroups", func() error {
			_, err := e.DescribeSnapshotGroups(ctx, &ecs.DescribeSnapshotGroupsRequest{})
			return err
		}},
		{"DescribeDisks", func() error { _, err := e.DescribeDisks(ctx, &ecs.DescribeDisksRequest{}); return err }},
		{"TagResources", func() error {
			_, err := e.TagResources(ctx, &ecs.TagResourcesRequest{
				ResourceType: new("disk"), ResourceId: []*string{disk.DiskId},
				Tag: []*ecs.TagResourcesRequestTag{{Key: new("k"), Value: new("v")}},
			})
			return err
		}},
		{"CopySnapshot", func() error {
			_, err := e.CopySnapshot(ctx, &ecs.CopySnapshotRequest{
				SnapshotId: snapshot.SnapshotId, DestinationRegionId: new("cn-beijing"),
				DestinationSnapshotName: new("copy"), DestinationSnapshotDescription: new("a copy"),
			})
			return err
		}},
		{"DeleteDisk", func() error { _, err := e.DeleteDisk(ctx, &ecs.DeleteDiskRequest{DiskId: disk.DiskId}); return err }},
		{"DeleteSnapshotGroup", func() error {
			_, err := e.DeleteSnapshotGroup(ctx, &ecs.DeleteSnapshotGroupRequest{SnapshotGroupId: group.SnapshotGroupId})
			return err
		}},
		{"DeleteSnapshot", func() error {
			_, err := e.DeleteSnapshot(ctx, &ecs.DeleteSnapshotRequest{SnapshotId: snapshot.SnapshotId})
			return err
		}},
	}
	at := strings.TrimPrefix(w.sim.RPCURL(), "http://")
	want := []string{"CreateSnapshot at " + at + ": 200", "CreateSnapshotGroup at " + at + ": 200", "CreateDisk at " + at + ": 200"}
	for _, step := range steps {
		if err := step.call(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		want = append(want, step.name+" at "+at+": 200")
	}
	if diff := gocmp.Diff(want, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestARequestIsNotChanged(t *testing.T) {
	t.Parallel()
	request := &ecs.DescribeDisksRequest{DiskIds: new(`["d-data"]`)}
	answer, err := newWorld(t, nil).snapshotter(t).DescribeDisks(t.Context(), request)
	if err != nil || len(answer.Disks.Disk) != 1 {
		t.Fatalf("disks %v, error %v", answer, err)
	}
	if request.RegionId != nil {
		t.Errorf("RegionId was set to %s", *request.RegionId)
	}
}

func TestCallsAreRepeatedAsTheirFailureAllows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		rule      fault.Rule
		wantCalls int
		// waits says that the cloud's minute has to pass.
		waits bool
	}{
		{"a broken front end", fault.Rule{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 5}, 6, false},
		{"an answer that was lost", fault.Rule{Reset: true, Count: 2}, 3, false},
		{"an answer that was cut", fault.Rule{Truncate: true, After: 10, Count: 2}, 3, false},
		{"a request that is being worked on", fault.Rule{Status: http.StatusForbidden, Code: "IdempotentProcessing", Count: 3}, 4, false},
		{"throttling", fault.Rule{Status: http.StatusForbidden, Code: "Throttling.User", Count: 20}, 21, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			tt.rule.Service = simecs.Product
			if _, err := w.sim.Faults().Add(tt.rule); err != nil {
				t.Fatal(err)
			}
			begin := w.time.Now()
			request := &ecs.CreateSnapshotRequest{DiskId: new("d-data"), ClientToken: new("token")}
			answer, err := w.snapshotter(t).CreateSnapshot(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(w.calls()); got != tt.wantCalls {
				t.Errorf("%d calls, want %d", got, tt.wantCalls)
			}
			if made := w.sim.ECS().Snapshots(); len(made) != 1 || made[0].ID != *answer.SnapshotId {
				t.Errorf("snapshots %v, want %s alone", made, *answer.SnapshotId)
			}
			if took := w.time.Now().Sub(begin); took >= time.Minute != tt.waits {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestEachClassOfFailureHasAttemptsOfItsOwn(t *testing.T) {
	t.Parallel()
	lost := &failure.LostError{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	broken := &tea.SDKError{StatusCode: new(http.StatusServiceUnavailable), Code: new("ServiceUnavailable")}
	tests := []struct {
		name string
		// failures are those of the first attempts.
		failures []error
		wantErr  error
		// wantAttempts is how often the call is made in all.
		wantAttempts int
	}{
		{"a service that is out of order when it is back after an outage", slices.Concat(slices.Repeat([]error{lost}, 12), slices.Repeat([]error{broken}, 9)), nil, 22},
		{"an outage in the middle of a disorder", slices.Concat([]error{broken}, slices.Repeat([]error{lost}, 19), []error{broken}), nil, 22},
		{"a service that stays out of order", slices.Concat(slices.Repeat([]error{lost}, 5), slices.Repeat([]error{broken}, 10)), broken, 15},
		{"a service that stays away", slices.Concat([]error{broken}, slices.Repeat([]error{lost}, 20)), lost, 21},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			attempts := 0
			_, err := call[ecs.Client, ecs.DescribeDisksRequest, ecs.DescribeDisksResponse]{
				service: w.snapshotter(t).service, action: "ecs:DescribeDisks", request: &ecs.DescribeDisksRequest{},
				do: func(*ecs.Client, *ecs.DescribeDisksRequest, *dara.RuntimeOptions) (*ecs.DescribeDisksResponse, error) {
					attempts++
					if attempts <= len(tt.failures) {
						return nil, tt.failures[attempts-1]
					}
					return &ecs.DescribeDisksResponse{}, nil
				},
			}.repeat(t.Context())
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("error %v, want %v", err, tt.wantErr)
			}
			if attempts != tt.wantAttempts {
				t.Errorf("%d attempts, want %d", attempts, tt.wantAttempts)
			}
		})
	}
}

func TestWhatMayBeDoneThoughTheCallFails(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	away := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	answered := func(status int, code string) error { return &tea.SDKError{StatusCode: &status, Code: &code} }
	throttled := answered(http.StatusForbidden, "Throttling.User")
	forEver := func(err error) []error { return slices.Repeat([]error{err}, failure.MaxAttempts) }
	tests := []struct {
		name     string
		failures []error
		// last is the attempt during which the time is over, 0 for none.
		last int
		want bool
	}{
		{"an answer that is lost each time", forEver(reset), 0, true},
		{"an answer that was lost before an outage", append([]error{reset}, forEver(away)...), 0, true},
		{"an answer that was lost in an outage", slices.Concat([]error{away, reset}, forEver(away)), 0, true},
		{"an answer that was lost before throttling, until the time is over", append([]error{reset}, forEver(throttled)...), 5, true},
		{"an answer that was lost when the time is over", []error{reset}, 1, true},
		{"an answer that was lost before the credentials were", append([]error{reset}, forEver(&credentials.Error{Err: errors.New("no file")})...), 0, true},
		{"an answer that was lost before a token expired", append([]error{reset}, forEver(answered(http.StatusForbidden, "InvalidSecurityToken.Expired"))...), 0, true},
		{"an answer that was lost before a refusal", append([]error{reset}, forEver(answered(http.StatusForbidden, "QuotaExceed.Snapshot"))...), 0, false},
		{"a request that was being worked on before a refusal", append([]error{answered(http.StatusForbidden, "IdempotentProcessing")}, forEver(answered(http.StatusForbidden, "IncorrectDiskStatus"))...), 0, false},
		{"an outage", forEver(away), 0, false},
		{"throttling, until the time is over", forEver(throttled), 5, false},
		{"a refusal", forEver(answered(http.StatusForbidden, "QuotaExceed.Snapshot")), 0, false},
		{"credentials that are missing", forEver(&credentials.Error{Err: errors.New("no file")}), 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			ctx, end := context.WithCancel(t.Context())
			defer end()
			attempts := 0
			_, err := send(ctx, w.snapshotter(t).service, "CreateSnapshot", tokened,
				func(*ecs.Client, *ecs.CreateSnapshotRequest, *dara.RuntimeOptions) (*ecs.CreateSnapshotResponse, error) {
					attempts++
					if attempts == tt.last {
						end()
					}
					return nil, tt.failures[attempts-1]
				}, &ecs.CreateSnapshotRequest{})
			if err == nil || MayBeDone(err) != tt.want || MayBeDone(fmt.Errorf("backing up: %w", err)) != tt.want {
				t.Errorf("it may be done: %t after %d attempts, error %v", MayBeDone(err), attempts, err)
			}
		})
	}
}

func TestWhatMakesNothingIsNotSaidToBeDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if _, err := w.sim.Faults().Add(fault.Rule{Service: simecs.Product, Status: http.StatusInternalServerError, Code: "InternalError"}); err != nil {
		t.Fatal(err)
	}
	makes := []string{"CopySnapshot", "CreateDisk", "CreateSnapshot", "CreateSnapshotGroup"}
	var said []string
	for name, call := range apis(t, w.snapshotter(t)) {
		if MayBeDone(call()) {
			said = append(said, name)
		}
	}
	slices.Sort(said)
	if diff := gocmp.Diff(makes, said); diff != "" {
		t.Errorf("calls that may be done (-want +got):\n%s", diff)
	}
}

func TestAFailureThatStaysIsReported(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, code string
		status     int
		wantClass  failure.Class
		wantCalls  int
	}{
		{"a broken front end after ten attempts", "ServiceUnavailable", http.StatusServiceUnavailable, failure.Transient, 10},
		{"the quota at once", "QuotaExceed.Snapshot", http.StatusForbidden, failure.Quota, 1},
		{"a disk that is gone at once", "InvalidDiskId.NotFound", http.StatusNotFound, failure.NotFound, 1},
		{"a zone without stock at once", "OperationDenied.NoStock", http.StatusForbidden, failure.SoldOut, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			if _, err := w.sim.Faults().Add(fault.Rule{Service: simecs.Product, Status: tt.status, Code: tt.code, Message: "No."}); err != nil {
				t.Fatal(err)
			}
			_, err := w.snapshotter(t).CreateSnapshot(t.Context(), &ecs.CreateSnapshotRequest{DiskId: new("d-data")})
			var call *CallError
			if !errors.As(err, &call) || call.Action != "ecs:CreateSnapshot" || call.Region != "cn-hangzhou" {
				t.Fatalf("error %#v does not name the call", err)
			}
			if got := failure.Classify(err); got != tt.wantClass {
				t.Errorf("class %v, want %v", got, tt.wantClass)
			}
			if got := len(w.calls()); got != tt.wantCalls {
				t.Errorf("%d calls, want %d", got, tt.wantCalls)
			}
		})
	}
}

func TestADenialNamesTheAction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	reader, err := w.ECS(t.Context(), ECSConfig{
		Endpoint: w.sim.RPCURL(), Credentials: credentials.Config{File: file(t, "LTAIreader", "reader-secret")},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = reader.CreateSnapshot(t.Context(), &ecs.CreateSnapshotRequest{DiskId: new("d-data")})
	answer, ok := failure.Of(err)
	if !ok || failure.Classify(err) != failure.Denied || answer.DeniedAction != "ecs:CreateSnapshot" {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	if want := "calling ecs:CreateSnapshot in cn-hangzhou: " + answer.String(); err.Error() != want || answer.RequestID == "" {
		t.Errorf("error %q, want %q with a request id", err, want)
	}
	if strings.Contains(answer.Message, answer.RequestID) {
		t.Errorf("the message %q is not that of the cloud alone", answer.Message)
	}
}

func TestAnExpiredTokenOfECSIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	client, err := w.ECS(t.Context(), ECSConfig{Endpoint: w.sim.RPCURL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.sim.Faults().Add(fault.Rule{Service: simecs.Product, ExpireToken: true, Count: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DescribeDisks(t.Context(), &ecs.DescribeDisksRequest{}); err != nil {
		t.Fatal(err)
	}
	fetched := 0
	for _, entry := range w.sim.Journal().Entries() {
		if strings.Contains(entry.Resource, "security-credentials/node") {
			fetched++
		}
	}
	if fetched != 2 || len(w.calls()) != 2 {
		t.Errorf("credentials were fetched %d times for the calls %v, want two of each", fetched, w.calls())
	}
}

func TestAnAnswerOfALoadBalancerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			var once sync.Once
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				answer := `{"RequestId":"1","Disks":{"Disk":[]}}`
				once.Do(func() {
					rw.Header().Set("Content-Type", "text/html")
					rw.WriteHeader(status)
					answer = "<html>sorry</html>"
				})
				fmt.Fprint(rw, answer)
			}))
			t.Cleanup(server.Close)
			client, err := w.ECS(t.Context(), ECSConfig{Endpoint: server.URL, Credentials: credentials.Config{File: file(t, "LTAIx", "secret")}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.DescribeDisks(t.Context(), &ecs.DescribeDisksRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnECSThatDoesNotAnswerIsNamedWithoutTheRequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := newWorld(t, nil).ECS(t.Context(), ECSConfig{
		Endpoint: server.URL, Credentials: credentials.Config{File: file(t, "LTAIx", "secret")},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.DescribeDisks(t.Context(), &ecs.DescribeDisksRequest{DiskIds: new(`["d-data"]`)})
	host := strings.TrimPrefix(server.URL, "http://")
	if failure.Classify(err) != failure.Unreachable || !strings.Contains(err.Error(), "in cn-hangzhou: "+host) || strings.Contains(err.Error(), "d-data") {
		t.Errorf("error %v, want the host alone", err)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	t.Run("while the cloud is silent", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		if _, err := w.sim.Faults().Add(fault.Rule{Service: simecs.Product, Latency: time.Hour}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := w.snapshotter(t).DescribeDisks(ctx, &ecs.DescribeDisksRequest{})
		if took := time.Since(begin); failure.Classify(err) != failure.Canceled || took > 10*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
	t.Run("while the cloud throttles", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.sim.ECS().SetThrottling(simecs.Throttling{User: map[string]int{"DescribeDisks": 0}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client := w.snapshotter(t)
		client.cloud.env.Sleep = func(ctx context.Context, _ time.Duration) error {
			cancel()
			return ctx.Err()
		}
		_, err := client.DescribeDisks(ctx, &ecs.DescribeDisksRequest{})
		answer, _ := failure.Of(err)
		if failure.Classify(err) != failure.Canceled || answer.Code != "Throttling.User" {
			t.Errorf("error %v, want the end of the context and what the cloud said before", err)
		}
	})
}

func TestManySnapshotsTakeFewCalls(t *testing.T) {
	t.Parallel()
	const disks, allowed = 200, 220 // 1.1 calls for each.
	tests := []struct {
		name           string
		limit, workers int
		// others is how many calls a minute another program makes.
		others int
	}{
		{"100 a minute, one after the other", 100, 1, 0},
		{"100 a minute, 20 at once", 100, 20, 0},
		{"37 a minute, one after the other", 37, 1, 0},
		{"37 a minute, 20 at once", 37, 20, 0},
		{"half of 100 a minute, one after the other", 100, 1, 50},
		{"half of 100 a minute, 20 at once", 100, 20, 50},
		{"half of 37 a minute, one after the other", 37, 1, 18},
		{"half of 37 a minute, 20 at once", 37, 20, 18},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.sim.ECS().SetThrottling(simecs.Throttling{User: map[string]int{"CreateSnapshot": tt.limit}})
			ctx, stop := context.WithCancel(t.Context())
			var others sync.WaitGroup
			if tt.others > 0 {
				w.time.Go(&others, func() { w.eat(ctx, tt.others) })
			}
			begin := w.time.Now()
			w.snapshotDisks(t, disks, tt.workers)
			took := w.time.Now().Sub(begin)
			stop()
			others.Wait()
			calls := 0
			for _, entry := range w.sim.Journal().Entries() {
				if entry.AccessKeyID == "LTAIsnapshotter" {
					calls++
				}
			}
			t.Logf("%d calls for %d disks in %v", calls, disks, took.Round(time.Second))
			if calls > allowed {
				t.Errorf("%d calls, want %d at most", calls, allowed)
			}
		})
	}
}

// snapshotDisks makes disks and a snapshot of each.
func (w *world) snapshotDisks(t *testing.T, disks, workers int) {
	t.Helper()
	queue := make(chan string, disks)
	for disk := range disks {
		queue <- w.addDisk(t, fmt.Sprintf("d-%d", disk))
	}
	close(queue)
	client := w.snapshotter(t)
	var group sync.WaitGroup
	for range workers {
		w.time.Go(&group, func() {
			for disk := range queue {
				if _, err := client.CreateSnapshot(t.Context(), &ecs.CreateSnapshotRequest{DiskId: &disk}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// addDisk adds a disk that can be snapshotted and returns its id.
func (w *world) addDisk(t *testing.T, id string) string {
	t.Helper()
	added, err := w.sim.ECS().AddDisk(simecs.DiskConfig{
		ID: id, Account: "1000000000000001", Zone: "cn-hangzhou-k", Size: 20, AttachedBefore: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// eat is another program of the account, which calls CreateSnapshot so often in a
// minute, until ctx ends, whatever the answer.
func (w *world) eat(ctx context.Context, perMinute int) {
	client, err := w.ECS(ctx, ECSConfig{Endpoint: w.sim.RPCURL()})
	for err == nil {
		_, _ = call[ecs.Client, ecs.CreateSnapshotRequest, ecs.CreateSnapshotResponse]{
			service: client.service, do: (*ecs.Client).CreateSnapshotWithOptions, request: &ecs.CreateSnapshotRequest{DiskId: new("d-data")},
		}.attempt(ctx)
		err = w.time.Sleep(ctx, time.Minute/time.Duration(perMinute))
	}
}

func TestCredentialsThatCannotBeHadAreNotAnAnswerOfECS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		key, role string
		want      string
	}{
		{"a role that the key may not assume", "reader", "backup", "sts:AssumeRole"},
		{"a role that was deleted is no missing disk", "assumer", "deleted", "EntityNotExist.Role"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			client, err := w.ECS(t.Context(), ECSConfig{Endpoint: w.sim.RPCURL(), Credentials: credentials.Config{
				File: file(t, "LTAI"+tt.key, tt.key+"-secret"), RoleARN: account.RoleARN("1000000000000001", tt.role),
			}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.DescribeDisks(t.Context(), &ecs.DescribeDisksRequest{})
			var source *credentials.Error
			if !errors.As(err, &source) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want that of STS with its remedy", err)
			}
			if class := failure.Classify(err); class != failure.Unknown {
				t.Errorf("class %v, of what STS said", class)
			}
			if calls := w.calls(); len(calls) != 0 {
				t.Errorf("calls without credentials: %v", calls)
			}
		})
	}
}

func TestECSOverConnectionsOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.env["ALIBABA_CLOUD_ACCESS_KEY_ID"], w.env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "LTAIsnapshotter", "snapshotter-secret"
	cloud := New(Environment{Getenv: func(name string) string { return w.env[name] }, Log: w.Cloud.env.Log})
	client, err := cloud.ECS(t.Context(), ECSConfig{Region: "cn-hangzhou", Endpoint: w.sim.RPCURL()})
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if _, err := client.DescribeDisks(t.Context(), &ecs.DescribeDisksRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := client.Sleep(t.Context(), time.Nanosecond); err != nil || client.Now().Before(before) {
		t.Errorf("the clock says %v after %v, error %v", client.Now(), before, err)
	}
}
