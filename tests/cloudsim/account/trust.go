// SPDX-License-Identifier: Apache-2.0

package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// assumeRoleAction is the only action of a trust policy, also for services and OIDC providers.
const assumeRoleAction = "sts:AssumeRole"

// principalKind is the field of a trust statement's Principal by which a party is named.
type principalKind int

const (
	ramPrincipal principalKind = iota
	servicePrincipal
	federatedPrincipal
)

type trustStatement struct {
	deny       bool
	principals map[principalKind][]string
	tests      []test
}

type rawPrincipal struct {
	RAM       stringList `json:"RAM"`
	Service   stringList `json:"Service"`
	Federated stringList `json:"Federated"`
}

type rawTrustStatement struct {
	Effect    string                           `json:"Effect"`
	Action    stringList                       `json:"Action"`
	Principal rawPrincipal                     `json:"Principal"`
	Condition map[string]map[string]stringList `json:"Condition"`
}

// ParseTrustPolicy reads a trust policy document.
func ParseTrustPolicy(data []byte) (TrustPolicy, error) {
	raw, err := parseDocument[rawTrustStatement](data)
	if err != nil {
		return TrustPolicy{}, err
	}
	policy := TrustPolicy{statements: make([]trustStatement, 0, len(raw))}
	for i, rs := range raw {
		s, err := rs.parse()
		if err != nil {
			return TrustPolicy{}, fmt.Errorf("statement %d: %w", i, err)
		}
		policy.statements = append(policy.statements, s)
	}
	return policy, nil
}

// UnmarshalJSON implements json.Unmarshaler by ParseTrustPolicy.
func (p *TrustPolicy) UnmarshalJSON(data []byte) error {
	policy, err := ParseTrustPolicy(data)
	if err != nil {
		return fmt.Errorf("trust policy: %w", err)
	}
	*p = policy
	return nil
}

func (rs rawTrustStatement) parse() (trustStatement, error) {
	deny, err := parseEffect(rs.Effect)
	if err != nil {
		return trustStatement{}, err
	}
	if len(rs.Action) != 1 || !strings.EqualFold(rs.Action[0], assumeRoleAction) {
		return trustStatement{}, fmt.Errorf("the action of a trust policy is %s, not %q", assumeRoleAction, rs.Action)
	}
	if len(rs.Principal.RAM)+len(rs.Principal.Service)+len(rs.Principal.Federated) == 0 {
		return trustStatement{}, errors.New("a Principal is needed")
	}
	tests, err := parseCondition(rs.Condition)
	if err != nil {
		return trustStatement{}, err
	}
	return trustStatement{
		deny: deny,
		principals: map[principalKind][]string{
			ramPrincipal:       rs.Principal.RAM,
			servicePrincipal:   rs.Principal.Service,
			federatedPrincipal: rs.Principal.Federated,
		},
		tests: tests,
	}, nil
}

// trusts says whether a party may assume the role. The names are all those by which a statement may mean it.
func (p TrustPolicy) trusts(kind principalKind, names []string, request map[string]string) bool {
	trusted := false
	for _, s := range p.statements {
		named := slices.ContainsFunc(s.principals[kind], func(n string) bool { return slices.Contains(names, n) })
		if !named || !allHold(s.tests, request) {
			continue
		}
		if s.deny {
			return false
		}
		trusted = true
	}
	return trusted
}
