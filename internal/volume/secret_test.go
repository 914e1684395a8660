// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

func item(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	content := make(map[string]any)
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		tb.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

// withSecrets names a Secret in every place of a CSI volume.
const withSecrets = `
metadata:
  name: pv
  annotations:
    volume.kubernetes.io/provisioner-deletion-secret-name: deletion
    volume.kubernetes.io/provisioner-deletion-secret-namespace: kube-system
spec:
  claimRef: {namespace: shop, name: data}
  newer: field
  csi:
    driver: ossplugin.csi.alibabacloud.com
    nodePublishSecretRef: {namespace: shop, name: oss}
    nodeStageSecretRef: {namespace: shop, name: stage}
    controllerPublishSecretRef: {namespace: shop, name: oss}
    nodeExpandSecretRef: {namespace: infra, name: expand}
    controllerExpandSecretRef: {namespace: shop, name: expand}
`

func TestSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pv string
		want     []types.NamespacedName
	}{
		{
			name: "those in every place, each once", pv: withSecrets,
			want: []types.NamespacedName{
				{Namespace: "infra", Name: "expand"},
				{Namespace: "kube-system", Name: "deletion"},
				{Namespace: "shop", Name: "expand"},
				{Namespace: "shop", Name: "oss"},
				{Namespace: "shop", Name: "stage"},
			},
		},
		{name: "a volume may have none", pv: `spec: {csi: {driver: nasplugin.csi.alibabacloud.com}}`},
		{name: "that of another vendor's driver is left alone", pv: `spec: {csi: {driver: ebs.csi.aws.com, nodePublishSecretRef: {namespace: shop, name: x}}}`},
		{name: "so is that of another vendor's FlexVolume", pv: `spec: {flexVolume: {driver: example.com/disk, secretRef: {namespace: shop, name: x}}}`},
		{
			name: "so is that of an in-tree volume",
			pv:   `{metadata: {annotations: {volume.kubernetes.io/provisioner-deletion-secret-name: x, volume.kubernetes.io/provisioner-deletion-secret-namespace: shop}}, spec: {hostPath: {path: /}}}`,
		},
		{
			name: "that of a FlexVolume", pv: `spec: {flexVolume: {driver: alicloud/oss, secretRef: {namespace: infra, name: oss}}}`,
			want: []types.NamespacedName{{Namespace: "infra", Name: "oss"}},
		},
		{
			name: "that of a FlexVolume is in the namespace of the claim unless it says otherwise",
			pv:   `spec: {claimRef: {namespace: shop, name: data}, flexVolume: {driver: alicloud/oss, secretRef: {name: oss}}}`,
			want: []types.NamespacedName{{Namespace: "shop", Name: "oss"}},
		},
		{
			name: "it is in the namespace of the claim also while the volume is held back in Velero's",
			pv: `
metadata: {annotations: {alibabacloud.com/volume-ready: '{"volume":"v-1","claim":{"namespace":"shop","name":"data"}}'}}
spec: {claimRef: {namespace: velero, name: held}, flexVolume: {driver: alicloud/oss, secretRef: {name: oss}}}
`,
			want: []types.NamespacedName{{Namespace: "shop", Name: "oss"}},
		},
		{name: "without a claim nobody knows which it is", pv: `spec: {flexVolume: {driver: alicloud/oss, secretRef: {name: oss}}}`},
		{name: "a CSI driver finds none without a namespace", pv: `spec: {claimRef: {namespace: shop}, csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {name: oss}}}`},
		{name: "what is no PersistentVolume has none", pv: `spec: {csi: [1]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Secrets(item(t, tt.pv))); diff != "" {
				t.Errorf("Secrets (-want +got):\n%s", diff)
			}
		})
	}
}

// mapping moves what is in shop to bank, and what is in bank to elsewhere.
func mapping(secret types.NamespacedName) string {
	if to, ok := map[string]string{"shop": "bank", "bank": "elsewhere"}[secret.Namespace]; ok {
		return to
	}
	return secret.Namespace
}

func TestMoveSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fromBackup, item string
		// want is empty if nothing changes.
		want string
	}{
		{
			name: "all follow, and nothing else changes", fromBackup: withSecrets, item: withSecrets,
			want: `
metadata:
  name: pv
  annotations:
    volume.kubernetes.io/provisioner-deletion-secret-name: deletion
    volume.kubernetes.io/provisioner-deletion-secret-namespace: kube-system
spec:
  claimRef: {namespace: shop, name: data}
  newer: field
  csi:
    driver: ossplugin.csi.alibabacloud.com
    nodePublishSecretRef: {namespace: bank, name: oss}
    nodeStageSecretRef: {namespace: bank, name: stage}
    controllerPublishSecretRef: {namespace: bank, name: oss}
    nodeExpandSecretRef: {namespace: infra, name: expand}
    controllerExpandSecretRef: {namespace: bank, name: expand}
`,
		},
		{
			name:       "the deletion's follows",
			fromBackup: `{metadata: {annotations: {volume.kubernetes.io/provisioner-deletion-secret-name: x, volume.kubernetes.io/provisioner-deletion-secret-namespace: shop}}, spec: {csi: {driver: nasplugin.csi.alibabacloud.com}}}`,
			item:       `{metadata: {annotations: {volume.kubernetes.io/provisioner-deletion-secret-name: x, volume.kubernetes.io/provisioner-deletion-secret-namespace: shop, a: b}}}`,
			want:       `{metadata: {annotations: {volume.kubernetes.io/provisioner-deletion-secret-name: x, volume.kubernetes.io/provisioner-deletion-secret-namespace: bank, a: b}}}`,
		},
		{
			name:       "a FlexVolume's follows",
			fromBackup: `spec: {flexVolume: {driver: alicloud/oss, secretRef: {namespace: shop, name: oss}}}`,
			item:       `spec: {flexVolume: {driver: alicloud/oss, secretRef: {namespace: shop, name: oss}}}`,
			want:       `spec: {flexVolume: {driver: alicloud/oss, secretRef: {namespace: bank, name: oss}}}`,
		},
		{
			name:       "a FlexVolume that has become CSI stays as it was made",
			fromBackup: `spec: {flexVolume: {driver: alicloud/oss, secretRef: {namespace: shop, name: oss}}}`,
			item:       `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: oss}}}`,
		},
		{
			name:       "a FlexVolume's without a namespace stays",
			fromBackup: `spec: {claimRef: {namespace: shop}, flexVolume: {driver: alicloud/oss, secretRef: {name: oss}}}`,
			item:       `spec: {claimRef: {namespace: shop}, flexVolume: {driver: alicloud/oss, secretRef: {name: oss}}}`,
		},
		{
			name:       "one that has followed is not mapped once more",
			fromBackup: `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: oss}}}`,
			item:       `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: bank, name: oss}}}`,
		},
		{
			name:       "another Secret by now stays",
			fromBackup: `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: oss}}}`,
			item:       `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: new}}}`,
		},
		{
			name:       "what is another vendor's stays",
			fromBackup: `spec: {csi: {driver: ebs.csi.aws.com, nodePublishSecretRef: {namespace: shop, name: x}}}`,
			item:       `spec: {csi: {driver: ebs.csi.aws.com, nodePublishSecretRef: {namespace: shop, name: x}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := item(t, tt.item)
			got := MoveSecrets(before, item(t, tt.fromBackup), mapping)
			if diff := cmp.Diff(item(t, tt.item), before); diff != "" {
				t.Errorf("the argument was modified (-before +after):\n%s", diff)
			}
			if tt.want == "" {
				if got != nil {
					t.Errorf("something has changed (-before +after):\n%s", cmp.Diff(before, got))
				}
				return
			}
			if diff := cmp.Diff(item(t, tt.want), got); diff != "" {
				t.Errorf("item (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzSecrets holds that any object is answered for, and that Secrets move once.
func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{
		withSecrets,
		`spec: {claimRef: {namespace: shop}, flexVolume: {driver: alicloud/oss, secretRef: {name: oss}}}`,
		`{metadata: {annotations: [x]}, spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: x}}}`,
	} {
		content, err := yaml.YAMLToJSON([]byte(seed))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(content))
	}
	f.Fuzz(func(t *testing.T, text string) {
		content := make(map[string]any)
		if json.Unmarshal([]byte(text), &content) != nil {
			return
		}
		pv := &unstructured.Unstructured{Object: content}
		for _, secret := range Secrets(pv) {
			if secret.Name == "" || secret.Namespace == "" {
				t.Errorf("Secrets(%s) has %q", text, secret)
			}
		}
		moved := MoveSecrets(pv, pv, mapping)
		if moved == nil {
			return
		}
		if again := MoveSecrets(moved, pv, mapping); again != nil {
			t.Errorf("moved twice (-once +twice):\n%s", cmp.Diff(moved, again))
		}
	})
}
