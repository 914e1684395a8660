// SPDX-License-Identifier: Apache-2.0

// Package failure says in one form what the cloud or the way to it answered when
// a request failed, and what kind of failure it is.
package failure

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// Class says what kind of failure an error is, and thereby what can be done about it.
type Class int

// The classes of failure. Every error of the OSS and the OpenAPI SDKs, and of
// the network below them, is in exactly one.
const (
	// Unknown is an error that the cloud did not make, or that has no class of its own.
	Unknown Class = iota
	// NotFound: what was asked for is not there.
	NotFound
	// Denied: the caller is known and may not do this.
	Denied
	// Unauthenticated: the access key is unknown, disabled or signs wrongly.
	Unauthenticated
	// Expired: the security token has run out or was replaced. New credentials help.
	Expired
	// Throttled: too many requests; the same request succeeds later.
	Throttled
	// Transient: the service or the connection failed; the same request may succeed now.
	Transient
	// Unreachable: no connection could be made at all.
	Unreachable
	// Skewed: the clock of this machine differs from the cloud's by more than 15 minutes.
	Skewed
	// Conflict: the thing exists already or is in a state that does not permit the request.
	Conflict
	// Quota: a limit of the account is reached, or it is in arrears.
	Quota
	// Invalid: the request is malformed and will never succeed.
	Invalid
	// Canceled: the caller gave up, or the time it allowed is over.
	Canceled
	// InProgress: the same request is being worked on; sent again it gets the answer.
	InProgress
	// SoldOut: the zone does not sell this, or has no more of it. Another zone or kind may do.
	SoldOut
	// KeyUnusable: the KMS key is not there or disabled, or the service may not use it.
	KeyUnusable
	// NotActivated: the account has not activated the service, or has not granted it the
	// role that it needs.
	NotActivated
)

// String returns the name of the class, for logs.
func (c Class) String() string {
	names := [...]string{
		"unknown", "not found", "denied", "unauthenticated", "expired credentials", "throttled", "transient",
		"unreachable", "clock skew", "conflict", "quota", "invalid", "canceled",
		"in progress", "sold out", "unusable key", "not activated",
	}
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return names[c]
}

// Answer is what the cloud said of a request that it refused, in one form for
// the XML of OSS and the JSON of the RPC services.
type Answer struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the cloud's error code, such as NoSuchKey.
	Code string
	// Message is the cloud's explanation.
	Message string
	// RequestID is what Alibaba Cloud's support asks for.
	RequestID string
	// EC is the finer error code of OSS; empty for other services.
	EC string
	// Endpoint is the one that OSS says must be asked instead; usually empty.
	Endpoint string
	// DeniedAction is what RAM does not allow, such as ecs:CreateSnapshot; empty
	// where an RPC service does not say so.
	DeniedAction string
}

// String writes the answer the way the backup center's messages have it, with
// what Alibaba Cloud's support asks for at the end.
func (a Answer) String() string {
	text := fmt.Sprintf("service returned error: StatusCode=%d, ErrorCode=%s, ErrorMessage=%q, RequestId=%s", a.StatusCode, a.Code, a.Message, a.RequestID)
	if a.EC != "" {
		text += ", Ec=" + a.EC
	}
	return text
}

// Unsent is an error because of which a request was not sent, such as that of its
// credentials. What a service said in it was said to whoever asked for those, and is
// no answer to the request: that a role is not there does not tell that an object is not.
type Unsent interface {
	error
	// Unsent does nothing; it tells such errors from others.
	Unsent()
}

// isUnsent tells whether err is, or wraps, why a request was not sent.
func isUnsent(err error) bool {
	var unsent Unsent
	return errors.As(err, &unsent)
}

// Of finds what the cloud said in the chain of err. It returns false when
// err is not an answer of the cloud to the request that failed.
func Of(err error) (Answer, bool) {
	if isUnsent(err) {
		return Answer{}, false
	}
	return answerIn(err)
}

// answerIn finds what any service of the cloud said in the chain of err.
func answerIn(err error) (Answer, bool) {
	var ossErr *oss.ServiceError
	if errors.As(err, &ossErr) {
		return Answer{
			StatusCode: ossErr.StatusCode,
			Code:       ossErr.Code,
			Message:    ossErr.Message,
			RequestID:  ossErr.RequestID,
			EC:         ossErr.EC,
			Endpoint:   endpointIn(ossErr.Snapshot),
		}, true
	}
	var teaErr *tea.SDKError
	if errors.As(err, &teaErr) {
		body := parseRPCBody(tea.StringValue(teaErr.Data))
		return Answer{
			StatusCode:   tea.IntValue(teaErr.StatusCode),
			Code:         tea.StringValue(teaErr.Code),
			Message:      cmp.Or(body.Message, tea.StringValue(teaErr.Message)),
			RequestID:    body.RequestID,
			DeniedAction: body.AccessDeniedDetail.AuthAction,
		}, true
	}
	return Answer{}, false
}

