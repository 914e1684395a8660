// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alibabacloud-go/tea/tea"
	"github.com/google/go-cmp/cmp"
)

const (
	roleARN     = "acs:ram::1234567890:role/velero"
	providerARN = "acs:ram::1234567890:oidc-provider/ack-rrsa-c1"
)

// stsCall is what a request to STS asked for.
type stsCall struct {
	Action, Version string
	// Signer is the access key id in the signature, "" for an anonymous call.
	Signer, SecurityToken string
	Query                 string
	Form                  url.Values
	ProxyAuthorization    string
}

// sts records calls and answers each with the next of the answers, the last one again and again.
type sts struct {
	mu      sync.Mutex
	calls   []stsCall
	answers []answer
}

type answer struct {
	status int
	body   string
}

func (s *sts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	_, signer, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	signer, _, _ = strings.Cut(signer, ",")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, stsCall{
		Action: r.Header.Get("X-Acs-Action"), Version: r.Header.Get("X-Acs-Version"),
		Signer: signer, SecurityToken: r.Header.Get("X-Acs-Security-Token"),
		Query: r.URL.RawQuery, Form: r.PostForm, ProxyAuthorization: r.Header.Get("Proxy-Authorization"),
	})
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(next.status)
	_, _ = w.Write([]byte(next.body))
}

func (s *sts) seen() []stsCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]stsCall(nil), s.calls...)
}

// startSTS serves the answers and returns the service and its URL.
func startSTS(t *testing.T, answers ...answer) (*sts, string) {
	t.Helper()
	service := &sts{answers: answers}
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return service, server.URL
}

func granted(id string, expiration time.Time) answer {
	body, _ := json.Marshal(map[string]any{
		"RequestId": "6894B13B-6D71-4EF5-88FA-F32781734A7F",
		"Credentials": map[string]string{
			"AccessKeyId": id, "AccessKeySecret": testSecret, "SecurityToken": testToken,
			"Expiration": expiration.UTC().Format(time.RFC3339),
		},
	})
	return answer{http.StatusOK, string(body)}
}

