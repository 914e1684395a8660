// SPDX-License-Identifier: Apache-2.0

// Command schemas writes the JSON Schema of each ConfigMap that the restore item
// actions read into a folder. The keys are described as the reference of them,
// docs/restore-settings.md, does it.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/imagemapping"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: schemas REFERENCE FOLDER")
	}
	reference, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	files, err := generate(string(reference))
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(args[1], name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of each file by its name, <action>.json.
func generate(reference string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for action, schemaOf := range map[string]func(string, settings.Forms) (settings.Schema, error){
		restoreitemaction.AnnotationsName:         settings.SchemaOf[restoreitemaction.AnnotationsSettings],
		restoreitemaction.FlexVolumeToCSIName:     settings.SchemaOf[restoreitemaction.FlexVolumeSettings],
		restoreitemaction.ImageMappingName:        settings.SchemaOf[imagemapping.Mapping],
		restoreitemaction.LoadBalancerName:        settings.SchemaOf[restoreitemaction.LoadBalancerSettings],
		restoreitemaction.StorageClassMappingName: settings.SchemaOf[storageclass.Mapping],
	} {
		schema, err := schemaOf(action, forms())
		if err != nil {
			return nil, err
		}
		section, err := sectionOf(reference, shortName(action))
		if err != nil {
			return nil, err
		}
		if err := describe(schema, section); err != nil {
			return nil, fmt.Errorf("describing the settings of %s: %w", action, err)
		}
		var content bytes.Buffer
		encoder := json.NewEncoder(&content)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(schema); err != nil {
			return nil, fmt.Errorf("writing the schema of %s: %w", action, err)
		}
		files[fileOf(action)] = content.Bytes()
	}
	return files, nil
}

// shortName is what an action is called beside the others of this plugin.
func shortName(action string) string {
	_, name, _ := strings.Cut(action, "/")
	return name
}

// fileOf is the name of the file with the schema of an action.
func fileOf(action string) string {
	return shortName(action) + ".json"
}
