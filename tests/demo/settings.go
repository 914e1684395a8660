// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// settingsFiles are the settings that the second restore has, as this repository ships them.
func settingsFiles() []string {
	return []string{
		"deploy/settings/image-mapping.yaml", "deploy/settings/storage-class-mapping.yaml", "deploy/settings/load-balancer.yaml",
	}
}

// createSettings creates the ConfigMaps of settingsFiles, and prints what they say.
func (d *demo) createSettings(ctx context.Context) error {
	for _, file := range settingsFiles() {
		data, err := d.readFile(file)
		if err != nil {
			return err
		}
		settings := &corev1.ConfigMap{}
		if err := yaml.UnmarshalStrict(data, settings); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		if err := d.cp.Client.Create(ctx, settings); err != nil {
			return fmt.Errorf("creating the ConfigMap of %s: %w", file, err)
		}
		said, err := yaml.Marshal(settings.Data)
		if err != nil {
			return err
		}
		d.say("%s:\n%s", file, indented(string(said)))
	}
	return nil
}
