// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"net/url"
	"strconv"
	"strings"
)

// Params are the parameters of a call, those of the query and of the form body together. Lists have the RPC form:
// DiskId.1, DiskId.2, Tag.1.Key, Tag.1.Value.
type Params map[string]string

// mergeParams takes the first value of each name. The body wins.
func mergeParams(sources ...url.Values) Params {
	p := Params{}
	for _, source := range sources {
		for name, values := range source {
			p[name] = values[0]
		}
	}
	return p
}

// Has says whether a parameter was given, also an empty one.
func (p Params) Has(name string) bool {
	_, ok := p[name]
	return ok
}

// String returns a parameter, or "" when it was not given.
func (p Params) String(name string) string { return p[name] }

// Int returns an integer parameter, or otherwise when it was not given. The specification has refused what is no
// integer before an operation is called.
func (p Params) Int(name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(p[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// Bool returns a boolean parameter, false when it was not given.
func (p Params) Bool(name string) bool { return p[name] == "true" }

// List returns the items of a list, up to the first gap.
func (p Params) List(name string) []string {
	var list []string
	for i := 1; ; i++ {
		item, ok := p[name+"."+strconv.Itoa(i)]
		if !ok {
			return list
		}
		list = append(list, item)
	}
}

// Groups returns the items of a list of structures, each with the names of its fields, up to the first gap.
func (p Params) Groups(name string) []Params {
	var groups []Params
	for i := 1; ; i++ {
		prefix := name + "." + strconv.Itoa(i) + "."
		group := Params{}
		for full, value := range p {
			if field, ok := strings.CutPrefix(full, prefix); ok {
				group[field] = value
			}
		}
		if len(group) == 0 {
			return groups
		}
		groups = append(groups, group)
	}
}
