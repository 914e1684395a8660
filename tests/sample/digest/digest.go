// SPDX-License-Identifier: Apache-2.0

// Package digest tells whether the objects of a namespace came back from a backup as they were.
package digest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// Namespace returns a digest of each of the Objects of a namespace, by the same keys: the hexadecimal SHA-256.
func Namespace(ctx context.Context, config *rest.Config, namespace string) (map[string]string, error) {
	objects, err := Objects(ctx, config, namespace)
	if err != nil {
		return nil, err
	}
	digests := make(map[string]string, len(objects))
	for key, object := range objects {
		if digests[key], err = sum(object); err != nil {
			return nil, err
		}
	}
	return digests, nil
}

// sum returns the digest of one object. JSON of Go has the keys of an object in order.
func sum(object *unstructured.Unstructured) (string, error) {
	data, err := json.Marshal(object.Object)
	if err != nil {
		return "", fmt.Errorf("digesting %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:]), nil
}
