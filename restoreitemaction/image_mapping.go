// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/imagemapping"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// ImageMappingName is the name that NewImageMapping's action is registered by.
const ImageMappingName = "alibabacloud.com/image-mapping"

// ImageMapping is the RestoreItemAction that replaces the images of Pods and of
// what makes Pods, by the rules of package imagemapping.
//
// The image that a rule is about is the one in the backup, not what another action
// has made of it: one rule's outcome is never the input of another, and doing it
// twice is the same as once. So where a rule holds, its image replaces also what
// Velero's change-image-name made; where none does, that stays.
type ImageMapping struct {
	log      logrus.FieldLogger
	settings *settings.Settings[imagemapping.Mapping]
	upstream *changeImageName
}

// NewImageMapping returns the action for the settings that reader reads. It
// contacts nothing.
func NewImageMapping(log logrus.FieldLogger, reader *settings.Reader) *ImageMapping {
	return &ImageMapping{
		log:      log,
		settings: settings.Of[imagemapping.Mapping](reader, ImageMappingName),
		upstream: newChangeImageName(log, reader),
	}
}

// AppliesTo returns Pods and the built-in resources that make Pods.
func (a *ImageMapping) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: podSpecResources()}, nil
}

// Execute returns the item with its new images: those of containers, init
// containers, ephemeral containers and volumes. Its error is that of the settings. An
// image that is none stays as it is.
func (a *ImageMapping) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return execute(input, a.mapImages)
}

func (a *ImageMapping) mapImages(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	path := podSpecPath(o.item)
	images := imagesOf(o.fromBackup, path)
	if len(images) == 0 {
		return nil, nil //nolint:nilnil // nothing is to do
	}
	a.upstream.warn(ctx, o.restore)
	mapping, found, err := a.settings.Read(ctx, settings.ForRestore(o.restore))
	if err != nil || !found {
		return nil, err
	}
	log := a.log.WithFields(fieldsOf(o.item))
	changes, err := changesOf(log, &mapping, images)
	if err != nil {
		return nil, fmt.Errorf("mapping the images of %s %s/%s: %w", resourceOf(o.item), o.item.GetNamespace(), o.item.GetName(), err)
	}
	mapped := o.item.DeepCopy()
	for _, image := range imagesIn(mapped, path) {
		if change, ok := changes[image.place]; ok && image.text() != change.Image {
			logChange(log, image, change)
			image.in[image.key] = change.Image
		}
	}
	return mapped, nil
}

// place is where a Pod has an image.
type place struct {
	// kind is container or volume. Containers of all kinds have names of their own, and so have volumes.
	kind, name string
}

// placedImage is an image of an object.
type placedImage struct {
	place
	// in is what has the image in the field key.
	in  map[string]any
	key string
}

// text is the image as the object names it, "" if it is none.
func (p placedImage) text() string {
	text, _ := p.in[p.key].(string)
	return text
}

// imagesIn returns where a Pod has images, or what makes Pods: in containers, and in volumes of images.
func imagesIn(object *unstructured.Unstructured, path []string) []placedImage {
	var images []placedImage
	for _, container := range containersOf(object, path) {
		images = append(images, placedImage{place{"container", nameOf(container)}, container, "image"})
	}
	for _, volume := range volumesOf(object, path) {
		if source, ok := volume["image"].(map[string]any); ok {
			images = append(images, placedImage{place{"volume", nameOf(volume)}, source, "reference"})
		}
	}
	return images
}

// imagesOf returns the images of an object by their places.
func imagesOf(object *unstructured.Unstructured, path []string) map[place]string {
	images := make(map[place]string)
	for _, image := range imagesIn(object, path) {
		if text := image.text(); text != "" {
			images[image.place] = text
		}
	}
	return images
}

// nameOf returns the name of a container or a volume.
func nameOf(part map[string]any) string {
	name, _ := part["name"].(string)
	return name
}

// changesOf returns what becomes of images; those that stay are left out.
func changesOf(log logrus.FieldLogger, mapping *imagemapping.Mapping, images map[place]string) (map[place]imagemapping.Change, error) {
	byName := func(a, b place) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) }
	changes := make(map[place]imagemapping.Change)
	for _, at := range slices.SortedFunc(maps.Keys(images), byName) {
		text := images[at]
		image, err := imagemapping.ParseImage(text)
		if err != nil {
			log.WithError(err).WithFields(logrus.Fields{at.kind: at.name, "image": text}).
				Info("Leaving an image alone that no rule can be about")
			continue
		}
		change, err := mapping.Map(image)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", at.kind, at.name, err)
		}
		if change.By != nil {
			changes[at] = change
		}
	}
	return changes, nil
}

// logChange tells what becomes of an image.
func logChange(log logrus.FieldLogger, image placedImage, change imagemapping.Change) {
	log = log.WithFields(logrus.Fields{
		image.kind: image.name,
		"old":      image.text(),
		"new":      change.Image,
		"rule":     strings.Join(change.By, ", "),
	})
	log.Info("Changed an image")
	if change.DroppedDigest == "" {
		return
	}
	log = log.WithField("digest", change.DroppedDigest)
	if change.Floating {
		log.Warn("The new image has neither the digest of the old one nor a tag: name one in the rule, or the " + image.kind + " gets whatever is the latest")
		return
	}
	log.Info("Dropped the digest of an image, because the new one has other content")
}
