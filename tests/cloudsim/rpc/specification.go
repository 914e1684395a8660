// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// openAPIFacts is an excerpt of Alibaba Cloud's published OpenAPI metadata: for each product the parameters of the
// actions that are of interest here.
//
//go:embed openapi-facts.json
var openAPIFacts []byte

// Specification knows the parameters of the actions of all products.
type Specification struct {
	products map[string]productSpec
}

type productSpec struct {
	Version string                `json:"version"`
	Style   string                `json:"style"`
	Actions map[string]actionSpec `json:"actions"`
}

type actionSpec struct {
	Method     string          `json:"method"`
	Protocol   string          `json:"protocol"`
	Parameters []parameterSpec `json:"parameters"`
}

type parameterSpec struct {
	Name     string          `json:"name"`
	In       string          `json:"in"`
	Type     string          `json:"type"`
	Required bool            `json:"required"`
	Fields   []parameterSpec `json:"fields"`
}

// LoadSpecification reads the excerpt of the OpenAPI metadata that is part of the program.
func LoadSpecification() (*Specification, error) {
	s := &Specification{}
	if err := json.Unmarshal(openAPIFacts, &s.products); err != nil {
		return nil, fmt.Errorf("openapi-facts.json: %w", err)
	}
	return s, nil
}

// check compares a call's parameters with the action's. It returns the names of those that the action does not
// have, which the cloud ignores. The error is of the first parameter that is missing or not of its type.
func (s *Specification) check(product, action string, p Params) (unknown []string, failure *Error) {
	spec := s.products[product].Actions[action]
	for _, parameter := range spec.Parameters {
		if failure := parameter.check(p); failure != nil {
			return nil, failure
		}
	}
	for name := range p {
		if !isCommon(name) && !slices.ContainsFunc(spec.Parameters, func(ps parameterSpec) bool { return ps.names(name) }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown, nil
}

func (ps parameterSpec) check(p Params) *Error {
	if ps.Type == "RepeatList" {
		// A list is in the form Name.1, or in the form Name.1.Field.
		if ps.Required && len(p.List(ps.Name)) == 0 && len(p.Groups(ps.Name)) == 0 {
			return missing(ps.Name)
		}
		return nil
	}
	value, given := p[ps.Name]
	if value == "" {
		if ps.Required {
			return missing(ps.Name)
		}
		return nil
	}
	if given && !ps.accepts(value) {
		return invalid(ps.Name)
	}
	return nil
}

func (ps parameterSpec) accepts(value string) bool {
	switch ps.Type {
	case "Integer":
		_, err := strconv.ParseInt(value, 10, 32)
		return err == nil
	case "Long":
		_, err := strconv.ParseInt(value, 10, 64)
		return err == nil
	case "Float":
		_, err := strconv.ParseFloat(value, 64)
		return err == nil
	case "Boolean":
		return value == "true" || value == "false"
	case "Json":
		return json.Valid([]byte(value))
	default:
		return true
	}
}

// names says whether a name as it is sent, such as Tag.1.Key, belongs to the parameter.
func (ps parameterSpec) names(sent string) bool {
	if sent == ps.Name {
		return true
	}
	rest, ok := strings.CutPrefix(sent, ps.Name+".")
	return ok && ps.Type == "RepeatList" && rest != ""
}

// isCommon says whether a parameter belongs to every action: those of the RPC protocol, and those that name the
// region and the owner.
func isCommon(name string) bool {
	switch name {
	case paramAction, paramVersion, paramAccessKeyID, paramSecurityToken, paramSignature, paramSignatureMethod,
		paramSignatureNonce, paramTimestamp, "SignatureType", "SignatureVersion", "Format", "RegionId",
		"OwnerId", "OwnerAccount", "ResourceOwnerId", "ResourceOwnerAccount":
		return true
	default:
		return false
	}
}
