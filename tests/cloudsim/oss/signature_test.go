// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

const (
	badSignature = "The request signature we calculated does not match the signature you provided. Check your key and " +
		"signing method."
	unknownKey = "The OSS Access Key Id you provided does not exist in our records."
)

// assume opens an STS session of a role that may do anything.
func (c *cloud) assume(t *testing.T, duration time.Duration) account.Session {
	t.Helper()
	policy, err := account.ParsePolicy([]byte(allowAll))
	must(t, err)
	trust, err := account.ParseTrustPolicy([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Service":["ecs.aliyuncs.com"]}}]}`))
	must(t, err)
	must(t, c.accounts.AddRole(account.RoleSpec{
		AccountID: ownerID, Name: "node", Trust: trust, Policies: []account.Policy{policy}, MaxSession: duration,
	}))
	session, err := c.accounts.AssumeRoleForService("ecs.aliyuncs.com", account.AssumeRequest{
		RoleARN: account.RoleARN(ownerID, "node"), SessionName: "i-1", Duration: duration,
	})
	must(t, err)
	return session
}

const allowAll = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

func withToken(id, secret, token string) func(*sdk.Config) {
	return func(cfg *sdk.Config) {
		cfg.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, secret, token))
	}
}

func TestWhoMaySign(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "key", []byte("x")))
	session := c.assume(t, time.Hour)
	must(t, c.accounts.CreateKey(account.RootARN(ownerID), "LTAIdisabled", "secret"))
	must(t, c.accounts.DisableKey("LTAIdisabled"))
	id, secret := session.AccessKeyID, session.AccessKeySecret
	for name, tc := range map[string]struct {
		edit func(*sdk.Config)
		want refusal
	}{
		"the account's own key": {withToken(rootKey, rootWord, ""), refusal{}},
		"a session's key with its token": {
			withToken(id, secret, session.SecurityToken), refusal{},
		},
		"a wrong secret": {
			withToken(rootKey, "wrong", ""), refusal{403, "SignatureDoesNotMatch", badSignature, "0002-00000040"},
		},
		"a key that does not exist": {
			withToken("LTAInobody", "secret", ""), refusal{403, "InvalidAccessKeyId", unknownKey, "0002-00000902"},
		},
		"a disabled key": {
			withToken("LTAIdisabled", "secret", ""),
			refusal{403, "InvalidAccessKeyId", "The OSS Access Key Id you provided is disabled.", ""},
		},
		"a session's key without its token": {
			withToken(id, secret, ""), refusal{403, "InvalidAccessKeyId", unknownKey, "0002-00000902"},
		},
		"a session's key with another token": {
			withToken(id, secret, "other"),
			refusal{403, "InvalidSecurityToken", "The security token you provided is invalid.", ""},
		},
		"a user's key with a token": {
			withToken(rootKey, rootWord, "token"), refusal{403, "InvalidAccessKeyId", unknownKey, "0002-00000002"},
		},
		"nobody": {
			func(cfg *sdk.Config) { cfg.WithCredentialsProvider(credentials.NewAnonymousCredentialsProvider()) },
			refusal{403, "AccessDenied", "Anonymous user has no right to access this object.", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for version, edit := range map[string]func(*sdk.Config){"V4": func(*sdk.Config) {}, "V1": v1} {
				client := c.root(tc.edit, edit)
				_, err := client.GetObjectMeta(t.Context(), &sdk.GetObjectMetaRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
				if diff := cmp.Diff(tc.want, refusalOf(t, err)); diff != "" {
					t.Errorf("signature %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
}

func TestAnExpiredSessionIsRefused(t *testing.T) {
	var skew atomic.Int64
	skew.Store(int64(-10 * time.Minute))
	now := func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	c := newCloudAt(t, now, nil)
	session := c.assume(t, 15*time.Minute)
	client := c.root(withToken(session.AccessKeyID, session.AccessKeySecret, session.SecurityToken))
	put := func() error {
		_, err := client.PutObject(t.Context(), &sdk.PutObjectRequest{
			Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), Body: strings.NewReader("x"),
		})
		return err
	}
	must(t, put())
	skew.Store(int64(10 * time.Minute))
	want := refusal{403, "SecurityTokenExpired", "The security token you provided has expired.", ""}
	if diff := cmp.Diff(want, refusalOf(t, put())); diff != "" {
		t.Errorf("after its time (-want +got):\n%s", diff)
	}
}

func TestFaultsOfClockAndToken(t *testing.T) {
	c := newCloud(t, nil)
	session := c.assume(t, time.Hour)
	client := c.root(withToken(session.AccessKeyID, session.AccessKeySecret, session.SecurityToken))
	list := func() error {
		_, err := client.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Request{Bucket: sdk.Ptr(bucket)})
		return err
	}
	c.inject(t, fault.Rule{Service: "oss", Operation: "ListObjectsV2", Count: 1, ExpireToken: true})
	want := refusal{403, "SecurityTokenExpired", "The security token you provided has expired.", ""}
	if diff := cmp.Diff(want, refusalOf(t, list())); diff != "" {
		t.Errorf("expired token (-want +got):\n%s", diff)
	}
	c.inject(t, fault.Rule{Service: "oss", Count: 1, ClockSkew: 16 * time.Minute})
	want = refusal{
		403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.",
		"0002-00000504",
	}
	if diff := cmp.Diff(want, refusalOf(t, list())); diff != "" {
		t.Errorf("skewed clock (-want +got):\n%s", diff)
	}
	must(t, list())
}

func TestClocksMayDifferByAQuarterOfAnHour(t *testing.T) {
	const tooSkewed = "RequestTimeTooSkewed"
	for name, tc := range map[string]struct {
		skew time.Duration
		code string
	}{
		"a little behind": {-14 * time.Minute, ""},
		"a little ahead":  {14 * time.Minute, ""},
		"too far behind":  {-16 * time.Minute, tooSkewed},
		"too far ahead":   {16 * time.Minute, tooSkewed},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloudAt(t, func() time.Time { return time.Now().Add(tc.skew) }, nil)
			for _, edit := range []func(*sdk.Config){func(*sdk.Config) {}, v1} {
				_, err := c.root(edit).ListObjects(t.Context(), &sdk.ListObjectsRequest{Bucket: sdk.Ptr(bucket)})
				if got := refusalOf(t, err).Code; got != tc.code {
					t.Errorf("code = %q, want %q", got, tc.code)
				}
			}
		})
	}
}

func TestSignedURLs(t *testing.T) {
	var skew atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	c := newCloudAt(t, now, nil)
	const key = "dir/ä+b c"
	must(t, c.service.Put(bucket, key, []byte("content")))
	session := c.assume(t, time.Hour)
	token := withToken(session.AccessKeyID, session.AccessKeySecret, session.SecurityToken)
	none := func(*sdk.Config) {}
	for name, tc := range map[string]struct {
		version func(*sdk.Config)
		token   func(*sdk.Config)
		later   time.Duration
		edit    func(string) string
		status  int
		want    string
	}{
		"V4":                      {none, none, 0, same, 200, "content"},
		"V4 of a session":         {none, token, 0, same, 200, "content"},
		"V1":                      {v1, none, 0, same, 200, "content"},
		"V1 of a session":         {v1, token, 0, same, 200, "content"},
		"V4 after its end":        {none, none, 11 * time.Minute, same, 403, "Request has expired."},
		"V1 after its end":        {v1, none, 11 * time.Minute, same, 403, "Request has expired."},
		"V4 long before its time": {none, none, -time.Hour, same, 403, "Request is not valid yet."},
		"V4 for another key": {
			none, none, 0, func(u string) string { return strings.Replace(u, "/dir/", "/rid/", 1) }, 403, badSignature,
		},
		"V1 for another key": {
			v1, none, 0, func(u string) string { return strings.Replace(u, "/dir/", "/rid/", 1) }, 403, badSignature,
		},
		"V4 prolonged": {
			none, none, 0, func(u string) string { return strings.Replace(u, "expires=6", "expires=9", 1) }, 403, badSignature,
		},
		"V4 with one more parameter": {
			none, none, 0, func(u string) string { return u + "&response-content-type=text%2Fhtml" }, 403, badSignature,
		},
		"V1 with one more parameter": {
			v1, none, 0, func(u string) string { return u + "&response-content-type=text%2Fhtml" }, 403, badSignature,
		},
		"V4 beyond seven days": {
			none, none, 0, func(u string) string { return strings.Replace(u, "expires=600", "expires=604801", 1) }, 400,
			"between 1 and 604800",
		},
		"V1 without its expiry": {
			v1, none, 0, func(u string) string { return strings.Replace(u, "Expires=", "x=", 1) }, 403,
			"Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters",
		},
	} {
		t.Run(name, func(t *testing.T) {
			skew.Store(0)
			signed, err := c.root(tc.version, tc.token).Presign(t.Context(),
				&sdk.GetObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)}, sdk.PresignExpires(10*time.Minute))
			must(t, err)
			skew.Store(int64(tc.later))
			got := send(t, request(t.Context(), t, http.MethodGet, tc.edit(signed.URL), nil))
			if got.status != tc.status || !strings.Contains(got.body, tc.want) {
				t.Errorf("status %d, body %q; want %d and %q", got.status, got.body, tc.status, tc.want)
			}
		})
	}
}

