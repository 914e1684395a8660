// SPDX-License-Identifier: Apache-2.0

package account_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

const (
	accountID = "1234567890123456"
	bucket    = "acs:oss:*:" + accountID + ":backups"
	object    = bucket + "/velero/a"
)

func testNow() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func mustPolicy(t *testing.T, statements ...string) account.Policy {
	t.Helper()
	p, err := account.ParsePolicy([]byte(`{"Version":"1","Statement":[` + strings.Join(statements, ",") + `]}`))
	if err != nil {
		t.Fatalf("parse the policy: %v", err)
	}
	return p
}

// newCaller returns a registry with one RAM user, and that user as a caller.
func newCaller(t *testing.T, policies ...account.Policy) (*account.Registry, account.Caller) {
	t.Helper()
	r := account.New(testNow)
	for _, err := range []error{
		r.AddAccount(accountID),
		r.AddUser(accountID, "velero", policies...),
		r.CreateKey(account.UserARN(accountID, "velero"), "LTAIvelero", "secret"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, c, err := r.Key("LTAIvelero", "")
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func TestAllows(t *testing.T) {
	t.Parallel()
	const (
		allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		denyPut  = `{"Effect":"Deny","Action":["oss:PutObject"],"Resource":["*"]}`
	)
	tests := map[string]struct {
		statements []string
		action     string
		resource   string
		request    map[string]string
		want       bool
	}{
		"what no statement allows is denied": {
			statements: []string{`{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}`},
			action:     "oss:PutObject", resource: object,
		},
		"an action and a resource may be a single string": {
			statements: []string{`{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}`},
			action:     "oss:GetObject", resource: object, want: true,
		},
		"an explicit deny wins over an allow before it": {
			statements: []string{allowAll, denyPut}, action: "oss:PutObject", resource: object,
		},
		"an explicit deny wins over an allow behind it": {
			statements: []string{denyPut, allowAll}, action: "oss:PutObject", resource: object,
		},
		"a deny of one action leaves the others allowed": {
			statements: []string{denyPut, allowAll}, action: "oss:GetObject", resource: object, want: true,
		},
		"action names are not case-sensitive": {
			statements: []string{`{"Effect":"Allow","Action":"OSS:getobject","Resource":"*"}`},
			action:     "oss:GetObject", resource: object, want: true,
		},
		"a wildcard in an action matches a prefix": {
			statements: []string{`{"Effect":"Allow","Action":"oss:Get*","Resource":"*"}`},
			action:     "oss:GetObjectTagging", resource: object, want: true,
		},
		"a resource pattern for the objects does not match the bucket": {
			statements: []string{`{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:backups/*"}`},
			action:     "oss:ListObjects", resource: bucket,
		},
		"a resource pattern with a name prefix matches": {
			statements: []string{`{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:back*"}`},
			action:     "oss:PutObject", resource: object, want: true,
		},
		"resources are case-sensitive": {
			statements: []string{`{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:Backups*"}`},
			action:     "oss:PutObject", resource: object,
		},
		"NotAction allows all but what it names": {
			statements: []string{`{"Effect":"Allow","NotAction":"ram:*","Resource":"*"}`},
			action:     "oss:PutObject", resource: object, want: true,
		},
		"NotAction does not allow what it names": {
			statements: []string{`{"Effect":"Allow","NotAction":"oss:Put*","Resource":"*"}`},
			action:     "oss:PutObject", resource: object,
		},
		"a policy can not reach into another account": {
			statements: []string{allowAll}, action: "oss:PutObject", resource: "acs:oss:*:6543210987654321:other/a",
		},
		"a string condition that holds": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"oss:Prefix":["x","velero/*"]}}}`,
			},
			action: "oss:ListObjects", resource: bucket, request: map[string]string{"oss:Prefix": "velero/backups"}, want: true,
		},
		"a string condition that fails": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"oss:Prefix":"velero/*"}}}`,
			},
			action: "oss:ListObjects", resource: bucket, request: map[string]string{"oss:Prefix": "velero/backups"},
		},
		"a condition on a key that the request lacks fails": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"oss:Prefix":"*"}}}`,
			},
			action: "oss:ListObjects", resource: bucket,
		},
		"a negated condition fails when one of its values matches": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"oss:Prefix":["a","b"]}}}`,
			},
			action: "oss:ListObjects", resource: bucket, request: map[string]string{"oss:Prefix": "b"},
		},
		"an address outside of the network is denied": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}}`,
			},
			action: "oss:GetObject", resource: object, request: map[string]string{"acs:SourceIp": "192.168.0.1"},
		},
		"an address inside of the network is allowed": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"acs:SourceIp":["10.0.0.0/8"]}}}`,
			},
			action: "oss:GetObject", resource: object, request: map[string]string{"acs:SourceIp": "10.1.2.3"}, want: true,
		},
		"plain HTTP is denied where TLS is demanded": {
			statements: []string{
				allowAll,
				`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":false}}}`,
			},
			action: "oss:GetObject", resource: object, request: map[string]string{"acs:SecureTransport": "false"},
		},
		"a grant that has ended is none": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThan":{"acs:CurrentTime":"2026-02-28T00:00:00Z"}}}`,
			},
			action: "oss:GetObject", resource: object,
		},
		"all conditions of a statement must hold": {
			statements: []string{
				`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":"true"},` +
					`"StringLike":{"oss:Prefix":"a*"}}}`,
			},
			action: "oss:GetObject", resource: object,
			request: map[string]string{"acs:SecureTransport": "true", "oss:Prefix": "b"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := newCaller(t, mustPolicy(t, tt.statements...))
			for k, v := range tt.request {
				c = c.With(k, v)
			}
			if got := r.Allows(c, tt.action, tt.resource); got != tt.want {
				t.Errorf("Allows(%s, %s) = %v, want %v", tt.action, tt.resource, got, tt.want)
			}
		})
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ document, want string }{
		"another version": {
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, `version "2012-10-17"`,
		},
		"no statement":     {`{"Version":"1","Statement":[]}`, "no Statement"},
		"an unknown field": {`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resources":"*"}]}`, "Resources"},
		"an unknown effect": {
			`{"Version":"1","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`, `effect "allow"`,
		},
		"a statement without an action": {
			`{"Version":"1","Statement":[{"Effect":"Allow","Resource":"*"}]}`, "Action",
		},
		"Action together with NotAction": {
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}]}`, "exactly one",
		},
		"a statement without a resource": {
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*"}]}`, "Resource",
		},
		"a condition operator that is not evaluated": {
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NumericLessThan":{"a":"1"}}}]}`,
			"NumericLessThan",
		},
		"a condition key that is not evaluated": {
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"acs:MFAPresent":"true"}}}]}`,
			"acs:MFAPresent",
		},
		"an operator that does not go with its key": {
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"oss:Prefix":"true"}}}]}`,
			"does not go with",
		},
		"a malformed network": {
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"IpAddress":{"acs:SourceIp":"10.0/8"}}}]}`,
			"10.0/8",
		},
		"an action that is a number": {
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":7,"Resource":"*"}]}`, "neither a string",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := account.ParsePolicy([]byte(tt.document))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not contain %q", err, tt.want)
			}
		})
	}
}

