// SPDX-License-Identifier: Apache-2.0

package buildinfo_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/buildinfo"
)

const (
	commit   = "0123456789abcdef0123456789abcdef01234567"
	platform = runtime.GOOS + "/" + runtime.GOARCH
)

func TestOf(t *testing.T) {
	t.Parallel()
	unknown := buildinfo.Info{Version: "unknown", Commit: "unknown", Go: runtime.Version(), Velero: "unknown", Platform: platform}
	tests := []struct {
		name  string
		build *debug.BuildInfo
		want  buildinfo.Info
	}{
		{
			name:  "a binary without build information says unknown",
			build: nil,
			want:  unknown,
		},
		{
			name:  "a build outside of a module says unknown",
			build: &debug.BuildInfo{},
			want:  unknown,
		},
		{
			name: "a build of a clean commit names it and the version of Velero",
			build: &debug.BuildInfo{
				Main: debug.Module{Version: "v1.2.3"},
				Deps: []*debug.Module{
					{Path: "github.com/vmware-tanzu/velero-other", Version: "v9.9.9"},
					{Path: "github.com/vmware-tanzu/velero", Version: "v1.18.3"},
				},
				Settings: []debug.BuildSetting{
					{Key: "vcs", Value: "git"},
					{Key: "vcs.revision", Value: commit},
					{Key: "vcs.modified", Value: "false"},
				},
			},
			want: buildinfo.Info{Version: "v1.2.3", Commit: commit, Go: runtime.Version(), Velero: "v1.18.3", Platform: platform},
		},
		{
			name: "a build of changed files is marked whatever the order of the settings",
			build: &debug.BuildInfo{
				Main: debug.Module{Version: "(devel)"},
				Settings: []debug.BuildSetting{
					{Key: "vcs.modified", Value: "true"},
					{Key: "vcs.revision", Value: commit},
				},
			},
			want: buildinfo.Info{Version: "(devel)", Commit: commit + "-dirty", Go: runtime.Version(), Velero: "unknown", Platform: platform},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, buildinfo.Of(tt.build)); diff != "" {
				t.Errorf("Of() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInfoString(t *testing.T) {
	t.Parallel()
	info := buildinfo.Info{Version: "v1.2.3", Commit: commit, Go: "go1.26.0", Velero: "v1.18.3", Platform: "linux/arm64"}
	want := `velero-plugin-alibabacloud v1.2.3
commit: ` + commit + `
go: go1.26.0
velero: v1.18.3
platform: linux/arm64
`
	if diff := cmp.Diff(want, info.String()); diff != "" {
		t.Errorf("String() differs (-want +got):\n%s", diff)
	}
}
