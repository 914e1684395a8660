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
	if !strings.ContainsAny(registry, ".:") && registry != "localhost" {
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

// matches reports whether the prefix stands for the repository of image and to can
// take its place.
func (p Prefix) matches(to Prefix, image Image) bool {
	repository, prefix := image.registry+"/"+image.path, p.canonical()
	if repository == prefix {
		// A registry alone takes the place of no repository.
		return !strings.HasSuffix(string(p), "/") && strings.Contains(to.canonical(), "/")
	}
	return strings.HasPrefix(repository, prefix+"/")
}

// replace returns image, which matches p, with to in the place of p.
func (p Prefix) replace(to Prefix, image Image) Image {
	rest := strings.TrimPrefix(image.registry+"/"+image.path, p.canonical())
	registry, path, _ := strings.Cut(to.canonical()+rest, "/")
	return image.movedTo(registry, path)
}
