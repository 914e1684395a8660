// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// catalogues is how many large ConfigMaps there are. Their content does not compress below three quarters, so that
	// the tarball of a backup exceeds 1 MiB: more than one part of an upload, where parts are small.
	catalogues = 3
	// catalogueSize is the size of each in bytes. A ConfigMap may have 1 MiB.
	catalogueSize = 500 << 10
	// imageSize is the size of the ConfigMap with binary data, in bytes.
	imageSize = 256 << 10
)

// configuration are the small ConfigMaps and the Secrets.
func configuration(namespace string) []client.Object {
	return []client.Object{
		&corev1.ConfigMap{
			ObjectMeta: named(namespace, "settings"),
			Data: map[string]string{
				"currency":    "CNY",
				"greeting":    "你好, 世界",
				"nginx.conf":  "server {\n\tlisten 8080;\n}\n",
				"empty-value": "",
			},
		},
		&corev1.ConfigMap{
			ObjectMeta: named(namespace, "image"),
			BinaryData: map[string][]byte{"logo.bin": noise("logo", imageSize)},
		},
		&corev1.Secret{
			ObjectMeta: named(namespace, "database"),
			Type:       corev1.SecretTypeOpaque,
			Data:       map[string][]byte{"user": []byte("shop"), "password": []byte("made-up"), "key": noise("key", 64)},
		},
		&corev1.Secret{
			ObjectMeta: named(namespace, "certificate"),
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{corev1.TLSCertKey: []byte("no certificate"), corev1.TLSPrivateKeyKey: []byte("no key")},
		},
		&corev1.Secret{
			ObjectMeta: named(namespace, "registry"),
			Type:       corev1.SecretTypeDockerConfigJson,
			Data:       map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{}}`)},
		},
	}
}

// catalogueMaps are the large ConfigMaps.
func catalogueMaps(namespace string) []client.Object {
	objects := make([]client.Object, 0, catalogues)
	for i := range catalogues {
		name := fmt.Sprintf("catalogue-%d", i)
		text := base64.StdEncoding.EncodeToString(noise(name, catalogueSize))[:catalogueSize]
		objects = append(objects, &corev1.ConfigMap{
			ObjectMeta: named(namespace, name),
			Data:       map[string]string{"articles": text},
		})
	}
	return objects
}

// noise are bytes that do not compress, the same ones for each seed of at most 32 bytes.
func noise(seed string, size int) []byte {
	var key [32]byte
	copy(key[:], seed)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	return data
}