// TestStatementOrderNeverMatters shuffles random statements within and between policies.
func TestStatementOrderNeverMatters(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	for range 500 {
		statements := make([]string, 1+rng.IntN(6))
		for i := range statements {
			statements[i] = `{"Effect":"` + pick("Allow", "Allow", "Deny") +
				`","Action":"` + pick("*", "oss:*", "oss:Put*", "oss:GetObject", "ecs:*") +
				`","Resource":"` + pick("*", "acs:oss:*:*:backups*", "acs:oss:*:*:backups/x*", object) +
				`","Condition":` + pick(`{}`, `{"StringLike":{"oss:Prefix":"a*"}}`, `{"StringNotLike":{"oss:Prefix":"a*"}}`) + `}`
		}
		action, prefix := pick("oss:PutObject", "oss:GetObject", "oss:ListObjects"), pick("a", "b")
		ask := func(policies ...account.Policy) bool {
			r, c := newCaller(t, policies...)
			return r.Allows(c.With("oss:Prefix", prefix), action, object)
		}
		want := ask(mustPolicy(t, statements...))
		rng.Shuffle(len(statements), func(i, j int) { statements[i], statements[j] = statements[j], statements[i] })
		if got := ask(mustPolicy(t, statements...)); got != want {
			t.Fatalf("%s: %v becomes %v in the order %s", action, want, got, statements)
		}
		split := rng.IntN(len(statements))
		policies := []account.Policy{mustPolicy(t, statements[split:]...)}
		if split > 0 {
			policies = append(policies, mustPolicy(t, statements[:split]...))
		}
		if got := ask(policies...); got != want {
			t.Fatalf("%s: %v becomes %v when split at %d: %s", action, want, got, split, statements)
		}
	}
}

