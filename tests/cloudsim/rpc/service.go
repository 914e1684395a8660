// SPDX-License-Identifier: Apache-2.0

// Package rpc is what the RPC services of the simulated cloud have in common: the wire form, signatures, the check
// of parameters and of permissions, and the form of errors. A service is a table of operations.
package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// Call is a call whose signature, parameters and permission have been checked.
type Call struct {
	// Caller signed the call. It is the zero Caller for an anonymous operation.
	Caller account.Caller
	// Params are the parameters. Those that must be given are there, and each is of its type.
	Params Params
	// Region is that of the endpoint, or else of the parameter RegionId, or else the service's default.
	Region string
}

// Operation is one action of a service.
type Operation struct {
	// Action is the API's name, such as CreateSnapshot. It must be in the specification.
	Action string
	// Anonymous is for an action that takes no signature.
	Anonymous bool
	// RAMAction is what the caller's policies must allow, such as ecs:CreateSnapshot. Empty is for an action that
	// needs no permission, or checks it itself.
	RAMAction string
	// Resources are the ARNs on which RAMAction must be allowed. Nil means all resources of the service in the
	// region: acs:<product>:<region>:<account>:*.
	Resources func(*Call) []string
	// Target names the parameter that tells what the call is about, for the journal and for fault rules.
	Target string
	// Handle does the work. The result is encoded as JSON with RequestId added; nil is an answer with that alone.
	// An error that is not an *Error becomes an InternalError.
	Handle func(context.Context, *Call) (any, error)
}

// Authorizer decides what a caller may do. It is account.Registry.
type Authorizer interface {
	Decide(c account.Caller, action, resource string) account.Decision
}

// Config is what a service is made of.
type Config struct {
	// Product is the name in the specification, in endpoints and in the journal: ecs, sts, hbr, nas.
	Product string
	// Region is the default region.
	Region        string
	Verifier      *Verifier
	Authorizer    Authorizer
	Specification *Specification
	// DenialCode is the code of a denial by RAM. Empty means NoPermission.
	DenialCode DenialCode
}

// Service is one product behind the RPC gateway. It implements front.Service.
type Service struct {
	config     Config
	version    string
	operations map[string]Operation
}

// NewService returns a service. An operation that the specification does not have is an error, and so is a denial code
// that is not known.
func NewService(config Config, operations ...Operation) (*Service, error) {
	spec, ok := config.Specification.products[config.Product]
	if !ok {
		return nil, fmt.Errorf("product %s is not in the specification", config.Product)
	}
	if config.DenialCode == "" {
		config.DenialCode = NoPermission
	}
	if config.DenialCode.message() == "" {
		return nil, fmt.Errorf("denial code %q of product %s is not known", config.DenialCode, config.Product)
	}
	s := &Service{config: config, version: spec.Version, operations: make(map[string]Operation, len(operations))}
	for _, op := range operations {
		if _, ok := spec.Actions[op.Action]; !ok {
			return nil, fmt.Errorf("action %s of product %s is not in the specification", op.Action, config.Product)
		}
		s.operations[op.Action] = op
	}
	return s, nil
}

// Name implements front.Service.
func (s *Service) Name() string { return s.config.Product }

// Operation implements front.Service. The request must come through a Mux.
func (s *Service) Operation(r *http.Request) (operation, resource string) {
	h := headOf(r)
	return h.action, h.params.String(s.operations[h.action].Target)
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone, or a fault has cut the connection
	}
	result, err := s.serve(r, body)
	if err != nil {
		var failure *Error
		if !errors.As(err, &failure) {
			failure = InternalError()
		}
		s.writeError(w, r, failure)
		return
	}
	s.writeResult(w, r, result)
}

func (s *Service) serve(r *http.Request, body []byte) (any, error) {
	h := headOf(r)
	if h.version != s.version {
		return nil, invalid(paramVersion)
	}
	op, ok := s.operations[h.action]
	if !ok {
		return nil, NotFound("InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
	}
	params := readParams(r, body)
	call := &Call{Params: params, Region: s.regionOf(r, params)}
	entry := journal.From(r.Context())
	if !op.Anonymous {
		caller, failure := s.config.Verifier.verify(r, body, params)
		if failure != nil {
			return nil, failure
		}
		call.Caller = caller
		entry.Caller = caller.ARN
	}
	unknown, failure := s.config.Specification.check(s.config.Product, op.Action, params)
	if failure != nil {
		return nil, failure
	}
	entry.UnknownParameters = unknown
	if failure := s.authorize(op, call); failure != nil {
		return nil, failure
	}
	return op.Handle(r.Context(), call)
}

func (s *Service) regionOf(r *http.Request, p Params) string {
	if e, ok := ParseEndpoint(r.Host); ok && e.Region != "" {
		return e.Region
	}
	if region := p.String("RegionId"); region != "" {
		return region
	}
	return s.config.Region
}

func (s *Service) authorize(op Operation, call *Call) *Error {
	if op.RAMAction == "" {
		return nil
	}
	resources := []string{"acs:" + s.config.Product + ":" + call.Region + ":" + call.Caller.AccountID + ":*"}
	if op.Resources != nil {
		resources = op.Resources(call)
	}
	for _, resource := range resources {
		if d := s.config.Authorizer.Decide(call.Caller, op.RAMAction, resource); !d.Allowed {
			return s.config.DenialCode.Denied(call.Caller, op.RAMAction, d)
		}
	}
	return nil
}

// WriteError implements front.Service.
func (s *Service) WriteError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	s.writeError(w, r, &Error{Status: status, Code: code, Message: message})
}

// errorBody is the error answer on the wire.
type errorBody struct {
	RequestID          string        `json:"RequestId"`
	HostID             string        `json:"HostId"`
	Code               string        `json:"Code"`
	Message            string        `json:"Message"`
	Recommend          string        `json:"Recommend"`
	AccessDeniedDetail *AccessDenied `json:"AccessDeniedDetail,omitempty"`
}

func (s *Service) writeError(w http.ResponseWriter, r *http.Request, e *Error) {
	entry := journal.From(r.Context())
	entry.Code = e.Code
	writeJSON(w, e.Status, entry.RequestID, errorBody{
		RequestID: entry.RequestID, HostID: r.Host, Code: e.Code, Message: e.Message,
		Recommend:          "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(e.Code) + "&product=" + s.config.Product,
		AccessDeniedDetail: e.AccessDenied,
	})
}

func (s *Service) writeResult(w http.ResponseWriter, r *http.Request, result any) {
	id := journal.From(r.Context()).RequestID
	members := map[string]json.RawMessage{}
	if result != nil {
		data, err := json.Marshal(result)
		if err == nil {
			err = json.Unmarshal(data, &members)
		}
		if err != nil {
			s.writeError(w, r, InternalError())
			return
		}
	}
	members["RequestId"] = json.RawMessage(`"` + id + `"`)
	writeJSON(w, http.StatusOK, id, members)
}

func writeJSON(w http.ResponseWriter, status int, requestID string, body any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.Header().Set("x-acs-request-id", requestID)
	w.WriteHeader(status)
	// The types that come here can all be encoded: an error means that the client has gone.
	_ = json.NewEncoder(w).Encode(body)
}

// NewNowhere returns the service for calls that belong to no product: it has no operation.
func NewNowhere() *Service { return &Service{config: Config{Product: "rpc"}} }
