// SPDX-License-Identifier: Apache-2.0

package imagemapping

import (
	"fmt"
	"path"
	"strings"

	"github.com/distribution/reference"
)

const (
	// dockerHub is the registry of images that name none.
	dockerHub = "docker.io"
	// dockerHubAlias is what Docker Hub is also called.
	dockerHubAlias = "index.docker.io"
	// officialPath has the images of Docker Hub that are named by one word.
	officialPath = "library/"
	// localhost is the one registry whose name is a word without a dot.
	localhost = "localhost"
	// defaultTag is that of images with neither tag nor digest.
	defaultTag = "latest"
)

// Image is an image as a container names it.
type Image struct {
	// text is how it is written.
	text string
	// short says that the text leaves out docker.io, and library if it can.
	short bool
	// registry is the host with its port, in lower case.
	registry string
	// path is that of the repository in the registry.
	path string
	version
}

// version is what tells the images of a repository apart. Both may be there; the
// digest decides then.
type version struct {
	tag, digest string
}

// ParseImage reads the image of a container.
func ParseImage(text string) (Image, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return Image{}, err
	}
	return Image{
		text:     text,
		short:    text == reference.FamiliarString(named) && text != named.String(),
		registry: strings.ToLower(reference.Domain(named)),
		path:     reference.Path(named),
		version:  versionOf(named),
	}, nil
}

func versionOf(named reference.Named) version {
	var v version
	if tagged, ok := named.(reference.Tagged); ok {
		v.tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		v.digest = digested.Digest().String()
	}
	return v
}

// repository is the name of the repository with its registry.
func (i Image) repository() string {
	return i.registry + "/" + i.path
}

// write returns the image as text, short where it was.
func (i Image) write() (string, error) {
	text := i.repository()
	if i.tag != "" {
		text += ":" + i.tag
	}
	if i.digest != "" {
		text += "@" + i.digest
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return "", fmt.Errorf("the image %s would become %s: %w", i.text, text, err)
	}
	if i.short {
		return reference.FamiliarString(named), nil
	}
	return named.String(), nil
}

// movedTo returns the image in another repository. A repository of the same name is
// taken for a copy of the first one, in which a digest means the same; one of
// another name has other images, and the digest is dropped.
func (i Image) movedTo(registry, repository string) Image {
	if path.Base(repository) != path.Base(i.path) {
		i.digest = ""
	}
	i.registry, i.path = registry, repository
	return i
}
