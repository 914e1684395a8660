// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/apply"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// InstallSnapshots makes VolumeSnapshots known to a cluster, by the definitions in the module of the client for them, and
// waits until they are served.
func InstallSnapshots(ctx context.Context, api client.Client) error {
	definitions, err := snapshotDefinitions(ctx)
	if err == nil {
		err = apply.Definitions(ctx, api, definitions...)
	}
	if err != nil {
		return fmt.Errorf("install the definitions of VolumeSnapshots: %w", err)
	}
	return nil
}

func snapshotDefinitions(ctx context.Context) ([]client.Object, error) {
	dir, err := tools.ModuleDir(ctx, "github.com/kubernetes-csi/external-snapshotter/client/v8")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "config/crd/snapshot.storage.k8s.io_*.yaml"))
	if err != nil {
		return nil, err
	}
	definitions := make([]client.Object, 0, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, definition); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}
