// SPDX-License-Identifier: Apache-2.0

// Package buildinfo says what this binary was built from. The Go toolchain
// records it, so that nothing has to be passed to the build.
package buildinfo

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

const veleroModule = "github.com/vmware-tanzu/velero"

// Info is what the binary was built from.
type Info struct {
	// Version is the module's version: a tag, or a pseudo-version of the commit.
	Version string
	// Commit is the hash of the commit, with "-dirty" behind it if files were changed.
	Commit string
	// Go is the version of the toolchain.
	Go string
	// Velero is the version of Velero whose plugin interface is built in.
	Velero string
	// Platform is the operating system and the architecture.
	Platform string
}

// Of reads the Info from what the toolchain recorded; unknown parts say so.
func Of(build *debug.BuildInfo) Info {
	info := Info{
		Version:  "unknown",
		Commit:   "unknown",
		Go:       runtime.Version(),
		Velero:   "unknown",
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if build == nil {
		return info
	}
	if build.Main.Version != "" {
		info.Version = build.Main.Version
	}
	dirty := false
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Commit = setting.Value
		case "vcs.modified":
			dirty = setting.Value == "true"
		}
	}
	if dirty {
		info.Commit += "-dirty"
	}
	for _, module := range build.Deps {
		if module.Path == veleroModule {
			info.Velero = module.Version
		}
	}
	return info
}

// String returns the Info as lines for a person.
func (i Info) String() string {
	return fmt.Sprintf("velero-plugin-alibabacloud %s\ncommit: %s\ngo: %s\nvelero: %s\nplatform: %s\n",
		i.Version, i.Commit, i.Go, i.Velero, i.Platform)
}
