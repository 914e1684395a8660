// SPDX-License-Identifier: Apache-2.0

package imagemapping

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Prefix is a registry, or a registry and components of a path in it, such as
// docker.io/library/. It stands for all repositories below, and without the slash
// at its end also for the repository of that very name.
type Prefix string

// Replacement is the prefix that takes the place of another one.
type Replacement struct {
	At     settings.Position
	Prefix Prefix
}

// UnmarshalText reads a prefix. It refuses what no repository begins with.
func (r *Replacement) UnmarshalText(text []byte) error {
	r.Prefix = Prefix(text)
	return r.Prefix.Validate()
}

// Validate refuses what no repository begins with.
func (p *Prefix) Validate() error {
	text := string(*p)
	if text == "" {
		return fmt.Errorf("empty: write a registry such as %s", dockerHub)
	}
	registry, _, _ := strings.Cut(text, "/")
	if !strings.ContainsAny(registry, ".:") && registry != localhost {
		return fmt.Errorf("it names no registry: for images of Docker Hub write %s/%s", dockerHub, text)
	}
	if _, err := reference.WithName(strings.TrimSuffix(text, "/") + "/name"); err != nil {
		return fmt.Errorf("%w: allowed is a registry, and a path in it, without tag or digest", err)
	}
	return nil
}

// canonical is the same text for prefixes of the same repositories, without a slash
// at its end.
func (p Prefix) canonical() string {
	registry, path, inPath := strings.Cut(strings.TrimSuffix(string(p), "/"), "/")
	registry = strings.ToLower(registry)
	if registry == dockerHubAlias {
		registry = dockerHub
	}
	if !inPath {
		return registry
	}
	return registry + "/" + path
}

// repository is the name of the repository that the prefix stands for itself, if
// there is one. An image of Docker Hub of one word is in its library.
func (p Prefix) repository() string {
	canonical := p.canonical()
	name, onDockerHub := strings.CutPrefix(canonical, dockerHub+"/")
	if !onDockerHub || strings.Contains(name, "/") || name+"/" == officialPath {
		return canonical
	}
	return dockerHub + "/" + officialPath + name
}

// isRegistry reports whether there is no path.
func (p Prefix) isRegistry() bool {
	return !strings.Contains(p.canonical(), "/")
}

// isOfficial reports whether this is an image of Docker Hub of one word, by its whole
// name. There is nothing below it.
func (p Prefix) isOfficial() bool {
	name, ok := strings.CutPrefix(p.canonical(), dockerHub+"/"+officialPath)
	return ok && !strings.Contains(name, "/")
}

// partOf returns the beginning of the repository's name of image that the prefix
// stands for, if it is one that to can take the place of.
func (p Prefix) partOf(image Image, to Prefix) (part string, ok bool) {
	if p.repository() == image.repository() && !strings.HasSuffix(string(p), "/") {
		// A registry alone takes the place of no repository.
		return image.repository(), !to.isRegistry()
	}
	return p.canonical(), strings.HasPrefix(image.repository(), p.canonical()+"/")
}

// inPlaceOf returns image with the prefix in the place of part, which its
// repository's name begins with.
func (p Prefix) inPlaceOf(part string, image Image) Image {
	rest := strings.TrimPrefix(image.repository(), part)
	registry, path, _ := strings.Cut(p.canonical()+rest, "/")
	return image.movedTo(registry, path)
}
