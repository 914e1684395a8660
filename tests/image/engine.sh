# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it: which program builds and runs images here.

# engine prints docker or buildah. A docker client without its daemon does not count.
engine() {
	if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
		echo docker
	elif command -v buildah >/dev/null; then
		echo buildah
	else
		return 1
	fi
}

# prepare_buildah makes buildah work also as root inside of a container, where
# it may neither mount an overlay nor start a runtime. A storage that is
# configured already is kept.
prepare_buildah() {
	if ((EUID == 0)); then
		export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
	fi
	if ! buildah info >/dev/null 2>&1; then
		export STORAGE_DRIVER=vfs
	fi
}
