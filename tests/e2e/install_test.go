//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
)

// testInstallation installs Velero with the plugin in both clusters, with one bucket, and removes and adds the plugin on
// one that runs. Velero's Pods are restricted and their root filesystems read only.
func (e *environment) testInstallation(t *testing.T) {
	bucket := e.cloud.bucket(t, "shared")
	for _, s := range []*site{e.home, e.away} {
		s.install(t, installation{bucket: bucket, prefix: "clusters"})
	}
	s := e.home
	wantListed := func(want bool) {
		t.Helper()
		list := s.velero(t, "plugin", "get", "--timeout", "1m") // by default it waits for 5s, which is little for a server that has just begun
		for _, name := range []string{"velero.io/alibabacloud", "alibabacloud.com/hbr", "alibabacloud.com/snapshot-progress"} {
			if strings.Contains(list, name) != want {
				t.Errorf("velero plugin get lists %s: %t, want %t:\n%s", name, !want, want, list)
			}
		}
	}
	wantListed(true)
	deployment := &appsv1.Deployment{ObjectMeta: inVelero("velero")}
	s.velero(t, "plugin", "remove", images.Plugin)
	s.awaitRollout(t, deployment)
	wantListed(false)
	s.velero(t, "plugin", "add", images.Plugin, "--confirm")
	s.change(t, deployment, func() { restrict(&deployment.Spec.Template.Spec) })
	s.awaitRollout(t, deployment)
	wantListed(true)
	s.awaitLocation(t, "default")
}
