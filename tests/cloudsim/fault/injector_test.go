// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rule fault.Rule
		want string
	}{
		"a rule without an effect":         {fault.Rule{Service: "oss"}, "no effect"},
		"a status that is no error":        {fault.Rule{Status: 200}, "status 200"},
		"a code without a status":          {fault.Rule{Code: "X", Reset: true}, "need a status"},
		"a truncated request":              {fault.Rule{Truncate: true, Direction: fault.Request}, "truncated"},
		"an unknown direction":             {fault.Rule{Reset: true, Direction: "up"}, `direction "up"`},
		"a probability above one":          {fault.Rule{Reset: true, Probability: 2}, "probability 2"},
		"a negative count":                 {fault.Rule{Reset: true, Count: -1}, "negative"},
		"a latency that goes back in time": {fault.Rule{Latency: -time.Second}, "negative"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := fault.NewInjector(1).Add(tt.rule)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not contain %q", err, tt.want)
			}
		})
	}
}

func TestProbabilityIsTheSameWithTheSameSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (pattern []bool) {
		i := fault.NewInjector(seed)
		if _, err := i.Add(fault.Rule{Probability: 0.3, Reset: true}); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			pattern = append(pattern, len(i.Fire("oss", "PutObject", "b/k")) > 0)
		}
		return pattern
	}
	first := run(7)
	if diff := cmp.Diff(first, run(7)); diff != "" {
		t.Errorf("two runs with one seed differ:\n%s", diff)
	}
	hits := 0
	for _, hit := range first {
		if hit {
			hits++
		}
	}
	if hits < 200 || hits > 400 {
		t.Errorf("%d of 1000 requests went wrong, want about 300", hits)
	}
}

func TestRuleInJSON(t *testing.T) {
	t.Parallel()
	const document = `{"service":"oss","operation":"Get*","count":2,"after":5242880,"truncate":true,` +
		`"latency":"1.5s","stall":"20s","clockSkew":"-16m0s"}`
	var got fault.Rule
	if err := json.Unmarshal([]byte(document), &got); err != nil {
		t.Fatal(err)
	}
	want := fault.Rule{
		Service: "oss", Operation: "Get*", Count: 2, After: 5 << 20, Truncate: true,
		Latency: 1500 * time.Millisecond, Stall: 20 * time.Second, ClockSkew: -16 * time.Minute,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var again fault.Rule
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("rule after a round trip (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"latence":"1s"}`), &got); err == nil {
		t.Error("an unknown field is accepted")
	}
}

func TestRulesOverHTTP(t *testing.T) {
	t.Parallel()
	i := fault.NewInjector(1)
	call := func(method, body string) (int, string) {
		w := httptest.NewRecorder()
		i.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/faults", strings.NewReader(body)))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	type answer struct {
		Status int
		Body   string
	}
	steps := []struct {
		name, method, body string
		want               answer
	}{
		{"no rules at first", http.MethodGet, "", answer{200, `[]`}},
		{"one rule is added", http.MethodPost, `{"reset":true}`, answer{201, ""}},
		{"a list of rules is added", http.MethodPost, ` [{"status":503,"latency":"1s"}]`, answer{201, ""}},
		{
			"a list with a mistake adds nothing", http.MethodPost, `[{"reset":true},{"service":"oss"}]`,
			answer{400, "fault rule 1: the rule has no effect"},
		},
		{
			"the rules are listed with their hits", http.MethodGet, "",
			answer{200, `[{"rule":{"reset":true},"hits":1},{"rule":{"status":503,"latency":"1s"},"hits":1}]`},
		},
		{"the rules are removed", http.MethodDelete, "", answer{204, ""}},
		{"none is left", http.MethodGet, "", answer{200, `[]`}},
		{"other methods are refused", http.MethodPut, "", answer{405, "method not allowed"}},
	}
	for n, step := range steps {
		if n == 4 {
			i.Fire("oss", "GetObject", "b/k")
		}
		status, body := call(step.method, step.body)
		if diff := cmp.Diff(step.want, answer{status, body}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestRemovedRuleDoesNotFire(t *testing.T) {
	t.Parallel()
	i := fault.NewInjector(1)
	h, err := i.Add(fault.Rule{Reset: true})
	if err != nil {
		t.Fatal(err)
	}
	h.Remove()
	if rules := i.Fire("oss", "GetObject", "b/k"); len(rules) != 0 {
		t.Errorf("fired %v", rules)
	}
}
