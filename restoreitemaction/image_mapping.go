// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
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
// containers and ephemeral containers. Its error is that of the settings. An image
// that is none stays as it is.
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
	for _, container := range containersOf(mapped, path) {
		if change, ok := changes[nameOf(container)]; ok && container["image"] != change.Image {
			logChange(log, container, change)
			container["image"] = change.Image
		}
	}
	return mapped, nil
}

// imagesOf returns the image of each container by the container's name, which is one
// of its own among all kinds of containers of a Pod.
func imagesOf(object *unstructured.Unstructured, path []string) map[string]string {
	images := make(map[string]string)
	for _, container := range containersOf(object, path) {
		if image, ok := container["image"].(string); ok && image != "" {
			images[nameOf(container)] = image
		}
	}
	return images
}

func nameOf(container map[string]any) string {
	name, _ := container["name"].(string)
	return name
}

// changesOf returns what becomes of the images of containers; those that stay are
// left out.
func changesOf(log logrus.FieldLogger, mapping *imagemapping.Mapping, images map[string]string) (map[string]imagemapping.Change, error) {
	changes := make(map[string]imagemapping.Change)
	for _, container := range slices.Sorted(maps.Keys(images)) {
		text := images[container]
		image, err := imagemapping.ParseImage(text)
		if err != nil {
			log.WithError(err).WithFields(logrus.Fields{"container": container, "image": text}).
				Info("Leaving an image alone that no rule can be about")
			continue
		}
		change, err := mapping.Map(image)
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", container, err)
		}
		if change.By != nil {
			changes[container] = change
		}
	}
	return changes, nil
}

// logChange tells what becomes of the image of container.
func logChange(log logrus.FieldLogger, container map[string]any, change imagemapping.Change) {
	log = log.WithFields(logrus.Fields{
		"container": nameOf(container),
		"old":       container["image"],
		"new":       change.Image,
		"rule":      strings.Join(change.By, ", "),
	})
	log.Info("Changed an image")
	if change.DroppedDigest == "" {
		return
	}
	log = log.WithField("digest", change.DroppedDigest)
	if change.Floating {
		log.Warn("The new image has neither the digest of the old one nor a tag: name one in the rule, or the container gets whatever is the latest")
		return
	}
	log.Info("Dropped the digest of an image, because the new one has other content")
}
