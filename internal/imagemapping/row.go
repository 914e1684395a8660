// SPDX-License-Identifier: Apache-2.0

package imagemapping

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/distribution/reference"
)

// Row is a row of Velero's change-image-name as the backup center's documents write
// it, "old,new":
//
//	app1:v1,app2:v2   images of a tag (or digest)
//	app1,app2         images of a name, whatever their tag; or
//	v1,v2             those of a tag, whatever their name
//	v1:v2             the same, and no name
//
// A name without a registry is the end of a repository's path, in any registry, and
// what is before it stays. Where either side names a registry, both are whole images.
// What the new side does not say, tag or name, stays. An image without tag and digest
// has the tag latest.
type Row struct {
	// rules are what the row can mean. A word can be a name and a tag; an image that
	// has it as both is one of that name.
	rules []rule
}

// rule replaces one thing by another.
type rule struct {
	from, to pattern
}

// pattern is one side of a rule. What is empty is anything in from, and stays as it
// was in to.
type pattern struct {
	registry string
	// path is that in the registry, or the end of a path in any registry.
	path string
	version
}

var (
	errForm       = errors.New(`allowed is "old,new", or "old:new" for tags`)
	errEmptySide  = errors.New("one side is empty: an image is replaced by an image, a tag by a tag")
	errNoChange   = errors.New("both sides mean the same: nothing would change")
	errIsRegistry = fmt.Errorf("this looks like a registry: map registries by %s, write an image of that name with its registry, and tags as old:new", registriesKey)
)

// UnmarshalText reads a row. It refuses one that can match no image, and one that
// changes none.
func (r *Row) UnmarshalText(text []byte) error {
	from, to, ofImages, err := sides(string(text))
	if err != nil {
		return err
	}
	r.rules = nil
	if ofImages {
		if err := r.addImage(from, to); err != nil {
			return err
		}
	}
	if areTags(from, to) {
		r.rules = append(r.rules, rule{from: pattern{version: version{tag: from}}, to: pattern{version: version{tag: to}}})
	}
	for _, rule := range r.rules {
		if rule.changesNothing() {
			return errNoChange
		}
	}
	return nil
}

// sides cuts a row in two; ofImages says that it can be about images, and not about
// tags alone.
func sides(text string) (from, to string, ofImages bool, err error) {
	from, to, ofImages = strings.Cut(text, ",")
	cut := ofImages
	if !ofImages {
		from, to, cut = strings.Cut(text, ":")
	}
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	switch {
	case !cut || strings.Contains(to, ","):
		return "", "", false, errForm
	case from == "" || to == "":
		return "", "", false, errEmptySide
	case !ofImages && !areTags(from, to):
		return "", "", false, errForm
	default:
		return from, to, ofImages, nil
	}
}

// addImage adds the rule about images. It is an error that there is none unless the
// row can be about tags and about nothing else.
func (r *Row) addImage(from, to string) error {
	old, err := parsePattern(from)
	if err == nil {
		var replacement pattern
		if replacement, err = parsePattern(to); err == nil {
			r.rules = append(r.rules, newRule(old, replacement))
			return nil
		}
	}
	if areTags(from, to) && !errors.Is(err, errIsRegistry) {
		return nil
	}
	return err
}

// newRule returns the rule about images. Where it names a registry both sides are
// whole images.
func newRule(from, to pattern) rule {
	if to.registry == "" && from.registry != "" {
		to.registry = dockerHub
		if !strings.Contains(to.path, "/") {
			to.path = officialPath + to.path
		}
	}
	return rule{from: from, to: to}
}

