// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"io"
	"slices"

	"github.com/spf13/pflag"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/cmd/util/flag"
)

// Server is what the flags of Velero's server say about snapshots.
type Server struct {
	// CSI is whether the feature EnableCSI is on: no PersistentVolume of a CSI driver is
	// handed to a VolumeSnapshotter then.
	CSI bool
	// VolumePolicies is the name of the ConfigMap in Velero's namespace with the volume
	// policies of all backups, "" if there is none.
	VolumePolicies string
}

// ServerOf reads the arguments of a plugin's process, which are the flags of the server.
// The framework of plugins does not enable the features among them, so that Velero's
// features.IsEnabled is false in a plugin whatever the server was started with.
func ServerOf(args []string) Server {
	var (
		server   Server
		features flag.StringArray
	)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Var(&features, "features", "")
	flags.StringVar(&server.VolumePolicies, "global-backup-volume-policies-configmap", "", "")
	// The server has started with these, so what cannot be parsed is not of these two.
	_ = flags.Parse(args)
	server.CSI = slices.Contains(features, velerov1.CSIFeatureFlag)
	return server
}