func same(s string) string { return s }

func TestSignedURLIsForItsMethodAlone(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "key", []byte("content")))
	signed, err := c.root().Presign(t.Context(), &sdk.GetObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
	must(t, err)
	got := send(t, request(t.Context(), t, http.MethodDelete, signed.URL, nil))
	if got.status != http.StatusForbidden || len(c.service.Objects(bucket)) != 1 {
		t.Errorf("status = %d, objects = %v; want a refusal", got.status, c.service.Objects(bucket))
	}
}

func TestScopeOfTheSignature(t *testing.T) {
	c := newCloud(t, nil)
	wrongRegion := func(cfg *sdk.Config) { cfg.WithRegion("cn-beijing") }
	_, err := c.root(wrongRegion).ListObjects(t.Context(), &sdk.ListObjectsRequest{Bucket: sdk.Ptr(bucket)})
	want := refusal{400, "InvalidArgument", "Invalid signing region in Authorization header.", "0002-00000226"}
	if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
		t.Errorf("another region (-want +got):\n%s", diff)
	}
	_, err = c.root(wrongRegion).ListBuckets(t.Context(), &sdk.ListBucketsRequest{})
	must(t, err) // no bucket, no region
	boxed := func(cfg *sdk.Config) { cfg.WithCloudBoxId("cb-1") }
	_, err = c.root(boxed).ListObjects(t.Context(), &sdk.ListObjectsRequest{Bucket: sdk.Ptr(bucket)})
	want = refusal{400, "InvalidArgument", "Invalid signing product in Authorization header.", "0002-00000227"}
	if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
		t.Errorf("another product (-want +got):\n%s", diff)
	}
}

