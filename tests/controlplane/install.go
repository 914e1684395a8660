// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/apply"
)

// install creates what the Velero server needs to find in the cluster and is not there yet.
func (v *Velero) install(ctx context.Context) error {
	definitions, err := v.definitions(ctx)
	if err != nil {
		return err
	}
	if err := apply.Definitions(ctx, v.cp.Client, definitions...); err != nil {
		return fmt.Errorf("installing Velero: %w", err)
	}
	for _, object := range []client.Object{veleroNamespace(), veleroDeployment()} {
		if err := v.cp.Client.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("installing Velero: %w", err)
		}
	}
	return nil
}

// definitions are Velero's CustomResourceDefinitions, as its CLI writes them.
func (v *Velero) definitions(ctx context.Context) ([]client.Object, error) {
	manifest, err := v.CLI(ctx, "install", "--crds-only", "--dry-run", "-o", "yaml")
	if err != nil {
		return nil, err
	}
	var definitions []client.Object
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		document := &unstructured.Unstructured{}
		if err := decoder.Decode(document); errors.Is(err, io.EOF) {
			return definitions, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading Velero's CustomResourceDefinitions: %w", err)
		}
		err := document.EachListItem(func(item runtime.Object) error {
			definition, ok := item.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("unexpected item of type %T", item)
			}
			definitions = append(definitions, definition)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading Velero's CustomResourceDefinitions: %w", err)
		}
	}
}

func veleroNamespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: VeleroNamespace}}
}

// veleroDeployment is the Deployment that Velero's restores read the server's own image from (its
// pod-volume-restore action fails without it). It has no replicas.
func veleroDeployment() *appsv1.Deployment {
	labels := map[string]string{"component": "velero", "deploy": "velero"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: VeleroNamespace, Name: "velero", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "velero", Image: "velero/velero", Command: []string{"/velero", "server"}},
				}},
			},
		},
	}
}
