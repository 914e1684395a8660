// SPDX-License-Identifier: Apache-2.0

package imds_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/imds"
)

const (
	accountID = "1234567890123456"
	rolePath  = "meta-data/ram/security-credentials/"
)

// rig is a metadata service, its accounts and its clock.
type rig struct {
	service *imds.Service
	*account.Registry

	now time.Time
}

func newRig(t *testing.T, change func(*imds.Instance)) *rig {
	t.Helper()
	g := &rig{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return g.now }
	g.Registry = account.New(clock)
	trust, err := account.ParseTrustPolicy([]byte(
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ecs.aliyuncs.com"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	untrusting, err := account.ParseTrustPolicy([]byte(
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"cs.aliyuncs.com"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		g.AddAccount(accountID),
		g.AddRole(account.RoleSpec{AccountID: accountID, Name: "node", Trust: trust}),
		g.AddRole(account.RoleSpec{AccountID: accountID, Name: "other", Trust: untrusting}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	instance := imds.Instance{
		Region: "cn-hangzhou", Zone: "cn-hangzhou-h", ID: "i-bp1", AccountID: accountID, Role: "node",
	}
	if change != nil {
		change(&instance)
	}
	g.service = imds.New(instance, g.Registry, clock)
	return g
}

type answer struct {
	Status int
	Body   string
}

func (g *rig) ask(t *testing.T, method, path string, headers map[string]string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/latest/"+path, nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	g.service.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return answer{Status: w.Code} // the text of an error is for people
	}
	return answer{w.Code, w.Body.String()}
}

func (g *rig) token(t *testing.T, ttl string) answer {
	t.Helper()
	return g.ask(t, http.MethodPut, "api/token", map[string]string{"X-aliyun-ecs-metadata-token-ttl-seconds": ttl})
}

func withToken(token string) map[string]string {
	return map[string]string{"X-aliyun-ecs-metadata-token": token}
}

func hardened(i *imds.Instance) { i.Hardened = true }

func TestMetadata(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*imds.Instance)
		method string
		path   string
		want   answer
	}{
		"the region":   {nil, http.MethodGet, "meta-data/region-id", answer{200, "cn-hangzhou"}},
		"the zone":     {nil, http.MethodGet, "meta-data/zone-id", answer{200, "cn-hangzhou-h"}},
		"the instance": {nil, http.MethodGet, "meta-data/instance-id", answer{200, "i-bp1"}},
		"the account":  {nil, http.MethodGet, "meta-data/owner-account-id", answer{200, accountID}},
		"the role":     {nil, http.MethodGet, rolePath, answer{200, "node"}},
		"the identity document": {
			nil, http.MethodGet, "dynamic/instance-identity/document",
			answer{200, `{"region-id":"cn-hangzhou","zone-id":"cn-hangzhou-h","instance-id":"i-bp1",` +
				`"owner-account-id":"` + accountID + `"}` + "\n"},
		},
		"what does not exist":         {nil, http.MethodGet, "meta-data/colour", answer{Status: 404}},
		"a name without its folder":   {nil, http.MethodGet, "region-id", answer{Status: 404}},
		"a role that is not attached": {nil, http.MethodGet, rolePath + "other", answer{Status: 404}},
		"roles of an instance without one": {
			func(i *imds.Instance) { i.Role = "" }, http.MethodGet, rolePath, answer{Status: 404},
		},
		"credentials of a role that does not trust ECS": {
			func(i *imds.Instance) { i.Role = "other" }, http.MethodGet, rolePath + "other", answer{Status: 404},
		},
		"another method":                    {nil, http.MethodPost, "meta-data/region-id", answer{Status: 405}},
		"a token that is asked for by GET":  {nil, http.MethodGet, "api/token", answer{Status: 405}},
		"hardened without a token":          {hardened, http.MethodGet, "meta-data/region-id", answer{Status: 403}},
		"hardened credentials without one":  {hardened, http.MethodGet, rolePath + "node", answer{Status: 403}},
		"hardened, no token to ask for one": {hardened, http.MethodPut, "api/token", answer{Status: 400}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, newRig(t, tt.change).ask(t, tt.method, tt.path, nil)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	g := newRig(t, hardened)
	for _, ttl := range []string{"", "0", "21601", "-1", "x"} {
		if got := g.token(t, ttl); got.Status != http.StatusBadRequest {
			t.Errorf("a token for %q seconds: status %d, want 400", ttl, got.Status)
		}
	}
	token := g.token(t, "60")
	if token.Status != http.StatusOK {
		t.Fatalf("a token for 60 seconds: status %d", token.Status)
	}
	const path = "meta-data/region-id"
	if diff := cmp.Diff(answer{200, "cn-hangzhou"}, g.ask(t, http.MethodGet, path, withToken(token.Body))); diff != "" {
		t.Errorf("with a token (-want +got):\n%s", diff)
	}
	if got := g.ask(t, http.MethodGet, path, withToken("other")); got.Status != http.StatusForbidden {
		t.Errorf("with an unknown token: status %d, want 403", got.Status)
	}
	g.now = g.now.Add(time.Minute)
	if got := g.ask(t, http.MethodGet, path, withToken(token.Body)); got.Status != http.StatusForbidden {
		t.Errorf("with a token that has expired: status %d, want 403", got.Status)
	}
}

type handedOut struct {
	AccessKeyID, AccessKeySecret, SecurityToken, Expiration, LastUpdated, Code string
}

func (g *rig) credentials(t *testing.T) handedOut {
	t.Helper()
	var c handedOut
	if err := json.Unmarshal([]byte(g.ask(t, http.MethodGet, rolePath+"node", nil).Body), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(i *imds.Instance) { i.CredentialLifetime = 2 * time.Hour })
	first := g.credentials(t)
	_, caller, err := g.Key(first.AccessKeyID, first.SecurityToken)
	if err != nil {
		t.Fatal(err)
	}
	if want := "acs:ram::" + accountID + ":assumed-role/node/i-bp1"; caller.ARN != want {
		t.Errorf("the credentials are those of %s, want %s", caller.ARN, want)
	}
	if first.Code != "Success" || first.Expiration != "2026-03-01T14:00:00Z" || first.LastUpdated != "2026-03-01T12:00:00Z" {
		t.Errorf("Code %s, Expiration %s, LastUpdated %s", first.Code, first.Expiration, first.LastUpdated)
	}
	g.now = g.now.Add(89 * time.Minute)
	if diff := cmp.Diff(first, g.credentials(t)); diff != "" {
		t.Errorf("the credentials changed long before their end:\n%s", diff)
	}
	g.now = g.now.Add(time.Minute)
	if second := g.credentials(t); second.AccessKeyID == first.AccessKeyID {
		t.Error("the credentials are the same half an hour before their end")
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	got := map[string]string{}
	want := map[string]string{
		"api/token": "PutToken", rolePath: "ListRoles", rolePath + "node": "GetCredentials",
		"dynamic/instance-identity/document": "GetIdentityDocument", "meta-data/region-id": "GetMetadata",
	}
	for path := range want {
		operation, resource := g.service.Operation(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/latest/"+path, nil))
		if resource != path {
			t.Errorf("resource %q, want %q", resource, path)
		}
		got[path] = operation
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}
