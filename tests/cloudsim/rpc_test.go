// SPDX-License-Identifier: Apache-2.0

package cloudsim_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/sts"
)

const (
	accountID  = "1234567890123456"
	roleARN    = "acs:ram::1234567890123456:role/backup"
	provider   = "acs:ram::1234567890123456:oidc-provider/ack"
	stsVersion = "2015-04-01"
)

// keys are credentials of a caller.
type keys struct{ id, secret, token string }

func userKeys() keys { return keys{id: "LTAIvelero", secret: "velero-secret"} }

// refusal is an error of the RPC gateway.
type refusal struct {
	Status  int
	Code    string
	Message string
}

// call calls an action of STS by the official SDK.
func call(c *cloudsim.Cloud, k keys, action string, query map[string]string) (map[string]any, *refusal, error) {
	config := &openapiutil.Config{
		Endpoint: dara.String(strings.TrimPrefix(c.RPCURL(), "http://")), Protocol: dara.String("HTTP"),
		AccessKeyId: dara.String(k.id), AccessKeySecret: dara.String(k.secret),
	}
	if k.token != "" {
		config.SecurityToken, config.Type = dara.String(k.token), dara.String("sts")
	}
	client, err := openapi.NewClient(config)
	if err != nil {
		return nil, nil, err
	}
	parameters := map[string]*string{}
	for name, value := range query {
		parameters[name] = dara.String(value)
	}
	result, err := client.CallApi(&openapiutil.Params{
		Action: dara.String(action), Version: dara.String(stsVersion), Protocol: dara.String("HTTP"),
		Pathname: dara.String("/"), Method: dara.String(http.MethodPost), AuthType: dara.String("AK"),
		Style: dara.String("RPC"), ReqBodyType: dara.String("formData"), BodyType: dara.String("json"),
	}, &openapiutil.OpenApiRequest{Query: parameters}, &dara.RuntimeOptions{})
	var failure *tea.SDKError
	if errors.As(err, &failure) {
		// The SDK puts "code: <status>, " before the message and the request id behind it.
		_, message, _ := strings.Cut(dara.StringValue(failure.Message), ", ")
		message, _, _ = strings.Cut(message, " request id: ")
		return nil, &refusal{dara.IntValue(failure.StatusCode), dara.StringValue(failure.Code), message}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	body, _ := result["body"].(map[string]any)
	return body, nil, nil
}

func assume(query map[string]string) map[string]string {
	all := map[string]string{"RoleArn": roleARN, "RoleSessionName": "velero"}
	for name, value := range query {
		all[name] = value
	}
	return all
}

// field finds a member of an answer.
func field(body map[string]any, path ...string) string {
	for _, name := range path[:len(path)-1] {
		body, _ = body[name].(map[string]any)
	}
	s, _ := body[path[len(path)-1]].(string)
	return s
}

func TestAssumeRoleWithTheSDK(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	c := start(t, withoutOIDC, cloudsim.WithClock(func() time.Time { return now }))
	body, failure, err := call(c, userKeys(), "AssumeRole", assume(map[string]string{
		"DurationSeconds": "900",
		"Policy":          `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`,
	}))
	if err != nil || failure != nil {
		t.Fatal(err, failure)
	}
	if got, want := field(body, "AssumedRoleUser", "Arn"), roleARN+"/velero"; got != want {
		t.Errorf("AssumedRoleUser.Arn is %q, want %q", got, want)
	}
	want := now.Add(900 * time.Second).UTC().Format(time.RFC3339)
	if got := field(body, "Credentials", "Expiration"); got != want {
		t.Errorf("Expiration is %q, want %q", got, want)
	}
	session := keys{
		id:     field(body, "Credentials", "AccessKeyId"),
		secret: field(body, "Credentials", "AccessKeySecret"),
		token:  field(body, "Credentials", "SecurityToken"),
	}
	_, caller, err := c.Accounts().Key(session.id, session.token)
	if err != nil {
		t.Fatal(err)
	}
	const object = "acs:oss:*:" + accountID + ":backups/a"
	if !c.Accounts().Allows(caller, "oss:GetObject", object) || c.Accounts().Allows(caller, "oss:PutObject", object) {
		t.Error("the session's policy does not narrow the role")
	}
	identity, failure, err := call(c, session, "GetCallerIdentity", nil)
	if err != nil || failure != nil {
		t.Fatal(err, failure)
	}
	delete(identity, "RequestId")
	if diff := cmp.Diff(map[string]any{
		"IdentityType": "AssumedRoleUser", "AccountId": accountID,
		"Arn": "acs:ram::1234567890123456:assumed-role/backup/velero",
	}, identity); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestCallsAreRefused(t *testing.T) {
	t.Parallel()
	badGrammar := refusal{400, "InvalidParameter.PolicyGrammar", "The parameter Policy has not passed grammar check."}
	badDuration := refusal{400, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr."}
	badName := refusal{400, "InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed."}
	unauthorized := refusal{
		403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.",
	}
	tests := map[string]struct {
		prepare func(*cloudsim.Cloud) error
		keys    keys
		action  string
		query   map[string]string
		want    refusal
	}{
		"an unknown key": {
			nil,
			keys{id: "LTAInobody", secret: "x"},
			"GetCallerIdentity", nil,
			refusal{404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."},
		},
		"a disabled key": {
			nil,
			keys{id: "LTAIold", secret: "old-secret"},
			"GetCallerIdentity", nil,
			refusal{400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."},
		},
		"a token that is none": {
			nil,
			keys{id: "LTAIvelero", secret: "velero-secret", token: "x"},
			"GetCallerIdentity", nil,
			refusal{400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."},
		},
		"a clock that is 16 minutes off": {
			func(c *cloudsim.Cloud) error {
				_, err := c.Faults().Add(fault.Rule{Service: "sts", ClockSkew: 16 * time.Minute})
				return err
			}, userKeys(), "GetCallerIdentity", nil,
			refusal{400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."},
		},
		"a fault in the gateway's own form": {
			func(c *cloudsim.Cloud) error {
				_, err := c.Faults().Add(fault.Rule{
					Service: "sts", Operation: "GetCaller*", Status: 400, Code: "Throttling.User",
					Message: "Request was denied due to user flow control.",
				})
				return err
			}, userKeys(), "GetCallerIdentity", nil,
			refusal{400, "Throttling.User", "Request was denied due to user flow control."},
		},
		"an action that does not exist": {
			nil, userKeys(), "GetFederationToken", nil,
			refusal{404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."},
		},
		"a required parameter that is missing": {
			nil, userKeys(), "AssumeRole",
			map[string]string{"RoleSessionName": "velero"},
			refusal{400, "MissingRoleArn", "RoleArn is mandatory for this action."},
		},
		"a number that is none": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"DurationSeconds": "1h"}),
			refusal{400, "InvalidDurationSeconds", "Specified parameter DurationSeconds is not valid."},
		},
		"a session that is too short": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"DurationSeconds": "899"}), badDuration,
		},
		"a session that is longer than the role allows": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"DurationSeconds": "7201"}), badDuration,
		},
		"a session name of one letter": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"RoleSessionName": "v"}), badName,
		},
		"a session name with a slash": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"RoleSessionName": "a/b"}), badName,
		},
		"a malformed role": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"RoleArn": "backup"}),
			refusal{400, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed."},
		},
		"a malformed policy": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"Policy": `{"Version":"1"}`}), badGrammar,
		},
		"a role that does not exist": {
			nil, userKeys(), "AssumeRole", assume(map[string]string{"RoleArn": roleARN + "s"}),
			refusal{404, "EntityNotExist.Role", "The role not exists: " + roleARN + "s."},
		},
		"the main account as a caller": {
			nil,
			keys{id: "LTAIowner", secret: "owner-secret"},
			"AssumeRole", assume(nil),
			refusal{403, "NoPermission", "Roles may not be assumed by root accounts."},
		},
		"a user whose policy does not allow it": {
			func(c *cloudsim.Cloud) error { return c.Accounts().SetPolicy(account.UserARN(accountID, "velero")) },
			userKeys(), "AssumeRole", assume(nil), unauthorized,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, withoutOIDC)
			if tt.prepare != nil {
				if err := tt.prepare(c); err != nil {
					t.Fatal(err)
				}
			}
			_, got, err := call(c, tt.keys, tt.action, tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	_, got, err := call(c, keys{id: "LTAIvelero", secret: "wrong"}, "GetCallerIdentity", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got == nil || got.Status != 400 || got.Code != "SignatureDoesNotMatch" {
		t.Errorf("got %v, want SignatureDoesNotMatch", got)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	body, failure, err := call(c, userKeys(), "AssumeRole", assume(nil))
	if err != nil || failure != nil {
		t.Fatal(err, failure)
	}
	session := keys{
		id:     field(body, "Credentials", "AccessKeyId"),
		secret: field(body, "Credentials", "AccessKeySecret"),
		token:  field(body, "Credentials", "SecurityToken"),
	}
	if _, err := c.Faults().Add(fault.Rule{ExpireToken: true}); err != nil {
		t.Fatal(err)
	}
	_, got, err := call(c, session, "GetCallerIdentity", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &refusal{400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
	if _, failure, err := call(c, userKeys(), "GetCallerIdentity", nil); failure != nil || err != nil {
		t.Errorf("a permanent key is refused too: %v %v", failure, err)
	}
}

// post sends a form without a signature, as AssumeRoleWithOIDC wants it.
func post(t *testing.T, c *cloudsim.Cloud, query, form url.Values) (status int, body map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.RPCURL()+"/?"+query.Encode(),
		strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

func TestAssumeRoleWithOIDC(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	const subject, audience = "system:serviceaccount:velero:velero", "sts.aliyuncs.com"
	token := func(c *cloudsim.Cloud, subject, audience string, lifetime time.Duration) (string, error) {
		return c.MintToken(provider, subject, audience, lifetime)
	}
	tests := map[string]struct {
		token  func(*cloudsim.Cloud) (string, error)
		change url.Values
		want   refusal
	}{
		"a token of the subject that the role trusts": {
			func(c *cloudsim.Cloud) (string, error) { return token(c, subject, audience, time.Hour) }, nil,
			refusal{Status: 200},
		},
		"a token of another subject": {
			func(c *cloudsim.Cloud) (string, error) {
				return token(c, "system:serviceaccount:a:b", audience, time.Hour)
			}, nil,
			refusal{401, "AuthenticationFail.NoPermission", "There is no permission"},
		},
		"a token for another audience": {
			func(c *cloudsim.Cloud) (string, error) { return token(c, subject, "kubernetes", time.Hour) }, nil,
			refusal{401, "AuthenticationFail.OIDCToken.AudienceNotMatch", "Invalid audience."},
		},
		"a token that has expired": {
			func(c *cloudsim.Cloud) (string, error) { return token(c, subject, audience, -time.Minute) }, nil,
			refusal{401, "AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired."},
		},
		"a token whose claims were changed": {
			func(c *cloudsim.Cloud) (string, error) {
				other, err := token(c, "system:serviceaccount:a:b", audience, time.Hour)
				if err != nil {
					return "", err
				}
				good, err := token(c, subject, audience, time.Hour)
				if err != nil {
					return "", err
				}
				forged := strings.Split(good, ".")
				forged[2] = strings.Split(other, ".")[2]
				return strings.Join(forged, "."), nil
			}, nil,
			refusal{
				401, "AuthenticationFail.OIDCToken.InvalidSignature", "OIDC token validate failed: invalid signature.",
			},
		},
		"a token that is none": {
			func(*cloudsim.Cloud) (string, error) { return "abc", nil }, nil,
			refusal{
				401, "AuthenticationFail.OIDCToken.Invalid", "The number of Jwt field should be divided into 3 parts with '.' .",
			},
		},
		"a token that is signed by a shared secret": {
			func(*cloudsim.Cloud) (string, error) { return "eyJhbGciOiJIUzI1NiJ9.e30.AA", nil }, nil,
			refusal{
				401, "AuthenticationFail.OIDCToken.Invalid", "The algorithm HS256 that be specified in Jwt header is unknown.",
			},
		},
		"a provider that does not exist": {
			func(c *cloudsim.Cloud) (string, error) { return token(c, subject, audience, time.Hour) },
			url.Values{"OIDCProviderArn": {provider + "s"}},
			refusal{401, "AuthenticationFail.NoPermission", "No such OIDC Provider registered."},
		},
		"no token": {
			func(*cloudsim.Cloud) (string, error) { return "", nil }, nil,
			refusal{400, "MissingOIDCToken", "OIDCToken is mandatory for this action."},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			minted, err := tt.token(c)
			if err != nil {
				t.Fatal(err)
			}
			form := url.Values{
				"RoleArn": {roleARN}, "OIDCProviderArn": {provider}, "OIDCToken": {minted}, "RoleSessionName": {"velero"},
			}
			for n, v := range tt.change {
				form[n] = v
			}
			status, body := post(t, c, url.Values{"Action": {"AssumeRoleWithOIDC"}, "Version": {stsVersion}}, form)
			got := refusal{Status: status, Code: field(body, "Code"), Message: field(body, "Message")}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			id, token := field(body, "Credentials", "AccessKeyId"), field(body, "Credentials", "SecurityToken")
			if _, _, err := c.Accounts().Key(id, token); (err == nil) != (tt.want.Status == 200) {
				t.Errorf("the credentials of the answer: %v", err)
			}
		})
	}
}

func TestTokensOfAClustersOwnKey(t *testing.T) {
	t.Parallel()
	const issuerURL, subject, audience = "https://cluster.example.com", "system:serviceaccount:velero:velero", "sts.aliyuncs.com"
	issuer, err := sts.NewIssuer(issuerURL)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(issuer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "sa.pub")
	data := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if err := os.WriteFile(keyFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, func(config *cloudsim.Config) {
		p := &config.Accounts[0].OIDCProviders[0]
		p.Issuer, p.PublicKeyFile = issuerURL, keyFile
	})
	token, err := issuer.Mint(subject, audience, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	status, body := post(t, c, url.Values{"Action": {"AssumeRoleWithOIDC"}, "Version": {stsVersion}}, url.Values{
		"RoleArn": {roleARN}, "OIDCProviderArn": {provider}, "OIDCToken": {token}, "RoleSessionName": {"velero"},
	})
	if status != http.StatusOK {
		t.Errorf("status %d: %v", status, body)
	}
	if _, err := c.MintToken(provider, subject, audience, time.Hour); err == nil {
		t.Error("the simulator mints a token without the key")
	}
}

// classicQuery signs a call in the classic way, with the SDK's own function.
func classicQuery(k keys, method string, parameters map[string]string) url.Values {
	signed := map[string]*string{
		"AccessKeyId": dara.String(k.id), "SignatureMethod": dara.String("HMAC-SHA1"), "SignatureVersion": dara.String("1.0"),
		"SignatureNonce": openapiutil.GetNonce(), "Timestamp": openapiutil.GetTimestamp(), "Format": dara.String("JSON"),
		"Version": dara.String(stsVersion),
	}
	for name, value := range parameters {
		signed[name] = dara.String(value)
	}
	query := url.Values{}
	for name, value := range signed {
		query.Set(name, dara.StringValue(value))
	}
	query.Set("Signature", dara.StringValue(openapiutil.GetRPCSignature(signed, dara.String(method), dara.String(k.secret))))
	return query
}

func TestClassicSignature(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	signed := func(change map[string]string) url.Values {
		parameters := assume(map[string]string{"Action": "AssumeRole"})
		for name, value := range change {
			parameters[name] = value
		}
		return classicQuery(userKeys(), http.MethodPost, parameters)
	}
	used := signed(nil)
	if status, body := post(t, c, used, nil); status != http.StatusOK {
		t.Fatalf("a call that is signed well is refused: %v", body)
	}
	odd := signed(map[string]string{"Action": "GetCallerIdentity", "Odd": "a b*c~d+e/é"})
	inForm := signed(nil)
	tampered := signed(nil)
	tampered.Set("RoleSessionName", "other")
	unsigned := signed(nil)
	unsigned.Del("Signature")
	tests := map[string]struct {
		query, form url.Values
		want        refusal
	}{
		"parameters in the query with odd characters": {odd, nil, refusal{Status: 200}},
		"parameters in the body":                      {nil, inForm, refusal{Status: 200}},
		"a call that is repeated": {
			used, nil, refusal{400, "SignatureNonceUsed", "Specified signature nonce was used already."},
		},
		"a parameter that was changed": {tampered, nil, refusal{Status: 400, Code: "SignatureDoesNotMatch"}},
		"no signature": {
			unsigned, nil, refusal{400, "MissingSignature", "Signature is mandatory for this action."},
		},
		"another signature method": {
			signed(map[string]string{"SignatureMethod": "HMAC-MD5"}), nil,
			refusal{400, "InvalidSignatureMethod", "Specified signature method is not valid."},
		},
		"a malformed time": {
			signed(map[string]string{"Timestamp": "now"}), nil,
			refusal{400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."},
		},
		"a time that is past": {
			signed(map[string]string{"Timestamp": time.Now().Add(-16 * time.Minute).UTC().Format("2006-01-02T15:04:05Z")}), nil,
			refusal{400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."},
		},
		"another version of the API": {
			signed(map[string]string{"Version": "1999-01-01"}), nil,
			refusal{400, "InvalidVersion", "Specified parameter Version is not valid."},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := post(t, c, tt.query, tt.form)
			got := refusal{Status: status, Code: field(body, "Code"), Message: field(body, "Message")}
			opts := cmpopts.IgnoreFields(refusal{}, "Message")
			if tt.want.Message != "" {
				opts = nil
			}
			if diff := cmp.Diff(tt.want, got, cmp.Options{opts}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownParametersAreJournalled(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	if _, failure, err := call(c, userKeys(), "GetCallerIdentity", map[string]string{"Colour": "red"}); failure != nil || err != nil {
		t.Fatal(failure, err)
	}
	if diff := cmp.Diff([]string{"Colour"}, c.Journal().Entries()[0].UnknownParameters); diff != "" {
		t.Errorf("unknown parameters (-want +got):\n%s", diff)
	}
}

func TestADenialSaysWhatWasDenied(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	if err := c.Accounts().SetPolicy(account.UserARN(accountID, "velero")); err != nil {
		t.Fatal(err)
	}
	parameters := assume(map[string]string{"Action": "AssumeRole"})
	_, body := post(t, c, classicQuery(userKeys(), http.MethodPost, parameters), nil)
	want := map[string]any{
		"AuthAction": "sts:AssumeRole", "AuthPrincipalDisplayName": "velero", "AuthPrincipalOwnerId": accountID,
		"AuthPrincipalType": "SubUser", "NoPermissionType": "ImplicitDeny",
		"PolicyType": "AccountLevelIdentityBasedPolicy",
	}
	if diff := cmp.Diff(want, body["AccessDeniedDetail"]); diff != "" {
		t.Errorf("AccessDeniedDetail (-want +got):\n%s", diff)
	}
}

func TestRPCIsReachedByName(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	client := proxied(t, c)
	ask := func(ctx context.Context, host string, parameters map[string]string) (int, error) {
		query := classicQuery(userKeys(), http.MethodGet, parameters)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/?"+query.Encode(), nil)
		if err != nil {
			return 0, err
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	tests := map[string]struct {
		host string
		want int
	}{
		"the central endpoint":            {"sts.aliyuncs.com", 200},
		"the endpoint of a region":        {"sts.cn-beijing.aliyuncs.com", 200},
		"the VPC endpoint of a region":    {"sts-vpc.cn-hangzhou.aliyuncs.com", 200},
		"the endpoint of another product": {"kms.cn-hangzhou.aliyuncs.com", 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ask(t.Context(), tt.host, map[string]string{"Action": "GetCallerIdentity"})
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
}
