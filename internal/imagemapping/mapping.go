// SPDX-License-Identifier: Apache-2.0

// Package imagemapping has the rules of the restore item action
// alibabacloud.com/image-mapping: which image takes the place of one that was
// backed up.
//
// Images are read as Kubernetes reads them, not as text: nginx is
// docker.io/library/nginx, and a port is no tag. There are two kinds of rules. A
// Row changes the name, the tag, or the whole of certain images. imageRegistryMapping
// says where images are found that were copied as they are. At most one of each is
// applied, in this order; a row that itself says which registry the new image is in
// is applied alone.
package imagemapping

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// registriesKey is the key of Mapping.Registries.
const registriesKey = "imageRegistryMapping"

// Mapping is what a ConfigMap of the action says.
type Mapping struct {
	At settings.Position
	// Registries has for registries, or parts of them, those that take their place.
	// It is the backup center's imageRegistryMapping.
	Registries map[Prefix]Replacement `json:"imageRegistryMapping,omitempty"`
	// Rows are under the keys case1, case2 and so on.
	Rows map[string]Row `json:",inline"`
}

// Change is what becomes of an image.
type Change struct {
	// Image is the new one, or the old one as it was written.
	Image string
	// By are the keys of the ConfigMap that it comes from, nil where nothing changes.
	By []string
	// DroppedDigest is the digest that the old image had and the new one has not,
	// because its content is another one.
	DroppedDigest string
	// Floating says that with the digest went all that told the image's version: the
	// new one has no tag, and so is whatever is the latest.
	Floating bool
}

// Map returns what becomes of an image. Of the rows that match it the one that says
// most is applied: a row with a registry before one without, one with more components
// of the repository's path before one with fewer, one with a digest before one with a
// tag, and that before one with neither; between equals the one with the lowest
// number. Of imageRegistryMapping the longest prefix is replaced.
//
// Its error is that of a new image whose name is too long.
func (m *Mapping) Map(image Image) (Change, error) {
	mapped := image
	var by []string
	key, row := m.find(image)
	if row != nil {
		mapped, by = row.apply(image), append(by, key)
	}
	if row == nil || !row.whole() {
		if from, to, ok := m.findPrefix(mapped); ok {
			mapped, by = to.inPlaceOf(from, mapped), append(by, registriesKey)
		}
	}
	text, err := mapped.write()
	if err != nil {
		return Change{}, err
	}
	if original, err := image.write(); err == nil && text == original {
		return Change{Image: image.text}, nil
	}
	change := Change{Image: text, By: by}
	if image.digest != "" && mapped.digest != image.digest {
		change.DroppedDigest = image.digest
		change.Floating = mapped.version == version{}
	}
	return change, nil
}

// find returns the rule of a row that is applied to image, and the row's key.
func (m *Mapping) find(image Image) (key string, best *rule) {
	for _, k := range slices.SortedFunc(maps.Keys(m.Rows), byNumber) {
		for i := range m.Rows[k].rules {
			rule := &m.Rows[k].rules[i]
			if rule.from.matches(image) && (best == nil || slices.Compare(rule.from.precision(), best.from.precision()) > 0) {
				key, best = k, rule
			}
		}
	}
	return key, best
}

// findPrefix returns what of the repository's name of image imageRegistryMapping
// replaces, and by what.
func (m *Mapping) findPrefix(image Image) (from string, to Prefix, found bool) {
	var best Prefix
	for prefix, replacement := range m.Registries {
		part, ok := prefix.partOf(image, replacement.Prefix)
		// Only docker.io/library/nginx and docker.io/nginx are for the same part.
		if ok && cmp.Or(cmp.Compare(len(part), len(from)), cmp.Compare(len(prefix.canonical()), len(best.canonical()))) > 0 {
			best, from, to, found = prefix, part, replacement.Prefix, true
		}
	}
	return from, to, found
}

// byNumber orders the keys of rows: case2 is before case10.
func byNumber(a, b string) int {
	x, y := number(a), number(b)
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), strings.Compare(a, b))
}

// number returns the digits of a row's key without zeros before them.
func number(key string) string {
	return strings.TrimLeft(strings.TrimPrefix(key, rowPrefix), "0")
}
