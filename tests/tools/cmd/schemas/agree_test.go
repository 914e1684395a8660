// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/imagemapping"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
)

// decoders read the settings of each action as the plugin does.
func decoders() map[string]func(*corev1.ConfigMap) error {
	return map[string]func(*corev1.ConfigMap) error{
		restoreitemaction.AnnotationsName:         decode[restoreitemaction.AnnotationsSettings],
		restoreitemaction.FlexVolumeToCSIName:     decode[restoreitemaction.FlexVolumeSettings],
		restoreitemaction.ImageMappingName:        decode[imagemapping.Mapping],
		restoreitemaction.LoadBalancerName:        decode[restoreitemaction.LoadBalancerSettings],
		restoreitemaction.StorageClassMappingName: decode[storageclass.Mapping],
		backupitemaction.SystemNamespacesName:     decode[backupitemaction.SystemNamespacesSettings],
		backupitemaction.UnmountedVolumesName:     decode[backupitemaction.UnmountedVolumesSettings],
	}
}

func decode[T any](configMap *corev1.ConfigMap) error {
	_, err := settings.Decode[T](configMap)
	return err
}

// compile returns the shipped schemas by action. They assert the YAML documents in
// strings too.
func compile(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertContent()
	compiler.RegisterContentMediaType(&jsonschema.MediaType{
		Name:          "application/yaml",
		Validate:      func(text []byte) error { _, err := instance(text); return err },
		UnmarshalJSON: instance,
	})
	schemas := make(map[string]*jsonschema.Schema)
	for action := range decoders() {
		schema, err := compiler.Compile(root + "deploy/settings/schema/" + fileOf(action))
		if err != nil {
			t.Fatal(err)
		}
		schemas[action] = schema
	}
	return schemas
}

// instance is a YAML document as the validator takes it.
func instance(text []byte) (any, error) {
	content, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(content))
}

// TestExamples holds that what deploy/ and docs/ show is accepted by the schema and
// read by the plugin, and that both have an example for each schema.
func TestExamples(t *testing.T) {
	t.Parallel()
	schemas := compile(t)
	for place, examples := range map[string][]string{"deploy": deployed(t), "docs": documented(t)} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			seen := make(map[string]bool)
			for _, example := range examples {
				seen[checkExample(t, schemas, example)] = true
			}
			for action := range schemas {
				if !seen[action] {
					t.Errorf("%s has no example", action)
				}
			}
		})
	}
}

// checkExample asks the schema and the plugin about a ConfigMap, and returns the action.
func checkExample(t *testing.T, schemas map[string]*jsonschema.Schema, example string) string {
	t.Helper()
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict([]byte(example), &configMap); err != nil {
		t.Fatal(err)
	}
	value, err := instance([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for action, decode := range decoders() {
		if _, ok := configMap.Labels[action]; !ok {
			continue
		}
		if err := schemas[action].Validate(value); err != nil {
			t.Errorf("%v\n%s", err, example)
		}
		if err := decode(&configMap); err != nil {
			t.Errorf("%v\n%s", err, example)
		}
		return action
	}
	t.Errorf("the ConfigMap %s is that of no action", configMap.Name)
	return ""
}

// deployed are the ConfigMaps in deploy/.
func deployed(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + "deploy/settings/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var examples []string
	for _, file := range files {
		examples = append(examples, document.Read(t, file))
	}
	return examples
}

// documented are the ConfigMaps in docs/.
func documented(t *testing.T) []string {
	t.Helper()
	var examples []string
	for _, reference := range references(t) {
		for _, match := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(reference, -1) {
			if strings.Contains(match[1], "kind: ConfigMap\n") {
				examples = append(examples, match[1])
			}
		}
	}
	return examples
}

// configMap returns the ConfigMap of an action with that data.
func configMap(action string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "velero", Name: "settings",
			Labels: map[string]string{settings.LabelPluginConfig: "", action: string(kindOf(action))},
		},
		Data: data,
	}
}

// kindOf returns the kind of an action.
func kindOf(action string) settings.Kind {
	for kind, actions := range schemas() {
		if _, ok := actions[action]; ok {
			return kind
		}
	}
	return ""
}

// validate asks the schema about a ConfigMap.
func validate(t *testing.T, schema *jsonschema.Schema, configMap *corev1.ConfigMap) error {
	t.Helper()
	content, err := json.Marshal(configMap)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

// TestSchemaOfAConfigMap has the mistakes that the plugin would not see, because it
// does not find the ConfigMap or the API server refuses it.
func TestSchemaOfAConfigMap(t *testing.T) {
	t.Parallel()
	schema := compile(t)[restoreitemaction.AnnotationsName]
	const good = `apiVersion: v1
kind: ConfigMap
metadata:
  name: annotations
  labels:
    velero.io/plugin-config: ""
    alibabacloud.com/annotations: RestoreItemAction
  annotations:
    alibabacloud.com/restore: shop-20260101
data:
  rules: "[]"
`
	for name, test := range map[string]struct {
		old, new string
		refused  bool
	}{
		"what is right":                 {},
		"another kind":                  {old: "kind: ConfigMap", new: "kind: Secret", refused: true},
		"the label of another action":   {old: "alibabacloud.com/annotations", new: "alibabacloud.com/annotation", refused: true},
		"a label with another value":    {old: "RestoreItemAction", new: "BackupItemAction", refused: true},
		"no label of a plugin's config": {old: "velero.io/plugin-config", new: "velero.io/plugin", refused: true},
		"a restore that is a number":    {old: "shop-20260101", new: "20260101", refused: true},
		"a list that is not text":       {old: `"[]"`, new: "[]", refused: true},
		"no data":                       {old: "data:\n  rules: \"[]\"\n", refused: true},
		"binary data":                   {old: "\ndata:", new: "\nbinaryData: {photo: AQ==}\ndata:", refused: true},
		"more of Kubernetes' own":       {old: "\ndata:", new: "\nimmutable: true\ndata:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, err := instance([]byte(strings.Replace(good, test.old, test.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); (err != nil) != test.refused {
				t.Errorf("refused is to be %t: %v", test.refused, err)
			}
		})
	}
}

// TestSchemaAndPluginAgree asks both about the same data.
func TestSchemaAndPluginAgree(t *testing.T) {
	t.Parallel()
	schemas, decoders := compile(t), decoders()
	for action, cases := range agreement() {
		for name, test := range cases {
			t.Run(action+"/"+name, func(t *testing.T) {
				t.Parallel()
				configMap := configMap(action, test.data)
				invalid, refused := validate(t, schemas[action], configMap), decoders[action](configMap)
				if (invalid != nil) != test.refused {
					t.Errorf("the schema: refused is to be %t: %v", test.refused, invalid)
				}
				if (refused != nil) != test.refused {
					t.Errorf("the plugin: refused is to be %t: %v", test.refused, refused)
				}
			})
		}
	}
}