// Classify returns the class of err. A nil error is Unknown.
func Classify(err error) Class {
	if err == nil {
		return Unknown
	}
	if errors.Is(err, context.Canceled) || deadlinePassed(err) {
		return Canceled
	}
	answer, ok := answerIn(err)
	switch {
	case !ok:
		return classifyNetwork(err)
	case isUnsent(err):
		return answer.Class().ofUnsent()
	}
	return answer.Class()
}

// ofUnsent is the class of a request that was not sent, by that of what was said
// instead: whether another attempt, or other credentials, may help. The rest would
// be taken for something that was said of what the request is about.
func (c Class) ofUnsent() Class {
	switch c {
	case Unauthenticated, Expired, Throttled, Transient, Skewed:
		return c
	default:
		return Unknown
	}
}

// Class returns the class of what the cloud said. The code decides; where it is
// not known, the HTTP status.
func (a Answer) Class() Class {
	if class, ok := classOfCode(a.Code); ok {
		return class
	}
	switch {
	case a.StatusCode == http.StatusNotFound:
		return NotFound
	case a.StatusCode == http.StatusConflict:
		return Conflict
	case a.StatusCode == http.StatusTooManyRequests:
		return Throttled
	case a.StatusCode == http.StatusRequestTimeout, a.StatusCode >= http.StatusInternalServerError:
		return Transient
	case a.StatusCode == http.StatusForbidden, a.StatusCode == http.StatusUnauthorized:
		return Denied
	case a.StatusCode >= http.StatusBadRequest:
		return Invalid
	}
	return Unknown
}

// classOfCode knows the error codes whose HTTP status alone would mislead. The
// codes are from the error tables of OSS, ECS, STS and Cloud Backup. Codes of
// the RPC services have dotted details, so that a prefix decides.
func classOfCode(code string) (Class, bool) {
	switch code {
	case "SecurityTokenExpired", "InvalidSecurityToken", "InvalidSecurityToken.Expired", "InvalidSecurityToken.MismatchWithAccessKey":
		return Expired, true
	case "InvalidAccessKeyId", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "SignatureDoesNotMatch":
		return Unauthenticated, true
	case "RequestTimeTooSkewed", "InvalidTimeStamp.Expired":
		return Skewed, true
	case "NoSuchKey", "NoSuchBucket", "NoSuchUpload":
		return NotFound, true
	case "FileAlreadyExists", "InvalidObjectState", "PreconditionFailed", "RestoreAlreadyInProgress",
		"DISK_HAS_CREATING_SNAPSHOT", "DiskCreatingSnapshot", "SnapshotCreatedDisk",
		"InvalidSnapshotId.NotReady", "InvalidOperation.UnfinishedCrossRegionCopy":
		return Conflict, true
	case "IdempotentProcessing":
		return InProgress, true
	case "OperationDenied.NoStock", "Zone.NotOnSale", "InvalidResourceType.NotSupported",
		"InvalidDataDiskCategory.NotSupported", "InvalidDataDiskCatagory.NotSupported", "InvalidDiskCategory.NotSupported":
		// The misspelt one is the API's own, and CreateDisk has all three.
		return SoldOut, true
	case "InvalidDigest":
		// The bytes that arrived are not those of the Content-MD5 that was sent with them.
		return Transient, true
	case "RequestTimeout", "InternalError", "ServiceUnavailable", "ConnectionTimeout", "CreateSnapshot.Failed":
		return Transient, true
	case "QpsLimitExceeded", "DownloadTrafficRateLimitExceeded", "UploadTrafficRateLimitExceeded", "TotalQpsLimitExceeded":
		return Throttled, true
	case "UserDisable", "DiskInArrears", "InvalidAccountStatus.NotEnoughBalance", "OperationDenied.QuotaExceed":
		return Quota, true
	case "BadErrorResponse":
		// The SDK's own code for an answer that is not OSS's: a proxy or a load
		// balancer in between answered. The HTTP status decides.
		return Unknown, false
	}
	if class, ok := classOfHBR(code); ok {
		return class, true
	}
	return classOfPrefix(code)
}

// classOfHBR knows the codes of Cloud Backup, which come with HTTP status 200 too.
// Source: Cloud Backup API reference, "Error codes".
func classOfHBR(code string) (Class, bool) {
	switch code {
	case "VaultNotExist", "ResourceNotFound", "TaskNotFound", "ObjectNotExist":
		return NotFound, true
	case "ServiceNotActivated", "AssumeRoleFail", "RoleNotExist", "MagpieBridgeSlrNotExist":
		// A role that is not there is no reason to take what was asked for as deleted.
		return NotActivated, true
	case "RiskControlProhibited":
		return Denied, true
	case "InDebt", "InDebtOverdue":
		return Quota, true
	case "CannotDeleteLatestSnapshot":
		// Source: Security Center API reference, DeleteBackupSnapshot, which passes on what Cloud Backup says.
		return Conflict, true
	case "BadRequest", "TaskTypeNotSupported":
		return Invalid, true
	case "InitVaultError", "AccessVaultFail", "EcsClientError":
		return Transient, true
	}
	return Unknown, false
}

