// SPDX-License-Identifier: Apache-2.0

package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/wildcard"
)

// policyVersion is the only version of the RAM policy language.
const policyVersion = "1"

// Policy is a RAM policy document, ready to be evaluated. It is read from the JSON format of RAM, see "Policy
// structure and syntax" in the RAM documentation.
type Policy struct {
	statements []statement
}

// TrustPolicy is the policy of a role that says who may assume it.
type TrustPolicy struct {
	statements []trustStatement
}

// verdict is what statements say about a request.
type verdict int

const (
	implicitDeny verdict = iota
	explicitDeny
	allow
)

type statement struct {
	deny      bool
	action    matcher
	resources []string
	tests     []test
}

// matcher matches action names, which are not case-sensitive.
type matcher struct {
	patterns []string
	// inverted is set by NotAction.
	inverted bool
}

func (m matcher) matches(action string) bool {
	action = strings.ToLower(action)
	found := slices.ContainsFunc(m.patterns, func(p string) bool {
		return wildcard.Match(strings.ToLower(p), action)
	})
	return found != m.inverted
}

type document[S any] struct {
	Version   string `json:"Version"`
	Statement []S    `json:"Statement"`
}

type rawStatement struct {
	Effect    string                           `json:"Effect"`
	Action    stringList                       `json:"Action"`
	NotAction stringList                       `json:"NotAction"`
	Resource  stringList                       `json:"Resource"`
	Condition map[string]map[string]stringList `json:"Condition"`
}

// ParsePolicy reads a policy document. What it does not understand is an error, never ignored.
func ParsePolicy(data []byte) (Policy, error) {
	raw, err := parseDocument[rawStatement](data)
	if err != nil {
		return Policy{}, err
	}
	policy := Policy{statements: make([]statement, 0, len(raw))}
	for i, rs := range raw {
		s, err := rs.parse()
		if err != nil {
			return Policy{}, fmt.Errorf("statement %d: %w", i, err)
		}
		policy.statements = append(policy.statements, s)
	}
	return policy, nil
}

// ReadPolicy reads the policy document in a file. The edits are pairs of an old and a new text, as strings.NewReplacer takes
// them: what an administrator changes in a document before granting it, such as the name of the bucket.
func ReadPolicy(file string, edits ...string) (Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Policy{}, fmt.Errorf("reading the RAM policy: %w", err)
	}
	policy, err := ParsePolicy([]byte(strings.NewReplacer(edits...).Replace(string(data))))
	if err != nil {
		return Policy{}, fmt.Errorf("reading the RAM policy %s: %w", file, err)
	}
	return policy, nil
}

// UnmarshalJSON implements json.Unmarshaler by ParsePolicy.
func (p *Policy) UnmarshalJSON(data []byte) error {
	policy, err := ParsePolicy(data)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	*p = policy
	return nil
}

func (rs rawStatement) parse() (statement, error) {
	deny, err := parseEffect(rs.Effect)
	if err != nil {
		return statement{}, err
	}
	if (len(rs.Action) == 0) == (len(rs.NotAction) == 0) {
		return statement{}, errors.New("exactly one of Action and NotAction is needed")
	}
	if len(rs.Resource) == 0 {
		return statement{}, errors.New("a Resource is needed")
	}
	tests, err := parseCondition(rs.Condition)
	if err != nil {
		return statement{}, err
	}
	action := matcher{patterns: rs.Action}
	if len(rs.NotAction) > 0 {
		action = matcher{patterns: rs.NotAction, inverted: true}
	}
	return statement{deny: deny, action: action, resources: rs.Resource, tests: tests}, nil
}

// decide evaluates the policies as one set: the order of policies and of statements never matters.
func decide(policies []Policy, action, resource string, request map[string]string) verdict {
	result := implicitDeny
	for _, p := range policies {
		for _, s := range p.statements {
			if !s.applies(action, resource, request) {
				continue
			}
			if s.deny {
				return explicitDeny
			}
			result = allow
		}
	}
	return result
}

func (s statement) applies(action, resource string, request map[string]string) bool {
	return s.action.matches(action) &&
		slices.ContainsFunc(s.resources, func(p string) bool { return wildcard.Match(p, resource) }) &&
		allHold(s.tests, request)
}

func allHold(tests []test, request map[string]string) bool {
	return !slices.ContainsFunc(tests, func(t test) bool { return !t.holds(request) })
}

func parseEffect(effect string) (deny bool, err error) {
	switch effect {
	case "Allow":
		return false, nil
	case "Deny":
		return true, nil
	default:
		return false, fmt.Errorf("effect %q is neither Allow nor Deny", effect)
	}
}

func parseDocument[S any](data []byte) ([]S, error) {
	var doc document[S]
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return nil, err
	}
	if doc.Version != policyVersion {
		return nil, fmt.Errorf("version %q is not %q", doc.Version, policyVersion)
	}
	if len(doc.Statement) == 0 {
		return nil, errors.New("there is no Statement")
	}
	return doc.Statement, nil
}
