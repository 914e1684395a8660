// SPDX-License-Identifier: Apache-2.0

package imagemapping

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// rowPrefix is what the keys of rows begin with.
const rowPrefix = "case"

var errOneImage = errors.New("this is one image, with none below it: write both sides as the names of images, such as docker.io/library/nginx: reg.example/nginx")

// Validate refuses keys that are none of rows, prefixes that are there twice, and
// those of which nothing would be replaced.
func (m *Mapping) Validate() error {
	problems := m.validateRegistries()
	isRow := regexp.MustCompile("^" + rowPrefix + "[0-9]+$")
	for _, key := range slices.Sorted(maps.Keys(m.Rows)) {
		if !isRow.MatchString(key) {
			err := fmt.Errorf("unknown: allowed are %s, and %s1, %s2 and so on", registriesKey, rowPrefix, rowPrefix)
			problems = append(problems, &settings.Error{Position: m.At.Under(key), Err: err})
		}
	}
	return errors.Join(problems...)
}

func (m *Mapping) validateRegistries() []error {
	var problems []error
	seen := make(map[string]Prefix)
	for _, prefix := range slices.Sorted(maps.Keys(m.Registries)) {
		to := m.Registries[prefix]
		var err error
		other, twice := seen[prefix.canonical()]
		switch {
		case twice:
			err = fmt.Errorf("this is the same as %q: keep one of them", other)
		case prefix.canonical() == to.Prefix.canonical():
			err = errNoChange
		case prefix.isOfficial() && (strings.HasSuffix(string(prefix), "/") || to.Prefix.isRegistry()):
			err = errOneImage
		}
		if err != nil {
			problems = append(problems, &settings.Error{Position: to.At, Err: fmt.Errorf("%q: %w", prefix, err)})
		}
		seen[prefix.canonical()] = prefix
	}
	return problems
}