// classOfPrefix knows the families of codes. The first prefix that fits decides.
func classOfPrefix(code string) (Class, bool) {
	for _, rule := range []struct {
		prefix string
		class  Class
	}{
		{"InvalidParameter.KMSKeyId", KeyUnusable},
		{"Throttling", Throttled},
		{"QuotaExceed", Quota},
		{"Incorrect", Conflict},
		{"OperationDenied", Invalid},
		{"Idempotent", Invalid},
		{"Forbidden", Denied},
		{"NoPermission", Denied},
		{"AccessDenied", Denied},
		{"Invalid", Invalid},
		{"Missing", Invalid},
	} {
		if strings.HasPrefix(code, rule.prefix) {
			if rule.class != KeyUnusable && strings.HasSuffix(code, ".NotFound") {
				return NotFound, true
			}
			return rule.class, true
		}
	}
	return Unknown, false
}

// deadlinePassed tells whether the time that the caller allows is over. It looks
// for the very error of the context, for the timeouts of net and net/http, which
// are worth another attempt, also say that they are it (errors.Is).
func deadlinePassed(err error) bool {
	if err == context.DeadlineExceeded { //nolint:errorlint // See above.
		return true
	}
	switch wrapped := err.(type) { //nolint:errorlint // This is the walk down the chain.
	case interface{ Unwrap() error }:
		return deadlinePassed(wrapped.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(wrapped.Unwrap(), deadlinePassed)
	}
	return false
}

// brokenConnections are how the OSS SDK and net/http say, without types of their
// own, that bytes were changed on the way or that a connection broke.
func brokenConnections() []string {
	return []string{"crc is inconsistent", "server closed idle connection", "transport connection broken"}
}

// endpointIn takes the element Endpoint from the XML of an OSS error.
func endpointIn(body []byte) string {
	var answer struct {
		Endpoint string `xml:"Endpoint"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return ""
	}
	return answer.Endpoint
}

// rpcBody is the body of an RPC error. The SDK's own message is that of the body
// with the status and the request id written around it.
type rpcBody struct {
	Message            string
	RequestID          string `json:"RequestId"`
	AccessDeniedDetail struct {
		AuthAction string
	}
}

// parseRPCBody reads the body of an RPC error. What is missing or malformed is left
// empty, for some gateways answer otherwise.
func parseRPCBody(data string) rpcBody {
	var body rpcBody
	_ = json.Unmarshal([]byte(data), &body) // What could be read is there.
	return body
}

// classifyNetwork classifies what is not an answer of the cloud: an error of the
// connection, or of one of the layers that carry it.
func classifyNetwork(err error) Class {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return Unreachable
	}
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") {
		return Unreachable
	}
	for _, broken := range []error{
		io.ErrUnexpectedEOF, io.EOF, net.ErrClosed,
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, broken) {
			return Transient
		}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		// Not the service answered but a proxy or a load balancer before it.
		return Transient
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return Transient
	}
	for _, text := range brokenConnections() {
		if strings.Contains(err.Error(), text) {
			return Transient
		}
	}
	return Unknown
}

// Refused tells whether a request that failed with err was certainly not carried out:
// the cloud refused it, or it was not sent, or did not get there. After any other failure,
// such as an answer that was lost, it may have been.
func Refused(err error) bool {
	if isUnsent(err) {
		return true
	}
	switch Classify(err) {
	case Unreachable:
		return true
	case Transient, InProgress, Canceled:
		return false
	default:
		_, answered := Of(err)
		return answered
	}
}

// LostError is why no connection could be made to an endpoint that has answered this process
// before. It is of the class Unreachable, and the address is not a wrong one.
type LostError struct{ Err error }

// Error returns the text of the error below.
func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap returns the error below.
func (e *LostError) Unwrap() error { return e.Err }

// MaxAttempts is how often a request is sent at most for one class of failures, and how often
// to an endpoint that is lost. By retry.Default that takes about two minutes: a backup of hours shall not
// fail because the network was away for one.
const MaxAttempts = 20

// Attempts is how often a request is sent in all when it fails with err, and with
// nothing of another class.
func Attempts(err error) int {
	class := Classify(err)
	var lost *LostError
	if class == Unreachable && errors.As(err, &lost) {
		return MaxAttempts
	}
	return class.attempts()
}

// Tally counts what one request failed with, each class of failure by itself. Its zero
// value is ready for use, by one goroutine at a time.
type Tally struct{ failed map[Class]int }

// Again counts err, and tells whether the request is worth another attempt.
func (t *Tally) Again(err error) bool {
	if t.failed == nil {
		t.failed = map[Class]int{}
	}
	class := Classify(err)
	t.failed[class]++
	return t.failed[class] < Attempts(err)
}

func (c Class) attempts() int {
	switch c {
	case Transient, Throttled, InProgress:
		return 10
	case Unreachable, Expired:
		// An address that refuses or is silent is most likely wrong, and each
		// attempt may cost a connection timeout. A token that was just fetched anew
		// and is refused again will not be better the fourth time.
		return 3
	case Skewed:
		// Once more: the SDK has taken the cloud's clock from the refusal.
		return 2
	default:
		return 1
	}
}