// tamper changes a request after it has been signed.
type tamper func(*http.Request)

func (f tamper) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestWhatIsSignedCannotBeChanged(t *testing.T) {
	c := newCloud(t, nil)
	signHost := func(cfg *sdk.Config) { cfg.WithAdditionalHeaders([]string{"User-Agent"}) }
	none := func(*sdk.Config) {}
	header := func(name, value string) tamper { return func(r *http.Request) { r.Header.Set(name, value) } }
	for name, tc := range map[string]struct {
		edit   func(*sdk.Config)
		tamper tamper
		code   string
	}{
		"V4, nothing":                          {none, func(*http.Request) {}, ""},
		"V4, a header that is not signed":      {none, header("User-Agent", "me"), ""},
		"V4, an additional header as signed":   {signHost, func(*http.Request) {}, ""},
		"V4, an additional header changed":     {signHost, header("User-Agent", "me"), "SignatureDoesNotMatch"},
		"V4, one more x-oss header":            {none, header("X-Oss-Storage-Class", "IA"), "SignatureDoesNotMatch"},
		"V4, the content type":                 {none, header("Content-Type", "text/evil"), "SignatureDoesNotMatch"},
		"V4, a payload hash that is not taken": {none, header("X-Oss-Content-Sha256", "abc"), "InvalidArgument"},
		"V4, a date that is none":              {none, header("X-Oss-Date", "yesterday"), "AccessDenied"},
		"V4, no signature in the header": {
			none, header("Authorization", "OSS4-HMAC-SHA256 Credential=a/20250101/b/oss/aliyun_v4_request"), "InvalidArgument",
		},
		"V4, another terminator": {
			none, header("Authorization", "OSS4-HMAC-SHA256 Credential=a/20250101/b/oss/aws4_request,Signature=1"),
			"InvalidArgument",
		},
		"another scheme": {none, header("Authorization", "Basic Zm9vOmJhcg=="), "InvalidArgument"},
		"V4, another query": {
			none, func(r *http.Request) { r.URL.RawQuery = "list-type=2" }, "SignatureDoesNotMatch",
		},
		"V1, nothing":               {v1, func(*http.Request) {}, ""},
		"V1, one more x-oss header": {v1, header("X-Oss-Storage-Class", "IA"), "SignatureDoesNotMatch"},
		"V1, the content type":      {v1, header("Content-Type", "text/evil"), "SignatureDoesNotMatch"},
		"V1, a date that is none":   {v1, header("Date", "yesterday"), "AccessDenied"},
		"V1, no colon":              {v1, header("Authorization", "OSS key"), "InvalidArgument"},
		"V1, a parameter that it signs": {
			v1, func(r *http.Request) { r.URL.RawQuery = "tagging" }, "SignatureDoesNotMatch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := c.root(tc.edit, func(cfg *sdk.Config) { cfg.WithHttpClient(&http.Client{Transport: tc.tamper}) })
			_, err := client.PutObject(t.Context(), &sdk.PutObjectRequest{
				Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), Body: strings.NewReader("x"),
			})
			if got := refusalOf(t, err).Code; got != tc.code {
				t.Errorf("code = %q, want %q", got, tc.code)
			}
		})
	}
}

