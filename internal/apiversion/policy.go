// SPDX-License-Identifier: Apache-2.0

package apiversion

import (
	"encoding/json"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
)

// disruptionLabel is in the selectors by which the API server tells apart what
// v1beta1 and v1 of PodDisruptionBudget mean by an empty selector: no Pod, and
// every Pod.
const disruptionLabel = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"

func disruptionBudget(object map[string]any) error {
	selector, found, err := unstructured.NestedMap(object, "spec", "selector")
	if err != nil {
		return fmt.Errorf("reading the selector: %w", err)
	}
	if !found {
		return nil
	}
	every := map[string]any{"matchExpressions": []any{map[string]any{"key": disruptionLabel, "operator": "DoesNotExist"}}}
	switch {
	case len(selector) == 0:
		return unstructured.SetNestedMap(object, map[string]any{
			"matchExpressions": []any{map[string]any{"key": disruptionLabel, "operator": "Exists"}},
		}, "spec", "selector")
	case equality.Semantic.DeepEqual(selector, every):
		return unstructured.SetNestedMap(object, map[string]any{}, "spec", "selector")
	default:
		return nil
	}
}

// annotationBehavior is where v2beta1 of HorizontalPodAutoscaler shows a field
// that it does not have.
const annotationBehavior = "autoscaling.alpha.kubernetes.io/behavior"

// autoscaler gives the metrics of v2beta1 the shape that v2beta2 and v2 have.
func autoscaler(object map[string]any) error {
	metrics, found, err := unstructured.NestedSlice(object, "spec", "metrics")
	if err != nil {
		return fmt.Errorf("reading the metrics: %w", err)
	}
	for _, metric := range mapsIn(metrics) {
		for _, kind := range []string{"containerResource", "external", "object", "pods", "resource"} {
			if source, ok := metric[kind].(map[string]any); ok {
				metric[kind] = metricSource(kind, source)
			}
		}
	}
	if found {
		if err := unstructured.SetNestedSlice(object, metrics, "spec", "metrics"); err != nil {
			return fmt.Errorf("writing the metrics: %w", err)
		}
	}
	return behavior(object)
}

// metricSource returns a source of v2beta1 as v2 writes it.
func metricSource(kind string, old map[string]any) map[string]any {
	source := map[string]any{}
	move := func(to map[string]any, name string, from ...string) {
		for _, key := range from {
			if value := old[key]; value != nil {
				to[name] = value
			}
		}
	}
	if kind == "resource" || kind == "containerResource" {
		move(source, "name", "name")
		move(source, "container", "container")
	} else {
		metric := map[string]any{}
		move(metric, "name", "metricName")
		move(metric, "selector", "selector", "metricSelector")
		source["metric"] = metric
	}
	if kind == "object" {
		move(source, "describedObject", "target")
	}
	target := map[string]any{}
	move(target, "value", "targetValue")
	move(target, "averageValue", "targetAverageValue", "averageValue")
	move(target, "averageUtilization", "targetAverageUtilization")
	target["type"] = targetType(kind, target)
	source["target"] = target
	return source
}

// targetType returns what v2 calls the target of a metric. Of two values an object
// metric goes by the average, an external one by the value.
func targetType(kind string, target map[string]any) string {
	switch {
	case target["averageUtilization"] != nil:
		return string(autoscalingv2.UtilizationMetricType)
	case target["averageValue"] != nil && (kind != "external" || target["value"] == nil):
		return string(autoscalingv2.AverageValueMetricType)
	default:
		return string(autoscalingv2.ValueMetricType)
	}
}

// behavior takes the behavior out of the annotation. It is there as the Go fields
// are named, in whichever case.
func behavior(object map[string]any) error {
	text, found, err := unstructured.NestedString(object, "metadata", "annotations", annotationBehavior)
	if err != nil || !found {
		return err
	}
	var typed autoscalingv2.HorizontalPodAutoscalerBehavior
	if err := json.Unmarshal([]byte(text), &typed); err != nil {
		return fmt.Errorf("reading the annotation %s: %w", annotationBehavior, err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&typed)
	if err != nil {
		return fmt.Errorf("writing the behavior: %w", err)
	}
	if len(content) > 0 {
		if err := unstructured.SetNestedMap(object, content, "spec", "behavior"); err != nil {
			return fmt.Errorf("writing the behavior: %w", err)
		}
	}
	annotation.Remove(object, annotationBehavior)
	return nil
}
