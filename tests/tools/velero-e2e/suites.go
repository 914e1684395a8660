// SPDX-License-Identifier: Apache-2.0

//go:build tidy

package providers

// What the suites of Velero import, as test/e2e/e2e_suite_test.go does: go mod tidy looks into the tests of no other module.
import (
	_ "github.com/onsi/ginkgo/v2"
	_ "github.com/onsi/gomega"
	_ "github.com/vmware-tanzu/velero/pkg/cmd/cli/install"
	_ "github.com/vmware-tanzu/velero/test/e2e/backup"
	_ "github.com/vmware-tanzu/velero/test/e2e/backups"
	_ "github.com/vmware-tanzu/velero/test/e2e/basic"
	_ "github.com/vmware-tanzu/velero/test/e2e/basic/api-group"
	_ "github.com/vmware-tanzu/velero/test/e2e/basic/backup-volume-info"
	_ "github.com/vmware-tanzu/velero/test/e2e/basic/resources-check"
	_ "github.com/vmware-tanzu/velero/test/e2e/bsl-mgmt"
	_ "github.com/vmware-tanzu/velero/test/e2e/migration"
	_ "github.com/vmware-tanzu/velero/test/e2e/nodeagentconfig"
	_ "github.com/vmware-tanzu/velero/test/e2e/parallelfilesdownload"
	_ "github.com/vmware-tanzu/velero/test/e2e/parallelfilesupload"
	_ "github.com/vmware-tanzu/velero/test/e2e/privilegesmgmt"
	_ "github.com/vmware-tanzu/velero/test/e2e/pv-backup"
	_ "github.com/vmware-tanzu/velero/test/e2e/repomaintenance"
	_ "github.com/vmware-tanzu/velero/test/e2e/resource-filtering"
	_ "github.com/vmware-tanzu/velero/test/e2e/resourcemodifiers"
	_ "github.com/vmware-tanzu/velero/test/e2e/resourcepolicies"
	_ "github.com/vmware-tanzu/velero/test/e2e/scale"
	_ "github.com/vmware-tanzu/velero/test/e2e/schedule"
	_ "github.com/vmware-tanzu/velero/test/e2e/upgrade"
)
