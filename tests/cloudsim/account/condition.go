// SPDX-License-Identifier: Apache-2.0

package account

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/wildcard"
)

// Condition keys that the simulator knows. A policy that names another one is refused when it is loaded: a
// condition that is not evaluated would grant what the real service denies.
const (
	KeySourceIP        = "acs:SourceIp"
	KeySecureTransport = "acs:SecureTransport"
	KeyCurrentTime     = "acs:CurrentTime"
	KeyOSSPrefix       = "oss:Prefix"
	KeyOSSDelimiter    = "oss:Delimiter"
	KeyExternalID      = "sts:ExternalId"
	KeyOIDCIssuer      = "oidc:iss"
	KeyOIDCAudience    = "oidc:aud"
	KeyOIDCSubject     = "oidc:sub"
)

// keyKind is the type of a condition key's values. It decides which operators go with the key.
type keyKind int

const (
	unknownKey keyKind = iota
	stringKey
	boolKey
	dateKey
	ipKey
)

func kindOf(key string) keyKind {
	switch key {
	case KeySourceIP:
		return ipKey
	case KeySecureTransport:
		return boolKey
	case KeyCurrentTime:
		return dateKey
	case KeyOSSPrefix, KeyOSSDelimiter, KeyExternalID, KeyOIDCIssuer, KeyOIDCAudience, KeyOIDCSubject:
		return stringKey
	default:
		return unknownKey
	}
}

// operator compares the value that a request has with one value of the policy.
type operator struct {
	kind    keyKind
	negated bool
	match   func(have, want string) bool
	// check refuses a value of the policy that could never be compared.
	check func(want string) error
}

// operatorNamed returns the operator that the RAM policy language knows under that name.
func operatorNamed(name string) (operator, bool) {
	anyString := func(string) error { return nil }
	equal := func(have, want string) bool { return have == want }
	like := func(have, want string) bool { return wildcard.Match(want, have) }
	switch name {
	case "StringEquals":
		return operator{kind: stringKey, match: equal, check: anyString}, true
	case "StringNotEquals":
		return operator{kind: stringKey, negated: true, match: equal, check: anyString}, true
	case "StringEqualsIgnoreCase":
		return operator{kind: stringKey, match: strings.EqualFold, check: anyString}, true
	case "StringNotEqualsIgnoreCase":
		return operator{kind: stringKey, negated: true, match: strings.EqualFold, check: anyString}, true
	case "StringLike":
		return operator{kind: stringKey, match: like, check: anyString}, true
	case "StringNotLike":
		return operator{kind: stringKey, negated: true, match: like, check: anyString}, true
	case "Bool":
		return operator{kind: boolKey, match: equal, check: checkBool}, true
	case "IpAddress":
		return operator{kind: ipKey, match: inNetwork, check: checkNetwork}, true
	case "NotIpAddress":
		return operator{kind: ipKey, negated: true, match: inNetwork, check: checkNetwork}, true
	case "DateLessThan":
		return operator{kind: dateKey, match: before, check: checkTime}, true
	case "DateGreaterThan":
		return operator{kind: dateKey, match: after, check: checkTime}, true
	default:
		return operator{}, false
	}
}

func checkBool(want string) error {
	_, err := strconv.ParseBool(want)
	return err
}

func checkNetwork(want string) error {
	_, err := parseNetwork(want)
	return err
}

func checkTime(want string) error {
	_, err := time.Parse(time.RFC3339, want)
	return err
}

// parseNetwork reads an address or a network in CIDR form.
func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func inNetwork(have, want string) bool {
	addr, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	network, err := parseNetwork(want)
	return err == nil && network.Contains(addr.Unmap())
}

func before(have, want string) bool { return compareTimes(have, want) < 0 }

func after(have, want string) bool { return compareTimes(have, want) > 0 }

// compareTimes compares RFC 3339 times. What is no time compares as equal, so that it matches neither operator.
func compareTimes(have, want string) int {
	h, errHave := time.Parse(time.RFC3339, have)
	w, errWant := time.Parse(time.RFC3339, want)
	if errHave != nil || errWant != nil {
		return 0
	}
	return h.Compare(w)
}

// test is one line of a Condition block: an operator, a key, and the values of which one must match.
type test struct {
	op     operator
	key    string
	values []string
}

// holds says whether the test passes with the values of a request. A key that the request lacks fails a positive
// operator and passes a negated one.
func (t test) holds(request map[string]string) bool {
	have, ok := request[t.key]
	if !ok {
		return t.op.negated
	}
	matched := slices.ContainsFunc(t.values, func(want string) bool { return t.op.match(have, want) })
	return matched != t.op.negated
}

// parseCondition reads a Condition block: {"StringLike": {"oss:Prefix": ["a*", "b"]}}. All tests of it must hold.
func parseCondition(block map[string]map[string]stringList) ([]test, error) {
	var tests []test
	for _, name := range slices.Sorted(maps.Keys(block)) {
		op, ok := operatorNamed(name)
		if !ok {
			return nil, fmt.Errorf("condition operator %q is not known to the simulator", name)
		}
		for _, key := range slices.Sorted(maps.Keys(block[name])) {
			values := block[name][key]
			switch kind := kindOf(key); {
			case kind == unknownKey:
				return nil, fmt.Errorf("condition key %q is not known to the simulator", key)
			case kind != op.kind:
				return nil, fmt.Errorf("condition operator %s does not go with the key %s", name, key)
			case len(values) == 0:
				return nil, fmt.Errorf("condition %s of %s has no value", name, key)
			}
			for _, v := range values {
				if err := op.check(v); err != nil {
					return nil, fmt.Errorf("condition %s of %s: value %q: %w", name, key, v, err)
				}
			}
			tests = append(tests, test{op: op, key: key, values: values})
		}
	}
	return tests, nil
}

// stringList is what the policy language lets one write as a value or as a list of values. A boolean is taken for
// its text.
type stringList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *stringList) UnmarshalJSON(data []byte) error {
	var raw any
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	items, ok := raw.([]any)
	if !ok {
		items = []any{raw}
	}
	list := make(stringList, 0, len(items))
	for _, item := range items {
		switch v := item.(type) {
		case string:
			list = append(list, v)
		case bool:
			list = append(list, strconv.FormatBool(v))
		default:
			return fmt.Errorf("%s is neither a string nor a list of strings", data)
		}
	}
	*l = list
	return nil
}
