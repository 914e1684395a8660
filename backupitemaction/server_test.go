// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
)

func TestServerOf(t *testing.T) {
	t.Parallel()
	on := backupitemaction.Server{CSI: true}
	tests := []struct {
		name string
		args []string
		want backupitemaction.Server
	}{
		{name: "no flags"},
		{name: "a feature", args: []string{"--features=EnableCSI"}, want: on},
		{name: "a feature as a word of its own", args: []string{"--features", "EnableCSI"}, want: on},
		{name: "a feature among others", args: []string{"--features=EnableAPIGroupVersions,EnableCSI"}, want: on},
		{name: "other features", args: []string{"--features=EnableAPIGroupVersions"}},
		{name: "no features", args: []string{"--features="}},
		{name: "the last of several, as Velero takes it", args: []string{"--features=EnableCSI", "--features=EnableAPIGroupVersions"}},
		{
			name: "flags among those of the server",
			args: []string{
				"--uploader-type=kopia", "--log-level", "debug", "--restore-only", "--features=EnableCSI", "stray",
				"--fs-backup-timeout=1h", "--global-backup-volume-policies-configmap=common", "-v", "5",
			},
			want: backupitemaction.Server{CSI: true, VolumePolicies: "common"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, backupitemaction.ServerOf(tt.args)); diff != "" {
				t.Errorf("ServerOf() (-want +got):\n%s", diff)
			}
		})
	}
}
