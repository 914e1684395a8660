// SPDX-License-Identifier: Apache-2.0

package account_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// cloud is one account with a user, a role that the user may assume, and the user as a caller.
type cloud struct {
	*account.Registry

	clock *clock
	user  account.Caller
	role  string
}

func newCloud(t *testing.T, trust string) cloud {
	t.Helper()
	c := &clock{now: testNow()}
	r := account.New(c.Now)
	trustPolicy, err := account.ParseTrustPolicy([]byte(`{"Version":"1","Statement":[` + trust + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		r.AddAccount(accountID),
		r.AddUser(accountID, "velero", mustPolicy(t, `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`)),
		r.CreateKey(account.UserARN(accountID, "velero"), "LTAIvelero", "secret"),
		r.CreateKey(account.RootARN(accountID), "LTAIroot", "root secret"),
		r.AddRole(account.RoleSpec{
			AccountID: accountID, Name: "backup", Trust: trustPolicy, MaxSession: 2 * time.Hour,
			Policies: []account.Policy{mustPolicy(t, `{"Effect":"Allow","Action":"oss:*","Resource":"*"}`)},
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, user, err := r.Key("LTAIvelero", "")
	if err != nil {
		t.Fatal(err)
	}
	return cloud{Registry: r, clock: c, user: user, role: account.RoleARN(accountID, "backup")}
}

const trustAccount = `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::1234567890123456:root"]}}`

func (c cloud) assume(t *testing.T, policy *account.Policy) account.Session {
	t.Helper()
	s, err := c.AssumeRole(c.user, account.AssumeRequest{
		RoleARN: c.role, SessionName: "velero", Duration: time.Hour, Policy: policy,
	})
	if err != nil {
		t.Fatalf("assume the role: %v", err)
	}
	return s
}

func TestKey(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		// change acts on the cloud and returns the key and the token that are then shown.
		change func(*testing.T, cloud) (accessKeyID, token string)
		want   error
	}{
		"a user's key is known": {func(*testing.T, cloud) (string, string) { return "LTAIvelero", "" }, nil},
		"a key that never was is unknown": {
			func(*testing.T, cloud) (string, string) { return "LTAIother", "" }, account.ErrUnknownKey,
		},
		"a deleted key is unknown": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			return "LTAIvelero", failOn(t, c.DeleteKey("LTAIvelero"))
		}, account.ErrUnknownKey},
		"a disabled key is inactive": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			return "LTAIvelero", failOn(t, c.DisableKey("LTAIvelero"))
		}, account.ErrInactiveKey},
		"a key that was enabled again is active": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			return "LTAIvelero", failOn(t, errors.Join(c.DisableKey("LTAIvelero"), c.EnableKey("LTAIvelero")))
		}, nil},
		"a permanent key takes no token": {
			func(*testing.T, cloud) (string, string) { return "LTAIvelero", "token" }, account.ErrInvalidToken,
		},
		"a session's key needs its token": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			return c.assume(t, nil).AccessKeyID, ""
		}, account.ErrInvalidToken},
		"a session's key does not take another session's token": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			return c.assume(t, nil).AccessKeyID, c.assume(t, nil).SecurityToken
		}, account.ErrInvalidToken},
		"a session is good until its end": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			s := c.assume(t, nil)
			c.clock.Advance(time.Hour - time.Second)
			return s.AccessKeyID, s.SecurityToken
		}, nil},
		"a session has expired at its end": {func(t *testing.T, c cloud) (string, string) {
			t.Helper()
			s := c.assume(t, nil)
			c.clock.Advance(time.Hour)
			return s.AccessKeyID, s.SecurityToken
		}, account.ErrExpiredToken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, trustAccount)
			id, token := tt.change(t, c)
			if _, _, err := c.Key(id, token); !errors.Is(err, tt.want) {
				t.Errorf("Key = %v, want %v", err, tt.want)
			}
		})
	}
}

