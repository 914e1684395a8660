// SPDX-License-Identifier: Apache-2.0

// Package fault decides which requests to the simulated cloud go wrong, and how.
package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/wildcard"
)

// Direction is the body on which a rule acts.
type Direction string

// The bodies of a request. The zero value means Response.
const (
	Request  Direction = "request"
	Response Direction = "response"
)

// Rule says which requests go wrong and how. Effects can be combined in one rule.
//
// In JSON and YAML durations are strings such as "1m30s".
type Rule struct {
	// Service, Operation and Resource select requests, by patterns with * and ?. An empty one selects all.
	Service   string `json:"service,omitempty"`
	Operation string `json:"operation,omitempty"`
	Resource  string `json:"resource,omitempty"`

	// Skip lets the first requests that are selected pass.
	Skip int `json:"skip,omitempty"`
	// Count ends the rule after so many requests. 0 is for ever.
	Count int `json:"count,omitempty"`
	// Probability is the share of the selected requests that go wrong, 0 < p <= 1. 0 is all of them.
	Probability float64 `json:"probability,omitempty"`

	// Latency delays the request before the service sees it.
	Latency time.Duration `json:"-"`
	// Bandwidth limits both bodies, in bytes per second. The requests of a connection come one after the other,
	// so it is the limit of each connection.
	Bandwidth int64 `json:"bandwidth,omitempty"`

	// Status makes the service answer with this HTTP status and an error of this Code and Message, without doing
	// anything.
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`

	// Direction is the body on which Reset, Truncate, Corrupt and Stall act. After is how many of its bytes pass
	// untouched first. A body that is shorter stays whole.
	Direction Direction `json:"direction,omitempty"`
	After     int64     `json:"after,omitempty"`
	// Reset drops the TCP connection. With Response and After 0 the service has done its work, and only the
	// answer is lost.
	Reset bool `json:"reset,omitempty"`
	// Truncate ends the connection in order, short of what Content-Length announced. It is for Response alone.
	Truncate bool `json:"truncate,omitempty"`
	// Corrupt inverts the bits of one byte.
	Corrupt bool `json:"corrupt,omitempty"`
	// Stall stops the body for so long, then goes on.
	Stall time.Duration `json:"-"`

	// ClockSkew is added to the service's clock.
	ClockSkew time.Duration `json:"-"`
	// ExpireToken makes the service take the security token for an expired one. Permanent keys are not affected.
	ExpireToken bool `json:"expireToken,omitempty"`
}

// fields has the fields of Rule, without its methods.
type fields Rule

// wire is the form of Rule in JSON.
type wire struct {
	*fields

	Latency   metav1.Duration `json:"latency,omitzero"`
	Stall     metav1.Duration `json:"stall,omitzero"`
	ClockSkew metav1.Duration `json:"clockSkew,omitzero"`
}

// UnmarshalJSON implements json.Unmarshaler. An unknown field is an error.
func (r *Rule) UnmarshalJSON(data []byte) error {
	*r = Rule{}
	w := wire{fields: (*fields)(r)}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w); err != nil {
		return fmt.Errorf("fault rule: %w", err)
	}
	r.Latency, r.Stall, r.ClockSkew = w.Latency.Duration, w.Stall.Duration, w.ClockSkew.Duration
	return nil
}

// MarshalJSON implements json.Marshaler.
func (r Rule) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{
		fields:    (*fields)(&r),
		Latency:   metav1.Duration{Duration: r.Latency},
		Stall:     metav1.Duration{Duration: r.Stall},
		ClockSkew: metav1.Duration{Duration: r.ClockSkew},
	})
}

// validate refuses a rule that could never do what it says.
func (r Rule) validate() error {
	// Durations are numbers of nanoseconds.
	if min(int64(r.Skip), int64(r.Count), r.After, r.Bandwidth, int64(r.Latency), int64(r.Stall)) < 0 {
		return errors.New("skip, count, after, bandwidth, latency and stall must not be negative")
	}
	switch {
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("probability %v is not within 0 and 1", r.Probability)
	case !slices.Contains([]Direction{"", Request, Response}, r.Direction):
		return fmt.Errorf("direction %q is neither %s nor %s", r.Direction, Request, Response)
	case r.Truncate && r.Direction == Request:
		return errors.New("a request can not be truncated by the server, only reset")
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return fmt.Errorf("status %d is not that of an error", r.Status)
	case r.Status == 0 && (r.Code != "" || r.Message != ""):
		return errors.New("code and message need a status")
	case !r.acts():
		return errors.New("the rule has no effect")
	default:
		return nil
	}
}

func (r Rule) acts() bool {
	return r.Latency > 0 || r.Bandwidth > 0 || r.Status != 0 || r.Reset || r.Truncate || r.Corrupt || r.Stall > 0 ||
		r.ClockSkew != 0 || r.ExpireToken
}

func (r Rule) selects(service, operation, resource string) bool {
	return selects(r.Service, service) && selects(r.Operation, operation) && selects(r.Resource, resource)
}

func selects(pattern, name string) bool { return pattern == "" || wildcard.Match(pattern, name) }
