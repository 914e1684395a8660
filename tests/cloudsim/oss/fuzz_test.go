// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// FuzzRequests sends anything to a bucket that everybody may write to. Whatever comes, there is an answer, and a
// refusal is a well-formed document with a code.
func FuzzRequests(f *testing.F) {
	f.Add("GET", "127.0.0.1", "/public/key", "", "Range: bytes=0-1", "")
	f.Add("PUT", "public.oss-cn-hangzhou.aliyuncs.com", "/a/b", "", "X-Oss-Tagging: a=1", "content")
	f.Add("POST", "127.0.0.1", "/public/", "delete", "Content-Md5: 1B2M2Y8AsgTpgAmY7PhCfg==", "<Delete/>")
	f.Add("POST", "127.0.0.1", "/public/key", "uploads", "X-Oss-Storage-Class: IA", "")
	f.Add("PUT", "127.0.0.1", "/public/key", "partNumber=1&uploadId=2", "X-Oss-Copy-Source: /public/other", "")
	f.Add("GET", "oss-cn-hangzhou.aliyuncs.com", "/", "", "Authorization: OSS a:b", "")
	f.Add("GET", "127.0.0.1", "/public", "list-type=2&delimiter=%2F&max-keys=1&encoding-type=url", "Date: x", "")
	f.Add("GET", "127.0.0.1", "/public/key", "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=a", "", "")
	f.Add("GET", "127.0.0.1", "/public/key", "OSSAccessKeyId=a&Expires=9999999999&Signature=b", "", "")
	s, err := oss.New(oss.Config{
		StateDir: f.TempDir(),
		Buckets:  []oss.BucketConfig{{Name: "public", Region: region, Owner: ownerID, ACL: oss.ACLPublicReadWrite}},
	}, account.New(time.Now), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, host, path, query, header, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", strings.NewReader(body))
		r.Method, r.Host = method, host
		r.URL = &url.URL{Path: path, RawQuery: query}
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		s.Operation(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < http.StatusBadRequest || method == http.MethodHead {
			return
		}
		var refused struct{ Code, Message, RequestID string }
		if err := xml.Unmarshal(w.Body.Bytes(), &refused); err != nil || refused.Code == "" || w.Code == 500 {
			t.Errorf("status %d, body %s: %v", w.Code, w.Body, err)
		}
	})
}
