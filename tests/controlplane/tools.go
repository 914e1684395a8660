// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"io"
	"os"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// Tools are the paths of the programs that this package runs.
type Tools struct {
	Etcd              string
	APIServer         string
	ControllerManager string
	// Velero is both the server and the CLI.
	Velero string
	// VeleroMoves says that the server obeys tools.VeleroBindAddressVariable, as one from package tools does, so that
	// several can run side by side. Of any other, one runs at a time.
	VeleroMoves bool
}

// FindTools returns the programs of package tools, which it builds first if need be: that takes minutes, and is said
// on progress.
func FindTools(ctx context.Context, progress io.Writer) (Tools, error) {
	builder, err := tools.NewBuilder(ctx, os.LookupEnv, progress)
	if err != nil {
		return Tools{}, err
	}
	found := Tools{VeleroMoves: !builder.Overridden(tools.Velero)}
	for _, tool := range []struct {
		name string
		path *string
	}{
		{tools.Etcd, &found.Etcd},
		{tools.KubeAPIServer, &found.APIServer},
		{tools.KubeControllerManager, &found.ControllerManager},
		{tools.Velero, &found.Velero},
	} {
		if *tool.path, err = builder.Path(ctx, tool.name); err != nil {
			return Tools{}, err
		}
	}
	return found, nil
}
