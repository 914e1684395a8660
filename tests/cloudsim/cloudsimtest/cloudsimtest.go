// SPDX-License-Identifier: Apache-2.0

// Package cloudsimtest starts simulated clouds for tests.
package cloudsimtest

import (
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// Start starts the cloud that a YAML document describes. It ends with the test.
func Start(tb testing.TB, document string, options ...cloudsim.Option) *cloudsim.Cloud {
	tb.Helper()
	config, err := cloudsim.ParseConfig([]byte(document))
	if err != nil {
		tb.Fatal(err)
	}
	cloud, err := cloudsim.Start(config, append([]cloudsim.Option{cloudsim.WithStateDir(tb.TempDir())}, options...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			tb.Error(err)
		}
	})
	return cloud
}