func TestTheJournalNamesTheCaller(t *testing.T) {
	c := newCloud(t, nil)
	put := func(secret string) error {
		_, err := c.client(rootKey, secret).PutObject(t.Context(), &sdk.PutObjectRequest{
			Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("dir/key"), Body: strings.NewReader("12345"),
		})
		return err
	}
	must(t, put(rootWord))
	if put("wrong") == nil {
		t.Error("a wrong secret was accepted")
	}
	type entry struct {
		Operation, Resource, AccessKeyID, Caller, Code string
		Status                                         int
	}
	var got []entry
	for _, e := range c.journal.Entries() {
		got = append(got, entry{e.Operation, e.Resource, e.AccessKeyID, e.Caller, e.Code, e.Status})
	}
	want := []entry{
		{"PutObject", bucket + "/dir/key", rootKey, account.RootARN(ownerID), "", 200},
		{"PutObject", bucket + "/dir/key", rootKey, "", "SignatureDoesNotMatch", 403},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestAnswersShowNoSecret(t *testing.T) {
	c := newCloud(t, nil)
	var e *sdk.ServiceError
	_, err := c.client(userKey, "wrong").ListBuckets(t.Context(), &sdk.ListBucketsRequest{})
	if !asServiceError(err, &e) {
		t.Fatalf("error = %v, want the service's", err)
	}
	if body := string(e.Snapshot); strings.Contains(body, userWord) || !strings.Contains(body, "<StringToSign>") {
		t.Errorf("body = %s; want the string to sign, and no secret", body)
	}
}
