// SPDX-License-Identifier: Apache-2.0

package apiversion

import (
	"fmt"

	flowcontrolv1beta3 "k8s.io/api/flowcontrol/v1beta3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
)

// concurrencyShares gives the shares of a priority level the name that they have
// since v1beta3.
func concurrencyShares(object map[string]any) error {
	limited, found, err := unstructured.NestedMap(object, "spec", "limited")
	if err != nil {
		return fmt.Errorf("reading the limits: %w", err)
	}
	shares, named := limited["assuredConcurrencyShares"]
	if !found || !named {
		return nil
	}
	delete(limited, "assuredConcurrencyShares")
	limited["nominalConcurrencyShares"] = shares
	if err := unstructured.SetNestedMap(object, limited, "spec", "limited"); err != nil {
		return fmt.Errorf("writing the limits: %w", err)
	}
	return nil
}

// zeroShares drops the mark by which v1beta3 tells zero shares from none.
func zeroShares(object map[string]any) error {
	annotation.Remove(object, flowcontrolv1beta3.PriorityLevelPreserveZeroConcurrencySharesKey)
	return nil
}
