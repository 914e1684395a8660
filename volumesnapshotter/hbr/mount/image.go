// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// pluginImage is the last part of the name of this plugin's image, without tag and digest.
const pluginImage = "velero-plugin-alibabacloud"

// Velero's Deployment as `velero install` makes it, and the label that other ways of
// installing it have too.
const (
	veleroDeployment     = "velero"
	veleroComponentLabel = "component"
)

// podImage is what a temporary Pod runs.
type podImage struct {
	name        string
	pullSecrets []corev1.LocalObjectReference
}

// imageOf returns the image of temporary Pods: that of the config, else that by which
// Velero's Deployment has this plugin. It needs mu.
func (t temporary) imageOf(ctx context.Context) (*podImage, error) {
	if t.image != nil {
		return t.image, nil
	}
	deployment, err := t.velero(ctx)
	if err != nil {
		return nil, err
	}
	found := &podImage{name: t.config.PodImage}
	if deployment != nil {
		found.name = cmp.Or(found.name, ownImage(deployment.Spec.Template.Spec.InitContainers))
		found.pullSecrets = deployment.Spec.Template.Spec.ImagePullSecrets
	}
	if found.name == "" {
		return nil, final.Errorf("no init container of Velero's Deployment in the namespace %s has an image named %s: set the config key podImage",
			t.cluster.Namespace(), pluginImage)
	}
	t.image = found
	return found, nil
}

// velero returns Velero's Deployment, nil if there is none.
func (t temporary) velero(ctx context.Context) (*appsv1.Deployment, error) {
	deployment := &appsv1.Deployment{}
	err := t.api.Get(ctx, client.ObjectKey{Namespace: t.cluster.Namespace(), Name: veleroDeployment}, deployment)
	if err == nil {
		return deployment, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Velero's Deployment: %w", err)
	}
	found := &appsv1.DeploymentList{}
	err = t.api.List(ctx, found, client.InNamespace(t.cluster.Namespace()), client.MatchingLabels{veleroComponentLabel: veleroDeployment})
	if err != nil {
		return nil, fmt.Errorf("looking for Velero's Deployment: %w", err)
	}
	if len(found.Items) == 0 {
		return nil, nil //nolint:nilnil // none is no error
	}
	return &found.Items[0], nil
}

// ownImage returns the image of the container that brings this plugin, "" if there is none.
func ownImage(containers []corev1.Container) string {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return repository(c.Image) == pluginImage })
	if i < 0 {
		return ""
	}
	return containers[i].Image
}

// repository returns the last part of an image's name.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name, _, _ := strings.Cut(path.Base(image), ":")
	return name
}
