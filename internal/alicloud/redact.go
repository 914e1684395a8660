// SPDX-License-Identifier: Apache-2.0

package alicloud

import "regexp"

// redacted stands where a secret was.
const redacted = "[redacted]"

// Redactor takes secrets out of text that goes to logs and messages: signatures
// and tokens of signed URLs, authorization headers, and access key secrets and
// tokens in the forms in which the SDKs and the credentials files print them.
type Redactor struct {
	patterns []*regexp.Regexp
}

// NewRedactor returns a Redactor.
func NewRedactor() *Redactor {
	const key = `(?:x-oss-signature|x-oss-security-token|x-oss-credential|security-token|signature|ossaccesskeyid|securitytoken|oidctoken)`
	const name = `(?:access_?key_?secret|access-key-secret|accesskeysecret|aws_secret_access_key|security_?token|sts_?token|aws_session_token|addon\.token\.config|x-acs-security-token|x-oss-security-token)`
	return &Redactor{patterns: []*regexp.Regexp{
		regexp.MustCompile(`(?i)([?&]` + key + `=)[^&\s"']+`),
		regexp.MustCompile(`(?i)(authorization["']?\s*[:=]\s*["']?(?:OSS4?(?:-HMAC-SHA256)?|ACS3-HMAC-SHA256)\s+)[^"'\n]+`),
		regexp.MustCompile(`(?i)(` + name + `["']?\s*[:=]\s*["']?)[^"'\s,;&}]+`),
	}}
}

// Redact returns text without the secrets in it. Redacting twice is the same as once.
func (r *Redactor) Redact(text string) string {
	for _, pattern := range r.patterns {
		text = pattern.ReplaceAllString(text, "${1}"+redacted)
	}
	return text
}
