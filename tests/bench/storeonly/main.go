// SPDX-License-Identifier: Apache-2.0

// Command storeonly is the object store of the plugin alone: what benchmarks compare the whole bundle with.
package main

import (
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/objectstore"
)

func main() {
	framework.NewServer().
		BindFlags(pflag.CommandLine).
		RegisterObjectStore("velero.io/alibabacloud", func(log logrus.FieldLogger) (any, error) {
			return objectstore.New(log, alicloud.New(alicloud.Environment{Getenv: os.Getenv, Log: log}), os.Getenv), nil
		}).
		Serve()
}
