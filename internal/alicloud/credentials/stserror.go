// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/alibabacloud-go/tea/tea"
)

// stsError is a refusal by STS, or a call that did not reach it, in one line.
type stsError struct {
	action, endpoint string
	code, message    string // Empty where STS did not answer.
	status           int
	err              error
}

func newSTSError(action, endpoint string, err error) *stsError {
	failure := &stsError{action: action, endpoint: endpoint, err: err}
	var refused *tea.SDKError
	if errors.As(err, &refused) {
		failure.code = tea.StringValue(refused.Code)
		failure.status = tea.IntValue(refused.StatusCode)
		// "code: 403, You are not authorized ... request id: 6894B13B-..."
		failure.message = tea.StringValue(refused.Message)
	}
	return failure
}

// Error names what was called, what STS said with its request id, and the remedy.
func (e *stsError) Error() string {
	said := e.err.Error()
	if e.code != "" || e.message != "" {
		said = e.code + " (" + e.message + ")"
	}
	text := fmt.Sprintf("STS %s at %s: %s", e.action, e.endpoint, said)
	if remedy := e.remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// Unwrap returns the SDK's error.
func (e *stsError) Unwrap() error { return e.err }

// remedy returns what a person can do about the error. The codes are those of
// the STS API reference for AssumeRole and AssumeRoleWithOIDC.
func (e *stsError) remedy() string {
	switch {
	case errors.Is(e.err, context.Canceled):
		return ""
	case e.status == 0:
		return "where there is no way to the Internet, set " + variableSTSEndpoint + " to sts-vpc.<region>.aliyuncs.com"
	case strings.HasPrefix(e.code, "EntityNotExist"):
		return "check the ARNs of the role and of the OIDC provider: case and account id count"
	case strings.HasPrefix(e.code, "AuthenticationFail.OIDCToken"):
		return "the service account token must be a projected one that is not expired, with the audience that the OIDC provider expects"
	case strings.HasPrefix(e.code, "AuthenticationFail"):
		return "the trust policy of the role must name the OIDC provider, and the pod's service account in oidc:sub"
	case strings.HasPrefix(e.code, "NoPermission"), strings.HasPrefix(e.code, "Forbidden"):
		return "the caller needs sts:AssumeRole on the role, and the trust policy of the role must name the caller"
	case strings.HasPrefix(e.code, "InvalidAccessKeyId"), strings.HasPrefix(e.code, "SignatureDoesNotMatch"),
		strings.HasPrefix(e.code, "InvalidSecurityToken"), e.code == "IncompleteSignature":
		return "the credentials to assume the role with are wrong, disabled or expired"
	}
	return ""
}
