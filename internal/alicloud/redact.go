// SPDX-License-Identifier: Apache-2.0

package alicloud

import "regexp"

// redacted stands where a secret was.
const redacted = "[redacted]"

var (
	// secretParameter matches what a signed URL or a call to STS carries in its query.
	secretParameter = regexp.MustCompile(`(?i)([?&](?:x-oss-signature|x-oss-security-token|x-oss-credential|security-token|signature|ossaccesskeyid|securitytoken|oidctoken)=)[^&\s"']+`)
	// secretHeader matches the authorization of OSS (V1, V4) and of the RPC services.
	secretHeader = regexp.MustCompile(`(?i)(authorization["']?\s*[:=]\s*["']?(?:OSS4?(?:-HMAC-SHA256)?|ACS3-HMAC-SHA256)\s+)[^"'\n]+`)
	// secretField matches keys and tokens as credentials files, STS and the SDKs write them.
	secretField = regexp.MustCompile(`(?i)((?:access_?key_?secret|access-key-secret|aws_secret_access_key|security_?token|sts_?token|aws_session_token|addon\.token\.config|x-acs-security-token)["']?\s*[:=]\s*["']?)[^"'\s,;&}]+`)
)

// Redact returns text, which is to go to a log or a message, without the secrets
// in it. Redacting twice is the same as once.
func Redact(text string) string {
	for _, secret := range []*regexp.Regexp{secretParameter, secretHeader, secretField} {
		text = secret.ReplaceAllString(text, "${1}"+redacted)
	}
	return text
}
