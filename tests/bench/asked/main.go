// SPDX-License-Identifier: Apache-2.0

// Command asked is the object store of the plugin, with actions that Velero asks of the same objects as those of the
// plugin, and that do nothing but leave system namespaces out: what a backup costs with it and not with the object store
// alone is Velero's asking, whatever is answered.
package main

import (
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	biav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v1"
	biav2 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/objectstore"
)

func main() {
	server := framework.NewServer().
		BindFlags(pflag.CommandLine).
		RegisterObjectStore("velero.io/alibabacloud", func(log logrus.FieldLogger) (any, error) {
			return objectstore.New(log, alicloud.New(alicloud.Environment{Getenv: os.Getenv, Log: log}), os.Getenv), nil
		}).
		RegisterBackupItemActionV2(backupitemaction.SnapshotProgressName, func(log logrus.FieldLogger) (any, error) {
			return waitsForNothing{backupitemaction.NewSnapshotProgress(log, nowhere(), backupitemaction.Server{}, nil)}, nil
		})
	for name, construct := range backupitemaction.Constructors() {
		server.RegisterBackupItemAction(name, func(log logrus.FieldLogger) (any, error) {
			with := backupitemaction.Dependencies{Settings: settings.NewReader(nowhere()), Clients: nowhere()}
			return doesNothing{construct(log, with), name == backupitemaction.SystemNamespacesName}, nil
		})
	}
	server.Serve()
}

// nowhere is no cluster: nothing of it is read.
func nowhere() *cluster.Cluster { return cluster.Absent(cluster.ErrNone) }

// doesNothing is an action that is asked and does nothing.
type doesNothing struct {
	biav1.BackupItemAction
	leavesOut bool
}

func (a doesNothing) Execute(item runtime.Unstructured, _ *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, error) { //nolint:unparam // The interface has it.
	if a.leavesOut {
		object := &unstructured.Unstructured{Object: item.UnstructuredContent()}
		object.SetAnnotations(map[string]string{velerov1.SkipFromBackupAnnotation: "true"})
	}
	return item, nil, nil
}

// waitsForNothing is an action of version 2 that is asked and does nothing.
type waitsForNothing struct{ biav2.BackupItemAction }

func (waitsForNothing) Execute(item runtime.Unstructured, _ *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, string, []velero.ResourceIdentifier, error) {
	return item, nil, "", nil, nil
}
