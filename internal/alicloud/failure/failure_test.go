// SPDX-License-Identifier: Apache-2.0

package failure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"

	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"
)

func ossError(status int, code string) error {
	return fmt.Errorf("operation error: %w", &oss.ServiceError{StatusCode: status, Code: code})
}

func rpcError(status int, code string) error {
	return fmt.Errorf("calling: %w", &tea.SDKError{StatusCode: tea.Int(status), Code: tea.String(code)})
}

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want Class
	}{
		{"no error has no class", nil, Unknown},
		{"an error of our own has no class", errors.New("odd"), Unknown},
		{"a missing object", ossError(404, "NoSuchKey"), NotFound},
		{"a missing bucket", ossError(404, "NoSuchBucket"), NotFound},
		{"a HEAD without a body is judged by its status", ossError(404, "BadErrorResponse"), NotFound},
		{"a proxy's 502 page is worth another try", ossError(502, "BadErrorResponse"), Transient},
		{"a bucket of somebody else", ossError(403, "AccessDenied"), Denied},
		{"a disabled key", ossError(403, "InvalidAccessKeyId"), Unauthenticated},
		{"a wrong secret", ossError(403, "SignatureDoesNotMatch"), Unauthenticated},
		{"an expired token", ossError(403, "SecurityTokenExpired"), Expired},
		{"a replaced token", ossError(403, "InvalidSecurityToken"), Expired},
		{"a wrong clock", ossError(403, "RequestTimeTooSkewed"), Skewed},
		{"an archived object", ossError(403, "InvalidObjectState"), Conflict},
		{"an overdue payment", ossError(403, "UserDisable"), Quota},
		{"a broken front end", ossError(503, "ServiceUnavailable"), Transient},
		{"an unknown code with a server's status", ossError(500, "Whatever"), Transient},
		{"an unknown code with a client's status", ossError(400, "Whatever"), Invalid},
		{"throttled by OSS", ossError(503, "QpsLimitExceeded"), Throttled},
		{"a malformed argument", ossError(400, "InvalidArgument"), Invalid},

		{"an RPC service throttles", rpcError(400, "Throttling.User"), Throttled},
		{"an RPC service denies", rpcError(403, "NoPermission"), Denied},
		{"a RAM policy denies", rpcError(403, "Forbidden.RAM"), Denied},
		{"a snapshot that is not there", rpcError(404, "InvalidSnapshotId.NotFound"), NotFound},
		{"an unknown key at an RPC service", rpcError(404, "InvalidAccessKeyId.NotFound"), Unauthenticated},
		{"the snapshot quota", rpcError(403, "QuotaExceed.Snapshot"), Quota},
		{"a missing parameter", rpcError(400, "MissingParameter.RegionId"), Invalid},
		{"a disk that is having a snapshot taken", rpcError(403, "IncorrectDiskStatus.CreatingSnapshot"), Conflict},
		{"a disk in a wrong state", rpcError(403, "IncorrectDiskStatus"), Conflict},
		{"a snapshot that is not finished", rpcError(403, "InvalidSnapshotId.NotReady"), Conflict},
		{"a snapshot of which there are disks", rpcError(403, "SnapshotCreatedDisk"), Conflict},
		{"a snapshot that went wrong in the cloud", rpcError(403, "CreateSnapshot.Failed"), Transient},
		{"a request whose first sending is being worked on", rpcError(403, "IdempotentProcessing"), InProgress},
		{"a token of another request", rpcError(403, "IdempotentParameterMismatch"), Invalid},
		{"the quota of disks", rpcError(403, "OperationDenied.QuotaExceed"), Quota},
		{"an account in arrears", rpcError(403, "DiskInArrears"), Quota},
		{"a performance level that does not fit the size", rpcError(403, "OperationDenied.PerformanceLevelNotMatch"), Invalid},
		{"a zone without stock", rpcError(403, "OperationDenied.NoStock"), SoldOut},
		{"a zone that is closed", rpcError(400, "Zone.NotOnSale"), SoldOut},
		{"a category that the zone does not have", rpcError(400, "InvalidDataDiskCategory.NotSupported"), SoldOut},
		{"the same in the API's other spelling", rpcError(400, "InvalidDataDiskCatagory.NotSupported"), SoldOut},
		{"a category that is not there, by the code that CreateDisk shares with other APIs", rpcError(403, "InvalidDiskCategory.NotSupported"), SoldOut},
		{"a resource type that the zone does not have", rpcError(400, "InvalidResourceType.NotSupported"), SoldOut},
		{"a KMS key that is not there is no missing snapshot", rpcError(404, "InvalidParameter.KMSKeyId.NotFound"), KeyUnusable},
		{"a KMS key that is disabled", rpcError(403, "InvalidParameter.KMSKeyId.CMKNotEnabled"), KeyUnusable},
		{"a KMS key that ECS may not use", rpcError(403, "InvalidParameter.KMSKeyId.KMSUnauthorized"), KeyUnusable},

		{"a vault that is gone", rpcError(404, "VaultNotExist"), NotFound},
		{"a vault that is gone, with the status of a success", rpcError(200, "VaultNotExist"), NotFound},
		{"a job that is gone", rpcError(404, "ResourceNotFound"), NotFound},
		{"Cloud Backup that is not activated", rpcError(403, "ServiceNotActivated"), NotActivated},
		{"a role that Cloud Backup may not take", rpcError(403, "AssumeRoleFail"), NotActivated},
		{"a role that is not there is no missing vault", rpcError(404, "RoleNotExist"), NotActivated},
		{"no role for the API gateway", rpcError(403, "MagpieBridgeSlrNotExist"), NotActivated},
		{"an account that is prohibited", rpcError(403, "RiskControlProhibited"), Denied},
		{"an account in debt", rpcError(403, "InDebt"), Quota},
		{"an account long in debt, with the status of a success", rpcError(200, "InDebtOverdue"), Quota},
		{"the latest snapshot of a file system", rpcError(400, "CannotDeleteLatestSnapshot"), Conflict},
		{"a request that Cloud Backup does not understand", rpcError(400, "BadRequest"), Invalid},
		{"a task that Cloud Backup does not know, with a server's status", rpcError(500, "TaskTypeNotSupported"), Invalid},
		{"a vault that could not be initialised, with the status of a success", rpcError(200, "InitVaultError"), Transient},
		{"an internal error, with the status of a success", rpcError(200, "InternalError"), Transient},
		{"an unknown code with the status of a success", rpcError(200, "Whatever"), Unknown},
		{"a file system that is not there", rpcError(404, "InvalidFileSystem.NotFound"), NotFound},

		{"the caller gave up", fmt.Errorf("sending: %w", context.Canceled), Canceled},
		{"the time is over", &url.Error{Op: "Put", Err: context.DeadlineExceeded}, Canceled},
		{"a host that has no address", &url.Error{Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}}, Unreachable},
		{"a port that refuses", &url.Error{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, Unreachable},
		{"a connection that was reset", &url.Error{Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, Transient},
		{"a body that ended early", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), Transient},
		{"a connection that could not be made in time", &url.Error{Err: &net.OpError{Op: "dial", Err: dialTimeout()}}, Unreachable},
		{"a connection that net/http closed because it was idle", errors.New("http: server closed idle connection"), Transient},
		{"a part that does not have the digest it was sent with", ossError(400, "InvalidDigest"), Transient},
		{"the time is over in one of two errors", errors.Join(errors.New("odd"), fmt.Errorf("x: %w", context.DeadlineExceeded)), Canceled},
		{"a connection on which nothing moved", &url.Error{Err: &net.OpError{Op: "read", Err: timeout{}}}, Transient},
		{"an answer of a load balancer in place of an RPC service", fmt.Errorf("calling: %w", new(json.SyntaxError)), Transient},
		{"bytes that were changed on the way", errors.New("crc is inconsistent, client 1, server 2"), Transient},

		{"a role that is not there is no missing object", unsent(rpcError(404, "EntityNotExist.Role")), Unknown},
		{"an endpoint that is not that of STS is no missing object", unsent(rpcError(404, "InvalidAction.NotFound")), Unknown},
		{"a role that may not be assumed denies nothing of what was asked for", unsent(rpcError(403, "NoPermission")), Unknown},
		{"STS throttles", unsent(rpcError(400, "Throttling.User")), Throttled},
		{"STS is out of order", unsent(rpcError(503, "ServiceUnavailable")), Transient},
		{"the token to assume a role with has expired", unsent(rpcError(403, "InvalidSecurityToken.Expired")), Expired},
		{"STS does not know the key", unsent(rpcError(404, "InvalidAccessKeyId.NotFound")), Unauthenticated},
		{"STS cannot be reached", unsent(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Classify(tt.err); got != tt.want {
				t.Errorf("Classify(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

// unsent is the error of a request that was not sent because of err.
func unsent(err error) error { return fmt.Errorf("calling: %w", unsentError{err}) }

type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }
func (unsentError) Unsent()         {}

// dialTimeout is the error of a dialer whose own timeout is over.
func dialTimeout() error {
	_, err := (&net.Dialer{Timeout: 1}).Dial("tcp", "127.0.0.1:1")
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"a denial", rpcError(403, "NoPermission"), true},
		{"throttling", rpcError(403, "Throttling.User"), true},
		{"an expired token", rpcError(403, "InvalidSecurityToken.Expired"), true},
		{"an unknown code with the status of a success", rpcError(200, "Whatever"), true},
		{"a port that refuses", &url.Error{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, true},
		{"a service that failed", rpcError(500, "InternalError"), false},
		{"a service that failed with the status of a success", rpcError(200, "InternalError"), false},
		{"a request that is being worked on", rpcError(403, "IdempotentProcessing"), false},
		{"a connection that was reset", &url.Error{Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, false},
		{"an answer that ended early", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), false},
		{"an answer of a load balancer", fmt.Errorf("calling: %w", new(json.SyntaxError)), false},
		{"the time is over", &url.Error{Op: "Post", Err: context.DeadlineExceeded}, false},
		{"an error of our own", errors.New("odd"), false},
		{"a request that waited for credentials", unsent(context.DeadlineExceeded), true},
		{"a request for which STS failed", unsent(rpcError(500, "InternalError")), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Refused(tt.err); got != tt.want {
				t.Errorf("Refused(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want Answer
		text string
	}{
		{
			name: "an OSS error keeps its code, request id and the endpoint to ask instead",
			err: fmt.Errorf("operation error PutObject: %w", &oss.ServiceError{
				StatusCode: 403, Code: "AccessDenied", Message: "The bucket must be addressed elsewhere.", RequestID: "5C3D", EC: "0003-00001403",
				Snapshot: []byte(`<Error><Code>AccessDenied</Code><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>`),
			}),
			want: Answer{
				StatusCode: 403, Code: "AccessDenied", Message: "The bucket must be addressed elsewhere.", RequestID: "5C3D", EC: "0003-00001403",
				Endpoint: "oss-cn-beijing.aliyuncs.com",
			},
			text: `service returned error: StatusCode=403, ErrorCode=AccessDenied, ErrorMessage="The bucket must be addressed elsewhere.", RequestId=5C3D, Ec=0003-00001403`,
		},
		{
			name: "an RPC error keeps the request id of its body",
			err: fmt.Errorf("calling AssumeRole: %w", &tea.SDKError{
				StatusCode: tea.Int(403), Code: tea.String("NoPermission"), Message: tea.String("You are not authorized."),
				Data: tea.String(`{"RequestId":"A-1","Code":"NoPermission"}`),
			}),
			want: Answer{StatusCode: 403, Code: "NoPermission", Message: "You are not authorized.", RequestID: "A-1"},
			text: `service returned error: StatusCode=403, ErrorCode=NoPermission, ErrorMessage="You are not authorized.", RequestId=A-1`,
		},
		{
			name: "a denial names the action that RAM does not allow, in the cloud's own words",
			err: &tea.SDKError{
				StatusCode: tea.Int(403), Code: tea.String("Forbidden.RAM"), Message: tea.String("code: 403, User not authorized. request id: A-2"),
				Data: tea.String(`{"RequestId":"A-2","Message":"User not authorized.","AccessDeniedDetail":{"AuthAction":"ecs:CreateDisk"}}`),
			},
			want: Answer{StatusCode: 403, Code: "Forbidden.RAM", Message: "User not authorized.", RequestID: "A-2", DeniedAction: "ecs:CreateDisk"},
			text: `service returned error: StatusCode=403, ErrorCode=Forbidden.RAM, ErrorMessage="User not authorized.", RequestId=A-2`,
		},
		{
			name: "details in another form do not hide the request id",
			err: &tea.SDKError{
				StatusCode: tea.Int(403), Code: tea.String("NoPermission"), Message: tea.String("No."),
				Data: tea.String(`{"AccessDeniedDetail":"none","RequestId":"A-3"}`),
			},
			want: Answer{StatusCode: 403, Code: "NoPermission", Message: "No.", RequestID: "A-3"},
			text: `service returned error: StatusCode=403, ErrorCode=NoPermission, ErrorMessage="No.", RequestId=A-3`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := Of(tt.err)
			if !ok {
				t.Fatalf("Of(%v) found nothing", tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.text, got.String()); diff != "" {
				t.Errorf("text differs (-want +got):\n%s", diff)
			}
		})
	}
	if _, ok := Of(errors.New("odd")); ok {
		t.Error("Of took an error of our own for an answer of the cloud")
	}
	if _, ok := Of(unsent(rpcError(404, "EntityNotExist.Role"))); ok {
		t.Error("Of took what STS said for an answer to the request")
	}
}

func TestClassNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for class := Unknown; class <= NotActivated; class++ {
		if name := class.String(); name == "" || seen[name] {
			t.Errorf("class %d has no name of its own: %q", class, name)
		}
		seen[class.String()] = true
	}
	if got := Class(99).String(); got != "Class(99)" {
		t.Errorf("an invalid class is called %q", got)
	}
}
