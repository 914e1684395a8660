// SPDX-License-Identifier: Apache-2.0

package journal_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

func TestCount(t *testing.T) {
	t.Parallel()
	j := journal.New()
	for _, e := range []journal.Entry{
		{Service: "oss", Operation: "PutObject"},
		{Service: "oss", Operation: "GetObject"},
		{Service: "oss", Operation: "GetObject"},
		{Service: "sts", Operation: "AssumeRole"},
	} {
		j.Add(e)
	}
	type question struct{ Service, Operation string }
	got := map[question]int{}
	want := map[question]int{
		{"oss", "GetObject"}: 2, {"oss", ""}: 3, {"", ""}: 4, {"sts", "GetObject"}: 0,
	}
	for q := range want {
		got[q] = j.Count(q.Service, q.Operation)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestBegunEntryIsCompletedInPlace(t *testing.T) {
	t.Parallel()
	j := journal.New()
	finish := j.Begin(journal.Entry{Operation: "first"})
	j.Add(journal.Entry{Operation: "second"})
	before := j.Entries()
	finish(journal.Entry{Operation: "first", ResponseBytes: 7})
	want := []journal.Entry{{Operation: "first", ResponseBytes: 7}, {Operation: "second"}}
	if diff := cmp.Diff(want, j.Entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if before[0].ResponseBytes != 0 {
		t.Error("a copy that was handed out changes")
	}
}

func TestFinishAfterResetAddsNothing(t *testing.T) {
	t.Parallel()
	j := journal.New()
	finish := j.Begin(journal.Entry{Operation: "old"})
	j.Reset()
	finish(journal.Entry{Operation: "old"})
	if got := j.Entries(); len(got) != 0 {
		t.Errorf("entries after the reset: %v", got)
	}
}

func TestJournalOverHTTP(t *testing.T) {
	t.Parallel()
	j := journal.New()
	want := []journal.Entry{{Service: "oss", Operation: "PutObject", Resource: "b/k", Status: 200, RequestBytes: 5}}
	j.Add(want[0])
	w := httptest.NewRecorder()
	j.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/journal", nil))
	var got []journal.Entry
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	j.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/journal", nil))
	w = httptest.NewRecorder()
	j.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/journal", nil))
	if got := w.Body.String(); got != "[]\n" {
		t.Errorf("the journal after DELETE is %q", got)
	}
}

func TestFromOutsideOfARequest(t *testing.T) {
	t.Parallel()
	journal.From(t.Context()).Code = "NoSuchKey" // must not panic
	e := &journal.Entry{}
	journal.From(journal.Into(t.Context(), e)).Code = "NoSuchKey"
	if diff := cmp.Diff(&journal.Entry{Code: "NoSuchKey"}, e); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}
