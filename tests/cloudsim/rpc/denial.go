// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"net/http"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

// DenialCode is the code with which a service says that RAM denies a call.
type DenialCode string

// The codes of denials. See "How do I troubleshoot an access denied error?" in the RAM documentation.
const (
	// NoPermission is the code of STS and of most services.
	NoPermission DenialCode = "NoPermission"
	// ForbiddenRAM is the code of ECS, see "Announcement of changes to the authentication mechanism for Alibaba Cloud
	// ECS query API operations".
	ForbiddenRAM DenialCode = "Forbidden.RAM"
)

// message is empty for a code that is not known.
func (d DenialCode) message() string {
	switch d {
	case NoPermission:
		return "You are not authorized to do this action. You should be authorized by RAM."
	case ForbiddenRAM:
		return "User not authorized to operate on the specified resource, or this API doesn't support RAM."
	default:
		return ""
	}
}

// Denied is the answer to a caller whose policies do not allow an action.
func (d DenialCode) Denied(c account.Caller, action string, decision account.Decision) *Error {
	_, name, _ := strings.Cut(c.ARN, "/")
	kind := "SubUser"
	if c.Session {
		kind = "AssumedRoleUser"
		name = strings.Replace(name, "/", ":", 1)
	}
	return &Error{
		Status: http.StatusForbidden, Code: string(d), Message: d.message(),
		AccessDenied: &AccessDenied{
			AuthAction: action, AuthPrincipalDisplayName: name, AuthPrincipalOwnerID: c.AccountID,
			AuthPrincipalType: kind, NoPermissionType: decision.NoPermissionType, PolicyType: decision.PolicyType,
		},
	}
}
