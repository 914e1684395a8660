// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	const secret = "Xy7SECRETvalue"
	tests := []struct{ name, text string }{
		{"the signature of a signed URL", "GET https://b.oss-cn-hangzhou.aliyuncs.com/k?x-oss-date=20260101T000000Z&x-oss-signature=" + secret},
		{"the token in a signed URL", "https://b/k?x-oss-security-token=" + secret + "&x-oss-expires=600"},
		{"a signed URL of version 1", "https://b/k?OSSAccessKeyId=" + secret + "&Expires=1"},
		{"an authorization header of version 4", "Authorization: OSS4-HMAC-SHA256 Credential=x,Signature=" + secret},
		{"an authorization header of version 1", "authorization: OSS id:" + secret},
		{"an authorization header of the RPC services", `"Authorization":"ACS3-HMAC-SHA256 Credential=x,Signature=` + secret + `"`},
		{"a dotenv line", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + secret},
		{"a token line", "ALIBABA_CLOUD_SECURITY_TOKEN='" + secret + "'"},
		{"an INI line", "aws_secret_access_key = " + secret},
		{"JSON of STS", `{"AccessKeyId":"STS.x","AccessKeySecret":"` + secret + `","SecurityToken":"` + secret + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Redact(tt.text)
			if strings.Contains(got, secret) {
				t.Errorf("still secret: %s", got)
			}
			if !strings.Contains(got, redacted) {
				t.Errorf("nothing says that something was taken out: %s", got)
			}
		})
	}
	const harmless = "download backup files from OSS bucket failed: signature of the archive is fine"
	if got := Redact(harmless); got != harmless {
		t.Errorf("harmless text became %q", got)
	}
}

func FuzzRedactTwiceIsOnce(f *testing.F) {
	f.Add("https://b/k?x-oss-signature=abc&x=y")
	f.Add("AccessKeySecret: abc")
	f.Fuzz(func(t *testing.T, text string) {
		once := Redact(text)
		if twice := Redact(once); twice != once {
			t.Errorf("once %q, twice %q", once, twice)
		}
	})
}