func TestReadPolicy(t *testing.T) {
	t.Parallel()
	write := func(document string) string {
		file := filepath.Join(t.TempDir(), "policy.json")
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	policy, err := account.ReadPolicy(write(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"acs:oss:*:*:one/*"}]}`),
		"one", "backups")
	if err != nil {
		t.Fatal(err)
	}
	registry, caller := newCaller(t, policy)
	if !registry.Allows(caller, "oss:GetObject", object) {
		t.Error("the edited policy does not allow what it was edited for")
	}
	malformed := write(`{"Version":"1","Statement":[]}`)
	missing := filepath.Join(t.TempDir(), "none.json")
	for file, want := range map[string]string{malformed: "no Statement", missing: "no such file"} {
		_, err := account.ReadPolicy(file)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s and say %q", err, file, want)
		}
	}
}

// FuzzParsePolicy checks that a document that is accepted can be evaluated, and is accepted as part of a config.
func FuzzParsePolicy(f *testing.F) {
	f.Add(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:*"],"Resource":"*"}]}`)
	f.Add(`{"Version":"1","Statement":[{"Effect":"Deny","NotAction":"a","Resource":["b"],"Condition":{"Bool":{"acs:SecureTransport":true}}}]}`)
	f.Fuzz(func(t *testing.T, document string) {
		p, err := account.ParsePolicy([]byte(document))
		if err != nil {
			return
		}
		r, c := newCaller(t, p)
		first := r.Allows(c, "oss:PutObject", object)
		if r.Allows(c, "oss:PutObject", object) != first {
			t.Error("the same question has two answers")
		}
		if json.Valid([]byte(document)) {
			var again account.Policy
			if err := json.Unmarshal([]byte(document), &again); err != nil {
				t.Errorf("ParsePolicy accepts what UnmarshalJSON refuses: %v", err)
			}
		}
	})
}

func TestParseTrustPolicyRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ statement, want string }{
		"no principal":         {`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{}}`, "Principal"},
		"another action":       {`{"Effect":"Allow","Action":"sts:*","Principal":{"Service":"a"}}`, "sts:AssumeRole"},
		"an unknown principal": {`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"a"}}`, "AWS"},
		"an unknown effect":    {`{"Effect":"Maybe","Action":"sts:AssumeRole","Principal":{"Service":"a"}}`, "Maybe"},
		"a condition that is not evaluated": {
			`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"a"},"Condition":{"StringEquals":{"x":"y"}}}`,
			`"x"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := account.ParseTrustPolicy([]byte(`{"Version":"1","Statement":[` + tt.statement + `]}`))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not contain %q", err, tt.want)
			}
		})
	}
}
