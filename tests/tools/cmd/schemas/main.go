// SPDX-License-Identifier: Apache-2.0

// Command schemas writes the JSON Schema of each ConfigMap that the item actions read
// into a folder. The keys are described as the references of them do it,
// docs/restore-settings.md and docs/backup-actions.md.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
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
	if len(args) != 3 {
		return errors.New("usage: schemas REFERENCE-OF-RESTORES REFERENCE-OF-BACKUPS FOLDER")
	}
	references := map[settings.Kind]string{}
	for i, kind := range []settings.Kind{settings.RestoreItemAction, settings.BackupItemAction} {
		reference, err := os.ReadFile(args[i])
		if err != nil {
			return err
		}
		references[kind] = string(reference)
	}
	files, err := generate(references)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(args[2], name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// schemaOf returns the schema of an action's settings.
type schemaOf func(kind settings.Kind, action string, forms settings.Forms) (settings.Schema, error)

// schemas are those of all actions that have settings, by kind and name.
func schemas() map[settings.Kind]map[string]schemaOf {
	return map[settings.Kind]map[string]schemaOf{
		settings.RestoreItemAction: {
			restoreitemaction.AnnotationsName:         settings.SchemaOf[restoreitemaction.AnnotationsSettings],
			restoreitemaction.FlexVolumeToCSIName:     settings.SchemaOf[restoreitemaction.FlexVolumeSettings],
			restoreitemaction.ImageMappingName:        settings.SchemaOf[imagemapping.Mapping],
			restoreitemaction.LoadBalancerName:        settings.SchemaOf[restoreitemaction.LoadBalancerSettings],
			restoreitemaction.StorageClassMappingName: settings.SchemaOf[storageclass.Mapping],
		},
		settings.BackupItemAction: {
			backupitemaction.SystemNamespacesName: settings.SchemaOf[backupitemaction.SystemNamespacesSettings],
			backupitemaction.UnmountedVolumesName: settings.SchemaOf[backupitemaction.UnmountedVolumesSettings],
		},
	}
}

// generate returns the content of each file by its name, <action>.json.
func generate(references map[settings.Kind]string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for kind, actions := range schemas() {
		for action, schemaOf := range actions {
			schema, err := schemaOf(kind, action, forms())
			if err != nil {
				return nil, err
			}
			section, err := sectionOf(references[kind], shortName(action))
			if err != nil {
				return nil, err
			}
			if err := describe(schema, section); err != nil {
				return nil, fmt.Errorf("describing the settings of %s: %w", action, err)
			}
			if files[fileOf(action)], err = encode(schema); err != nil {
				return nil, fmt.Errorf("writing the schema of %s: %w", action, err)
			}
		}
	}
	return files, nil
}

func encode(schema settings.Schema) ([]byte, error) {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
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
