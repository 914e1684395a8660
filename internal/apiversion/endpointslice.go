// SPDX-License-Identifier: Apache-2.0

package apiversion

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// endpointSlice takes zones and nodes out of the topology of endpoints, which v1
// has under the name deprecatedTopology alone.
func endpointSlice(object map[string]any) error {
	if object["endpoints"] == nil {
		return nil // The API server writes null where there are none.
	}
	endpoints, _, err := unstructured.NestedSlice(object, "endpoints")
	if err != nil {
		return fmt.Errorf("reading the endpoints: %w", err)
	}
	for _, endpoint := range mapsIn(endpoints) {
		topology, _ := endpoint["topology"].(map[string]any)
		delete(endpoint, "topology")
		if zone, ok := topology[corev1.LabelTopologyZone]; ok {
			endpoint["zone"] = zone
			delete(topology, corev1.LabelTopologyZone)
		}
		if node, ok := topology[corev1.LabelHostname].(string); ok && node == endpoint["nodeName"] {
			delete(topology, corev1.LabelHostname)
		}
		if len(topology) > 0 {
			endpoint["deprecatedTopology"] = topology
		}
	}
	if err := unstructured.SetNestedSlice(object, endpoints, "endpoints"); err != nil {
		return fmt.Errorf("writing the endpoints: %w", err)
	}
	return nil
}
