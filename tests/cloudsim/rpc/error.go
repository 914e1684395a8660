// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"fmt"
	"net/http"
)

// Error is an error answer of an RPC service. The codes of the gateway itself, their HTTP status and wording are
// those of "Common error codes of OpenAPI".
type Error struct {
	Status  int
	Code    string
	Message string
	// AccessDenied explains a denial by RAM. It is nil for any other error.
	AccessDenied *AccessDenied
}

// AccessDenied is the AccessDeniedDetail of an error answer.
type AccessDenied struct {
	AuthAction               string `json:"AuthAction"`
	AuthPrincipalDisplayName string `json:"AuthPrincipalDisplayName"`
	AuthPrincipalOwnerID     string `json:"AuthPrincipalOwnerId"`
	AuthPrincipalType        string `json:"AuthPrincipalType"`
	NoPermissionType         string `json:"NoPermissionType"`
	PolicyType               string `json:"PolicyType"`
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// BadRequest returns an error with status 400.
func BadRequest(code, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// Forbidden returns an error with status 403.
func Forbidden(code, message string) *Error {
	return &Error{Status: http.StatusForbidden, Code: code, Message: message}
}

// NotFound returns an error with status 404.
func NotFound(code, message string) *Error {
	return &Error{Status: http.StatusNotFound, Code: code, Message: message}
}

// missing is the answer to a request that lacks a parameter, or a header that stands for one.
func missing(name string) *Error {
	return BadRequest("Missing"+name, name+" is mandatory for this action.")
}

// invalid is the answer to a parameter that is not of its type.
func invalid(name string) *Error {
	return BadRequest("Invalid"+name, "Specified parameter "+name+" is not valid.")
}

// InternalError is the answer to what went wrong inside of the service.
func InternalError() *Error {
	return &Error{
		Status: http.StatusInternalServerError, Code: "InternalError",
		Message: "The request processing has failed due to some unknown error.",
	}
}
