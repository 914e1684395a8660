// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// fields are the values of a job, a plan or a snapshot by which it can be selected. The name is in lower case: the
// references write RegionId as well as regionId.
type fields map[string]string

// condition compares a field with values.
type condition struct {
	field    string
	operator string
	values   []string
}

// The operators of filters. MATCH_TERM and NOT_IN are for snapshots alone, EQUAL and NOT_EQUAL for all else.
const (
	opIn        = "IN"
	opNotIn     = "NOT_IN"
	opEqual     = "EQUAL"
	opNotEqual  = "NOT_EQUAL"
	opMatchTerm = "MATCH_TERM"
	opGreater   = "GREATER_THAN"
	opAtLeast   = "GREATER_THAN_OR_EQUAL"
	opLess      = "LESS_THAN"
	opAtMost    = "LESS_THAN_OR_EQUAL"
	opBetween   = "BETWEEN"
)

// readFilters reads the parameter Filters of the operations that describe jobs and plans.
func readFilters(p rpc.Params, known ...string) ([]condition, error) {
	var all []condition
	for _, group := range p.Groups("Filters") {
		c := condition{
			field: strings.ToLower(group.String("Key")), operator: group.String("Operator"), values: group.List("Values"),
		}
		if c.operator == "" {
			c.operator = opIn
		}
		switch {
		case !slices.Contains(known, c.field):
			return nil, illegal("a filter can not have the key " + group.String("Key"))
		case c.operator == opIn && c.field == "completetime":
			return nil, illegal("the operator IN is not for CompleteTime")
		case !slices.Contains([]string{opIn, opEqual, opNotEqual, opGreater, opAtLeast, opLess, opAtMost, opBetween}, c.operator):
			return nil, illegal("a filter has the operator " + c.operator)
		}
		if c.operator == opBetween && len(c.values) == 1 {
			bounds, err := stringsOf(json.RawMessage(c.values[0]))
			if err != nil {
				return nil, err
			}
			c.values = bounds
		}
		if err := c.check(); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// readQuery reads the parameter Query of SearchHistoricalSnapshots.
func readQuery(p rpc.Params, known ...string) ([]condition, error) {
	var items []struct {
		Field     string          `json:"field"`
		Value     json.RawMessage `json:"value"`
		Operation string          `json:"operation"`
	}
	if err := json.Unmarshal([]byte(p.String("Query")), &items); err != nil {
		return nil, illegal("Query is not a list of conditions")
	}
	var all []condition
	for _, item := range items {
		values, err := stringsOf(item.Value)
		if err != nil {
			return nil, err
		}
		c := condition{field: strings.ToLower(item.Field), operator: item.Operation, values: values}
		switch {
		case !slices.Contains(known, c.field):
			return nil, illegal("Query can not have the field " + item.Field)
		case !slices.Contains([]string{opMatchTerm, opGreater, opAtLeast, opLess, opAtMost, opBetween, opIn, opNotIn}, c.operator):
			return nil, illegal("Query has the operation " + c.operator)
		}
		if err := c.check(); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// stringsOf returns a JSON string, number or list of them as strings.
func stringsOf(raw json.RawMessage) ([]string, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		list = []json.RawMessage{raw}
	}
	var all []string
	for _, item := range list {
		var text string
		var number json.Number
		switch {
		case json.Unmarshal(item, &text) == nil:
			all = append(all, text)
		case json.Unmarshal(item, &number) == nil:
			all = append(all, number.String())
		default:
			return nil, illegal("a value is neither a string nor a number nor a list of them")
		}
	}
	return all, nil
}

// check says what is wrong with the values for the operator.
func (c condition) check() error {
	want := 1
	switch c.operator {
	case opIn, opNotIn:
		if len(c.values) == 0 {
			return illegal(c.operator + " needs values")
		}
		return nil
	case opBetween:
		want = 2
	}
	if len(c.values) != want {
		return illegal(c.operator + " has " + strconv.Itoa(len(c.values)) + " values")
	}
	return nil
}

// matches says whether what has the fields meets all conditions.
func (f fields) matches(all []condition) bool {
	return !slices.ContainsFunc(all, func(c condition) bool { return !c.holds(f[c.field]) })
}

func (c condition) holds(value string) bool {
	switch c.operator {
	case opIn, opEqual, opMatchTerm:
		return slices.Contains(c.values, value)
	case opNotIn, opNotEqual:
		return !slices.Contains(c.values, value)
	case opGreater:
		return number(value) > number(c.values[0])
	case opAtLeast:
		return number(value) >= number(c.values[0])
	case opLess:
		return number(value) < number(c.values[0])
	case opAtMost:
		return number(value) <= number(c.values[0])
	default: // BETWEEN
		return number(value) >= number(c.values[0]) && number(value) <= number(c.values[1])
	}
}

// number is 0 for what is none.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