func refused(status int, code, message string) answer {
	body, _ := json.Marshal(map[string]string{
		"RequestId": "6894B13B-6D71-4EF5-88FA-F32781734A7F", "HostId": "sts.aliyuncs.com", "Code": code, "Message": message,
	})
	return answer{status, string(body)}
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	now := newClock()
	later := now.Now().Add(time.Hour)
	service, endpoint := startSTS(t, granted("STS.assumed01", later))
	path := write(t, t.TempDir(), "cloud", dotenv(temporary))
	p := NewProvider(Config{
		File: path, RoleARN: roleARN, RoleSessionName: "backup of prod/eu", STSEndpoint: endpoint,
	}, environment(t, now, variableSTSEndpoint+"=https://192.0.2.1"))

	got, err := p.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Credentials{
		AccessKeyID: "STS.assumed01", AccessKeySecret: testSecret, SecurityToken: testToken, Expiration: later,
		Source: "RAM role " + roleARN + " assumed with the credentials file " + path,
	}
	if diff := cmp.Diff(revealKey(want), revealKey(got)); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
	wantCalls := []stsCall{{
		Action: "AssumeRole", Version: "2015-04-01", Signer: temporary.AccessKeyID, SecurityToken: testToken,
		Form: url.Values{
			"RoleArn": {roleARN}, "RoleSessionName": {"backup-of-prod-eu"}, "DurationSeconds": {"3600"},
		},
	}}
	if diff := cmp.Diff(wantCalls, service.seen()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRoleInAnINIFileIsAssumedBeforeTheLocations(t *testing.T) {
	t.Parallel()
	now := newClock()
	later := now.Now().Add(time.Hour)
	service, endpoint := startSTS(t, granted("STS.first00001", later), granted("STS.second0001", later))
	path := write(t, t.TempDir(), "cloud", "[default]\ntype=ram_role_arn\naccess_key_id="+permanent.AccessKeyID+
		"\naccess_key_secret="+testSecret+"\nrole_arn=acs:ram::1:role/first\nrole_session_name=one\nexternal_id=x-1\n")
	p := NewProvider(Config{File: path, RoleARN: "acs:ram::2:role/second", STSEndpoint: endpoint}, environment(t, now))
	got, err := p.Credentials(t.Context())
	if err != nil || got.AccessKeyID != "STS.second0001" {
		t.Fatalf("%s, %v", got, err)
	}
	calls := service.seen()
	signers := make([]string, 0, len(calls))
	for _, call := range calls {
		signers = append(signers, call.Signer+" assumes "+call.Form.Get("RoleArn")+
			" as "+call.Form.Get("RoleSessionName")+" with external id "+strconv.Quote(call.Form.Get("ExternalId")))
	}
	want := []string{
		permanent.AccessKeyID + ` assumes acs:ram::1:role/first as one with external id "x-1"`,
		`STS.first00001 assumes acs:ram::2:role/second as velero-plugin-alibabacloud with external id ""`,
	}
	if diff := cmp.Diff(want, signers); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRRSA(t *testing.T) {
	t.Parallel()
	now := newClock()
	directory := t.TempDir()
	tokenFile := write(t, directory, "token", testToken+"\n")
	service, endpoint := startSTS(t,
		granted("STS.rrsa000001", now.Now().Add(time.Hour)), granted("STS.rrsa000002", now.Now().Add(3*time.Hour)))
	env := environment(t, now,
		variableRoleARN+"="+roleARN, variableOIDCProvider+"="+providerARN, variableOIDCTokenFile+"="+tokenFile,
		variableSTSEndpoint+"="+endpoint, variableCredentialsFile+"="+filepath.Join(directory, "not-reached"))
	p := NewProvider(Config{}, env)

	got, err := p.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Credentials{
		AccessKeyID: "STS.rrsa000001", AccessKeySecret: testSecret, SecurityToken: testToken,
		Expiration: now.Now().Add(time.Hour), Source: "RAM role " + roleARN + " by RRSA",
	}
	if diff := cmp.Diff(revealKey(want), revealKey(got)); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}

	// The kubelet has replaced the token when the session is renewed.
	write(t, directory, "token", "rotated-token")
	now.Advance(time.Hour)
	if got, err = p.Credentials(t.Context()); err != nil || got.AccessKeyID != "STS.rrsa000002" {
		t.Errorf("%s, %v", got, err)
	}
	call := func(token string) stsCall {
		return stsCall{Action: "AssumeRoleWithOIDC", Version: "2015-04-01", Form: url.Values{
			"RoleArn": {roleARN}, "OIDCProviderArn": {providerARN}, "OIDCToken": {token},
			"RoleSessionName": {"velero-plugin-alibabacloud"}, "DurationSeconds": {"3600"},
		}}
	}
	if diff := cmp.Diff([]stsCall{call(testToken), call("rotated-token")}, service.seen()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRRSAThatIsHalfConfigured(t *testing.T) {
	t.Parallel()
	now := newClock()
	missing := filepath.Join(t.TempDir(), "token")
	tests := []struct {
		name      string
		file      string
		variables []string
		wantErr   string
	}{
		{
			name:      "no provider",
			variables: []string{variableRoleARN + "=" + roleARN, variableOIDCTokenFile + "=" + missing},
			wantErr:   "enable RRSA for the cluster and annotate the service account",
		},
		{
			name: "no token",
			variables: []string{
				variableRoleARN + "=" + roleARN, variableOIDCTokenFile + "=" + missing, variableOIDCProvider + "=" + providerARN,
			},
			wantErr: "read the service account token: open " + missing,
		},
		{
			name:    "a credentials file that names the role, in a pod that the webhook did not prepare",
			file:    variableRoleARN + "=" + roleARN,
			wantErr: "ALIBABA_CLOUD_ROLE_ARN is set without ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var cfg Config
			if tt.file != "" {
				cfg.File = write(t, t.TempDir(), "cloud", tt.file)
			}
			_, err := NewProvider(cfg, environment(t, now, tt.variables...)).Credentials(t.Context())
			checkError(t, err, tt.wantErr)
			if errors.Is(err, ErrNotFound) {
				t.Errorf("%v: RRSA is configured", err)
			}
		})
	}
}

func TestSTSFailures(t *testing.T) {
	t.Parallel()
	now := newClock()
	later := now.Now().Add(time.Hour)
	tests := []struct {
		name      string
		answers   []answer
		wantErr   string
		wantCode  string
		wantCalls int
	}{
		{
			name:    "a refusal is not repeated, and comes with its request id and a remedy",
			answers: []answer{refused(403, "NoPermission", "You are not authorized to do this action.")},
			wantErr: "NoPermission (code: 403, You are not authorized to do this action. request id: 6894B13B-6D71-4EF5-88FA-F32781734A7F);" +
				" the caller needs sts:AssumeRole on the role",
			wantCode:  "NoPermission",
			wantCalls: 1,
		},
		{
			name:      "a role that does not exist",
			answers:   []answer{refused(404, "EntityNotExist.Role", "The role not exists: velero.")},
			wantErr:   "check the ARNs",
			wantCode:  "EntityNotExist.Role",
			wantCalls: 1,
		},
		{
			name:      "a key that is disabled",
			answers:   []answer{refused(403, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")},
			wantErr:   "the credentials to assume the role with are wrong, disabled or expired",
			wantCode:  "InvalidAccessKeyId.Inactive",
			wantCalls: 1,
		},
		{
			name:      "throttling and server errors are waited out",
			answers:   []answer{refused(400, "Throttling.User", "slow down"), refused(503, "ServiceUnavailable", "later"), granted("STS.x", later)},
			wantCalls: 3,
		},
		{
			name:      "an answer that is not STS's is asked for again",
			answers:   []answer{{http.StatusBadGateway, "<html>bad gateway</html>"}, granted("STS.x", later)},
			wantCalls: 2,
		},
		{
			name:      "a server error that stays",
			answers:   []answer{refused(500, "InternalError", "The request processing has failed.")},
			wantErr:   "InternalError",
			wantCode:  "InternalError",
			wantCalls: 3,
		},
		{
			name:      "an answer without credentials",
			answers:   []answer{{http.StatusOK, `{"RequestId":"1"}`}},
			wantErr:   "lacks the access key",
			wantCalls: 1,
		},
		{
			name: "an answer without a time of expiry",
			answers: []answer{
				{http.StatusOK, `{"Credentials":{"AccessKeyId":"a","AccessKeySecret":"` + testSecret + `","SecurityToken":"` + testToken + `"}}`},
			},
			wantErr:   "malformed Expiration",
			wantCalls: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service, endpoint := startSTS(t, tt.answers...)
			cfg := Config{File: write(t, t.TempDir(), "cloud", dotenv(permanent)), RoleARN: roleARN, STSEndpoint: endpoint}
			_, err := NewProvider(cfg, environment(t, now)).Credentials(t.Context())
			checkError(t, err, tt.wantErr)
			var sdkError *tea.SDKError
			if tt.wantCode != "" && (!errors.As(err, &sdkError) || tea.StringValue(sdkError.Code) != tt.wantCode) {
				t.Errorf("error %v does not wrap the SDK's with code %s", err, tt.wantCode)
			}
			if got := len(service.seen()); got != tt.wantCalls {
				t.Errorf("%d calls, want %d", got, tt.wantCalls)
			}
		})
	}
}

func TestSTSRemedies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		failure    stsError
	}{
		{"an OIDC token that is expired", "must be a projected one", stsError{status: 400, code: "AuthenticationFail.OIDCToken.Expired"}},
		{"a trust policy that does not fit", "oidc:sub", stsError{status: 400, code: "AuthenticationFail.NoPermission"}},
		{"no answer", "sts-vpc.<region>.aliyuncs.com", stsError{}},
		{"a caller who gave up", "", stsError{err: context.Canceled}},
		{"a code that is not known", "", stsError{status: 400, code: "InvalidParameter.RoleArn"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.failure.remedy(); !strings.Contains(got, tt.want) || (tt.want == "" && got != "") {
				t.Errorf("remedy %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSTSThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	cfg := Config{File: write(t, t.TempDir(), "cloud", dotenv(permanent)), RoleARN: roleARN, STSEndpoint: server.URL}
	_, err := NewProvider(cfg, environment(t, newClock())).Credentials(t.Context())
	checkError(t, err, "set ALIBABA_CLOUD_STS_ENDPOINT to sts-vpc.<region>.aliyuncs.com")
	var unreachable *url.Error
	if !errors.As(err, &unreachable) {
		t.Errorf("error %v does not wrap that of the connection", err)
	}
}

func TestSTSCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-released
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(released) })
	_, err := stsClient{endpoint: server.URL, http: loopbackClient()}.assumeRole(ctx, permanent, assumption{roleARN: roleARN})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestSTSDoesNotSeeTheProxyPassword(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://user:password@127.0.0.1:1")
	service, endpoint := startSTS(t, granted("STS.x", time.Now().Add(time.Hour)))
	_, err := stsClient{endpoint: endpoint, http: loopbackClient()}.assumeRole(t.Context(), permanent, assumption{roleARN: roleARN})
	if err != nil {
		t.Fatal(err)
	}
	if got := service.seen()[0].ProxyAuthorization; got != "" {
		t.Errorf("STS got the header Proxy-Authorization: %s", got)
	}
}

func TestSTSIsCalledThroughAProxy(t *testing.T) {
	t.Parallel()
	// The proxy answers itself: that the request came to it is what counts.
	service, proxy := startSTS(t, granted("STS.proxied001", time.Now().Add(time.Hour)))
	proxyURL, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxyURL)}}
	got, err := stsClient{endpoint: "http://sts.invalid", http: client}.assumeRole(t.Context(), permanent, assumption{roleARN: roleARN})
	if err != nil || got.AccessKeyID != "STS.proxied001" || len(service.seen()) != 1 {
		t.Errorf("%s, %v, %d calls", got, err, len(service.seen()))
	}
}

func TestMalformedSTSEndpointIsAnError(t *testing.T) {
	t.Parallel()
	cfg := Config{File: write(t, t.TempDir(), "cloud", dotenv(permanent)), RoleARN: roleARN, STSEndpoint: "sts aliyuncs"}
	_, err := NewProvider(cfg, environment(t, newClock())).Credentials(t.Context())
	checkError(t, err, `the endpoint "sts aliyuncs"`)
}

func TestSessionName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, configured, want string
	}{
		{"nothing configured", "", "velero-plugin-alibabacloud"},
		{"too short to be one", "a", "velero-plugin-alibabacloud"},
		{"a valid one stays", "velero@prod.example-1_a", "velero@prod.example-1_a"},
		{"other characters are replaced", "prod/eu west", "prod-eu-west"},
		{"one that is too long is cut", strings.Repeat("a", 65), strings.Repeat("a", 64)},
		{"letters outside ASCII are replaced", "备份", "--"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := sessionName(tt.configured); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