// failOn ends the test on an error. It returns no token.
func failOn(t *testing.T, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

func TestCallersAreNamed(t *testing.T) {
	t.Parallel()
	c := newCloud(t, trustAccount)
	session := c.assume(t, nil)
	tests := map[string]struct {
		key, token string
		want       account.Caller
	}{
		"the main account": {"LTAIroot", "", account.Caller{
			AccountID: accountID, ARN: "acs:ram::1234567890123456:root", AccessKeyID: "LTAIroot",
		}},
		"a user": {"LTAIvelero", "", account.Caller{
			AccountID: accountID, ARN: "acs:ram::1234567890123456:user/velero", AccessKeyID: "LTAIvelero",
		}},
		"a session": {session.AccessKeyID, session.SecurityToken, account.Caller{
			AccountID: accountID, ARN: "acs:ram::1234567890123456:assumed-role/backup/velero",
			AccessKeyID: session.AccessKeyID, Session: true,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got, err := c.Key(tt.key, tt.token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(account.Caller{})); diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	const trustService = `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}`
	request := account.AssumeRequest{
		RoleARN: account.RoleARN(accountID, "backup"), SessionName: "velero", Duration: time.Hour,
	}
	tests := map[string]struct {
		trust  string
		assume func(cloud) (account.Session, error)
		want   error
	}{
		"a role that trusts the account trusts its users": {trustAccount, func(c cloud) (account.Session, error) {
			return c.AssumeRole(c.user, request)
		}, nil},
		"a role that trusts the user": {
			`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::1234567890123456:user/velero"}}`,
			func(c cloud) (account.Session, error) { return c.AssumeRole(c.user, request) }, nil,
		},
		"a role that trusts another user": {
			`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::1234567890123456:user/other"}}`,
			func(c cloud) (account.Session, error) { return c.AssumeRole(c.user, request) }, account.ErrNotTrusted,
		},
		"a deny in the trust policy wins": {
			trustAccount + `,{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::1234567890123456:user/velero"}}`,
			func(c cloud) (account.Session, error) { return c.AssumeRole(c.user, request) }, account.ErrNotTrusted,
		},
		"a user without the permission": {trustAccount, func(c cloud) (account.Session, error) {
			if err := c.SetPolicy(account.UserARN(accountID, "velero")); err != nil {
				return account.Session{}, err
			}
			return c.AssumeRole(c.user, request)
		}, account.ErrNotAuthorized},
		"the main account": {trustAccount, func(c cloud) (account.Session, error) {
			_, root, err := c.Key("LTAIroot", "")
			if err != nil {
				return account.Session{}, err
			}
			return c.AssumeRole(root, request)
		}, account.ErrRootCaller},
		"a role that does not exist": {trustAccount, func(c cloud) (account.Session, error) {
			other := request
			other.RoleARN = account.RoleARN(accountID, "other")
			return c.AssumeRole(c.user, other)
		}, account.ErrNoSuchRole},
		"longer than the role allows": {trustAccount, func(c cloud) (account.Session, error) {
			long := request
			long.Duration = 3 * time.Hour
			return c.AssumeRole(c.user, long)
		}, account.ErrDuration},
		"an external id that the role demands": {
			`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::1234567890123456:root"},` +
				`"Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`,
			func(c cloud) (account.Session, error) {
				with := request
				with.ExternalID = "x"
				return c.AssumeRole(c.user, with)
			}, nil,
		},
		"without the external id that the role demands": {
			`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::1234567890123456:root"},` +
				`"Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`,
			func(c cloud) (account.Session, error) { return c.AssumeRole(c.user, request) }, account.ErrNotTrusted,
		},
		"a service that the role trusts": {trustService, func(c cloud) (account.Session, error) {
			return c.AssumeRoleForService("ecs.aliyuncs.com", request)
		}, nil},
		"a service that the role does not trust": {trustAccount, func(c cloud) (account.Session, error) {
			return c.AssumeRoleForService("ecs.aliyuncs.com", request)
		}, account.ErrNotTrusted},
		"an OIDC token whose subject the role demands": {trustOIDC, func(c cloud) (account.Session, error) {
			return c.AssumeRoleWithOIDC(account.ProviderARN(accountID, "ack"), account.Claims{
				Issuer: "https://issuer", Audience: "sts.aliyuncs.com", Subject: "system:serviceaccount:velero:velero",
			}, request)
		}, nil},
		"an OIDC token of another subject": {trustOIDC, func(c cloud) (account.Session, error) {
			return c.AssumeRoleWithOIDC(account.ProviderARN(accountID, "ack"), account.Claims{
				Issuer: "https://issuer", Audience: "sts.aliyuncs.com", Subject: "system:serviceaccount:default:default",
			}, request)
		}, account.ErrNotTrusted},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := tt.assume(newCloud(t, tt.trust)); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

const trustOIDC = `{"Effect":"Allow","Action":"sts:AssumeRole",` +
	`"Principal":{"Federated":"acs:ram::1234567890123456:oidc-provider/ack"},` +
	`"Condition":{"StringEquals":{"oidc:iss":"https://issuer","oidc:aud":"sts.aliyuncs.com",` +
	`"oidc:sub":"system:serviceaccount:velero:velero"}}}`

func TestSessionPolicyNarrowsTheRole(t *testing.T) {
	t.Parallel()
	c := newCloud(t, trustAccount)
	policy := mustPolicy(t, `{"Effect":"Allow","Action":["oss:GetObject","ecs:*"],"Resource":"*"}`)
	session := c.assume(t, &policy)
	_, caller, err := c.Key(session.AccessKeyID, session.SecurityToken)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]account.Decision{}
	for _, action := range []string{"oss:GetObject", "oss:PutObject", "ecs:CreateDisk"} {
		got[action] = c.Decide(caller, action, object)
	}
	want := map[string]account.Decision{
		"oss:GetObject":  {Allowed: true},
		"oss:PutObject":  {NoPermissionType: "ImplicitDeny", PolicyType: "SessionPolicy"},
		"ecs:CreateDisk": {NoPermissionType: "ImplicitDeny", PolicyType: "AccountLevelIdentityBasedPolicy"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

func TestSetPolicyHoldsForOpenSessions(t *testing.T) {
	t.Parallel()
	c := newCloud(t, trustAccount)
	session := c.assume(t, nil)
	_, caller, err := c.Key(session.AccessKeyID, session.SecurityToken)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Allows(caller, "oss:PutObject", object) {
		t.Error("the role's policy does not hold for its session")
	}
	if err := c.SetPolicy(c.role, mustPolicy(t, `{"Effect":"Deny","Action":"*","Resource":"*"}`)); err != nil {
		t.Fatal(err)
	}
	want := account.Decision{NoPermissionType: "ExplicitDeny", PolicyType: "AccountLevelIdentityBasedPolicy"}
	if diff := cmp.Diff(want, c.Decide(caller, "oss:PutObject", object)); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

func TestRootMayDoAnythingInItsAccountAlone(t *testing.T) {
	t.Parallel()
	c := newCloud(t, trustAccount)
	_, root, err := c.Key("LTAIroot", "")
	if err != nil {
		t.Fatal(err)
	}
	if !c.Allows(root, "oss:DeleteBucket", bucket) {
		t.Error("the main account is denied in itself")
	}
	if c.Allows(root, "oss:GetObject", "acs:oss:*:6543210987654321:other/a") {
		t.Error("the main account is allowed in another account")
	}
}

func TestWithRequest(t *testing.T) {
	t.Parallel()
	r, c := newCaller(t, mustPolicy(t,
		`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":"true"},`+
			`"IpAddress":{"acs:SourceIp":"192.0.2.0/24"}}}`))
	plain := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil) // from 192.0.2.1
	secure := plain.Clone(t.Context())
	secure.TLS = &tls.ConnectionState{}
	if r.Allows(c.WithRequest(plain), "oss:GetObject", object) {
		t.Error("plain HTTP is allowed")
	}
	if !r.Allows(c.WithRequest(secure), "oss:GetObject", object) {
		t.Error("TLS from the right network is denied")
	}
}

func TestAddRefusesDoublesAndOrphans(t *testing.T) {
	t.Parallel()
	c := newCloud(t, trustAccount)
	got := map[string]error{
		"account":           c.AddAccount(accountID),
		"user":              c.AddUser(accountID, "velero"),
		"key":               c.CreateKey(account.UserARN(accountID, "velero"), "LTAIvelero", "x"),
		"user of no one":    c.AddUser("1", "velero"),
		"key of no one":     c.CreateKey(account.UserARN(accountID, "nobody"), "LTAInew", "x"),
		"key of a role":     c.CreateKey(c.role, "LTAInew", "x"),
		"policy of root":    c.SetPolicy(account.RootARN(accountID)),
		"disabling nothing": c.DisableKey("LTAInew"),
	}
	want := map[string]error{
		"account": account.ErrExists, "user": account.ErrExists, "key": account.ErrExists,
		"user of no one": account.ErrDoesNotExist, "key of no one": account.ErrDoesNotExist,
		"key of a role": account.ErrDoesNotExist, "policy of root": account.ErrDoesNotExist,
		"disabling nothing": account.ErrDoesNotExist,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}
