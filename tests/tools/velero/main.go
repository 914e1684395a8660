// SPDX-License-Identifier: Apache-2.0

// Command velero is upstream's (github.com/vmware-tanzu/velero/cmd/velero), with one difference: the environment
// variable VELERO_TEST_METRICS_BIND_ADDRESS moves the metrics of the server's controller manager. Upstream's server
// binds them to :8080 of all addresses and has no flag for it, so that a machine can run only one server.
// Unset, the variable changes nothing. Velero's own metrics are elsewhere (--metrics-address).
package main

import (
	"os"
	"path/filepath"

	"github.com/vmware-tanzu/velero/pkg/cmd"
	"github.com/vmware-tanzu/velero/pkg/cmd/velero"
	"k8s.io/klog/v2"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// bindAddressVariable is repeated in package tools, whose module cannot import this one.
const bindAddressVariable = "VELERO_TEST_METRICS_BIND_ADDRESS"

func main() {
	if address := os.Getenv(bindAddressVariable); address != "" {
		metricsserver.DefaultBindAddress = address
	}
	defer klog.Flush()
	cmd.CheckError(velero.NewCommand(filepath.Base(os.Args[0])).Execute())
}