// parsePattern reads an image, or the end of one.
func parsePattern(text string) (pattern, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return pattern{}, fmt.Errorf("%q: %w", text, err)
	}
	p := pattern{registry: strings.ToLower(reference.Domain(named)), path: reference.Path(named), version: versionOf(named)}
	if p.registry == dockerHub && !strings.HasPrefix(text, dockerHub+"/") && !strings.HasPrefix(text, dockerHubAlias+"/") {
		p.registry = ""
		if !strings.HasPrefix(text, officialPath) {
			p.path = strings.TrimPrefix(p.path, officialPath)
		}
	}
	if p.isRegistry() {
		return pattern{}, fmt.Errorf("%q: %w", text, errIsRegistry)
	}
	return p, nil
}

// isRegistry reports whether this was read as name and tag, but is most likely host
// and port, or a host. Kubernetes has the same trouble with an image of such a name.
func (p pattern) isRegistry() bool {
	if p.registry != "" || strings.Contains(p.path, "/") || p.digest != "" {
		return false
	}
	if p.tag == "" {
		return isHost(p.path)
	}
	_, err := strconv.ParseUint(p.tag, 10, 16)
	return err == nil && (strings.Contains(p.path, ".") || p.path == localhost)
}

// isHost reports whether a word is like quay.io. Numbers before a word, such as
// 1.2.final, are a version.
func isHost(word string) bool {
	host := regexp.MustCompile(`^([a-z0-9-]+\.)+[a-z]{2,}$`)
	version := regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*\.[a-z]+$`)
	return word == localhost || host.MatchString(word) && !version.MatchString(word)
}

// areTags reports whether both sides of a row can be tags.
func areTags(from, to string) bool {
	name, err := reference.WithName("name")
	if err != nil {
		return false
	}
	for _, side := range []string{from, to} {
		if _, err := reference.WithTag(name, side); err != nil {
			return false
		}
	}
	return true
}

// matches reports whether image is one of the pattern.
func (p pattern) matches(image Image) bool {
	if p.registry != "" && (p.registry != image.registry || p.path != image.path) {
		return false
	}
	if p.path != "" && !strings.HasSuffix("/"+image.path, "/"+p.path) {
		return false
	}
	tag := image.tag
	if image.version == (version{}) {
		tag = defaultTag
	}
	return (p.tag == "" || p.tag == tag) && (p.digest == "" || p.digest == image.digest)
}

// precision orders patterns by how much they say about an image, as Mapping.Map has it.
func (p pattern) precision() []int {
	precision := make([]int, 4)
	if p.registry != "" {
		precision[0] = 1
	}
	if p.path != "" {
		precision[1] = 1 + strings.Count(p.path, "/")
	}
	if p.digest != "" {
		precision[2] = 1
	}
	if p.tag != "" {
		precision[3] = 1
	}
	return precision
}

// whole reports whether the rule says all that is to say about where the new image is.
func (r rule) whole() bool {
	return r.to.registry != ""
}

func (r rule) changesNothing() bool {
	return r.from.registry == r.to.registry && r.from.path == r.to.path &&
		(r.to.version == version{} || r.to.version == r.from.version)
}

// apply returns what becomes of image, which from matches. Its digest stays where
// the repository alone moves to another registry: another path in the same registry
// is another repository. A tag that to names decides, unless from names the same.
func (r rule) apply(image Image) Image {
	mapped := image
	switch {
	case r.to.registry != "":
		mapped = image.movedTo(r.to.registry, r.to.path)
	case r.to.path != "":
		mapped = image.movedTo(image.registry, r.inPlace(image))
	}
	if mapped.registry == image.registry && mapped.path != image.path {
		mapped.digest = ""
	}
	if r.to.digest != "" || r.to.tag != "" && (r.to.tag != image.tag || r.to.tag != r.from.tag) {
		mapped.version = r.to.version
	}
	return mapped
}

// inPlace returns the path of image with the end replaced that from names. The
// library of Docker Hub's images of one word is part of that word: another name of
// several words is not in it.
func (r rule) inPlace(image Image) string {
	before := strings.TrimSuffix(image.path, r.from.path)
	if image.registry == dockerHub && before == officialPath && strings.Contains(r.to.path, "/") {
		before = ""
	}
	return before + r.to.path
}
