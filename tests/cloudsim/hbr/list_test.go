// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// filter is one filter of DescribeBackupJobs2.
func filter(key, operator string, values ...string) params {
	p := params{"Filters.1.Key": key, "Filters.1.Operator": operator}
	for i, v := range values {
		p["Filters.1.Values."+strconv.Itoa(i+1)] = v
	}
	return p
}

// ids are the members of a list in an answer, as indexes in a list of known ids.
func ids(t *testing.T, body map[string]any, list, item, id string, known []string) []int {
	t.Helper()
	outer, _ := body[list].(map[string]any)
	all, ok := outer[item].([]any)
	if !ok {
		t.Fatalf("the answer has no %s.%s: %v", list, item, body)
	}
	indexes := []int{}
	for _, one := range all {
		member, _ := one.(map[string]any)
		for i, k := range known {
			if member[id] == k {
				indexes = append(indexes, i)
			}
		}
	}
	return indexes
}

func TestListsOfJobs(t *testing.T) {
	t.Parallel()
	c := start(t)
	plan, first := backUpNAS(t, c, "/shop")
	c.HBR().Advance(time.Hour)
	_, second := backUpNAS(t, c, "/other")
	put(t, c, "data/a", "1")
	third := backUpOSS(t, c, "data/")
	jobs := []string{first, second, third}
	at := dara.Int64Value(backupJob(t, c, first).CompleteTime)
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	tests := map[string]struct {
		params params
		want   []int
	}{
		"all, newest first":      {params{}, []int{2, 1, 0}},
		"by id":                  {filter("JobId", "IN", first, third), []int{2, 0}},
		"without an operator":    {params{"Filters.1.Key": "JobId", "Filters.1.Values.1": first}, []int{0}},
		"by a key in lower case": {filter("jobId", "EQUAL", second), []int{1}},
		"by what it is not":      {filter("JobId", "NOT_EQUAL", second), []int{2, 0}},
		"by plan":                {filter("PlanId", "IN", plan), []int{0}},
		"by vault":               {filter("VaultId", "IN", "v-other"), []int{}},
		"by region":              {filter("RegionId", "IN", hangzhou), []int{2, 1, 0}},
		"by bucket":              {filter("Bucket", "IN", bucket), []int{2}},
		"by file system":         {filter("FileSystemId", "IN", fileSystem), []int{1, 0}},
		"by status":              {filter("Status", "IN", "RUNNING", "FAILED"), []int{}},
		"by source type":         {params{"SourceType": "OSS"}, []int{2}},
		"later than":             {filter("CompleteTime", "GREATER_THAN", number(at)), []int{2, 1}},
		"not earlier than":       {filter("CompleteTime", "GREATER_THAN_OR_EQUAL", number(at)), []int{2, 1, 0}},
		"earlier than":           {filter("CreatedTime", "LESS_THAN", number(at+1)), []int{0}},
		"not later than":         {filter("CreatedTime", "LESS_THAN_OR_EQUAL", number(at)), []int{0}},
		"between":                {filter("CreatedTime", "BETWEEN", "["+number(at-1)+","+number(at+1)+"]"), []int{0}},
		"the first page":         {params{"PageSize": "2"}, []int{2, 1}},
		"the last page":          {params{"PageSize": "2", "PageNumber": "2"}, []int{0}},
		"a page behind the last": {params{"PageSize": "2", "PageNumber": "3"}, []int{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, failure := call(t, c, ownerKey(), "DescribeBackupJobs2", tt.params)
			if failure != nil {
				t.Fatalf("refused: %v", *failure)
			}
			if diff := cmp.Diff(tt.want, ids(t, body, "BackupJobs", "BackupJob", "JobId", jobs)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListsOfPlans(t *testing.T) {
	t.Parallel()
	c := start(t)
	first, _ := backUpNAS(t, c, "/shop")
	second, _ := backUpNAS(t, c, "/other")
	plans := []string{first, second}
	found, err := client(t, c).DescribeBackupPlans(&sdk.DescribeBackupPlansRequest{})
	if err != nil {
		t.Fatal(err)
	}
	newest := dara.StringValue(found.Body.BackupPlans.BackupPlan[0].PlanName)
	for name, tt := range map[string]struct {
		params params
		want   []int
	}{
		"all":            {params{}, []int{1, 0}},
		"by id":          {filter("planId", "", first), []int{0}},
		"by name":        {filter("planName", "", newest, "none"), []int{1}},
		"by source type": {params{"SourceType": "OSS"}, []int{}},
	} {
		body, failure := call(t, c, ownerKey(), "DescribeBackupPlans", tt.params)
		if failure != nil {
			t.Fatalf("%s: refused: %v", name, *failure)
		}
		if diff := cmp.Diff(tt.want, ids(t, body, "BackupPlans", "BackupPlan", "PlanId", plans)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSearchGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	c := start(t)
	var jobs, got []string
	for range 7 {
		_, jobID := backUpNAS(t, c, "/other")
		jobs = append([]string{jobID}, jobs...)
	}
	request := &sdk.SearchHistoricalSnapshotsRequest{
		SourceType: dara.String("NAS"), Limit: dara.Int32(3),
		Query: append(ofFileSystem(t, c),
			map[string]any{"field": "VaultId", "value": vaultID, "operation": "MATCH_TERM"},
			map[string]any{"field": "CompleteTime", "value": []int64{0, 1 << 40}, "operation": "BETWEEN"},
		),
	}
	for {
		found, err := client(t, c).SearchHistoricalSnapshots(request)
		if err != nil {
			t.Fatal(err)
		}
		if total := dara.Int32Value(found.Body.TotalCount); total != 7 {
			t.Errorf("%d snapshots in all", total)
		}
		for _, s := range found.Body.Snapshots.Snapshot {
			got = append(got, dara.StringValue(s.JobId))
		}
		if request.NextToken = found.Body.NextToken; dara.StringValue(request.NextToken) == "" {
			break
		}
	}
	if diff := cmp.Diff(jobs, got); diff != "" {
		t.Errorf("jobs of the snapshots (-want +got):\n%s", diff)
	}
}

// admin calls the address that is not part of the cloud.
func admin(t *testing.T, c *cloudsim.Cloud, method, path, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, c.AdminURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(data))
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	c := start(t)
	type result struct {
		Status int
		Answer string
	}
	for _, tt := range []struct {
		method, path, body string
		want               result
	}{
		{
			http.MethodGet, "/hbr/inventory?account=" + owner, "",
			result{200, `{"vaults":["cn-hangzhou/v-000shop"],"clusters":["cn-hangzhou/cc-000shop"]}`},
		},
		{http.MethodPut, "/hbr/durations", `{"backup":"1m"}`, result{204, ""}},
		{http.MethodPut, "/hbr/durations", `{"restart":"1m"}`, result{400, `json: unknown field "restart"`}},
		{http.MethodPost, "/hbr/advance", `{"by":"1h"}`, result{204, ""}},
		{http.MethodPost, "/hbr/agents", `{"token":"token-1","node":"n","root":"` + t.TempDir() + `"}`, result{204, ""}},
		{
			http.MethodGet, "/hbr/clusters", "",
			result{200, `[{"id":"cc-000shop","account":"1000000000000001","region":"cn-hangzhou","identifier":"c-ack",` +
				`"token":"token-1","agentStatus":"READY"}]`},
		},
	} {
		status, answer := admin(t, c, tt.method, tt.path, tt.body)
		if diff := cmp.Diff(tt.want, result{status, answer}); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.path, diff)
		}
	}
	if _, jobID := backUpNAS(t, c, "/shop"); dara.StringValue(backupJob(t, c, jobID).Status) != "RUNNING" {
		t.Error("the durations have not been set")
	}
}
