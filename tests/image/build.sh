#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the image from the binaries in bin/linux-<arch>, which `make binaries`
# makes, with docker or buildah:
#
#   tests/image/build.sh IMAGE PLATFORM[,PLATFORM...]
#
# With several platforms IMAGE is one name for all of them (a manifest list),
# except where docker's image store cannot hold such a list.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/image/engine.sh
source tests/image/engine.sh

binary=velero-plugin-alibabacloud

die() {
	echo "$1" >&2
	exit 1
}

[[ $# -eq 2 && -n $1 && -n $2 ]] || die "usage: $0 IMAGE PLATFORM[,PLATFORM...]"
image=$1
IFS=, read -ra platforms <<<"$2"

for platform in "${platforms[@]}"; do
	[[ $platform == linux/* ]] || die "the image is for linux alone, not for $platform"
	[[ -x bin/${platform/\//-}/$binary ]] || die "bin/${platform/\//-}/$binary is missing: run make binaries PLATFORMS=$2"
done

with_docker() {
	export DOCKER_BUILDKIT=1 # Not the default before Docker 23, and COPY --chmod needs it.
	if ((${#platforms[@]} == 1)); then
		docker build --platform "$2" --tag "$image" .
		return
	fi
	# Only the image store of containerd holds manifest lists.
	if docker info --format '{{.DriverStatus}}' | grep -q io.containerd.snapshotter && docker buildx version >/dev/null 2>&1; then
		docker buildx build --platform "$2" --tag "$image" --load .
		return
	fi
	for platform in "${platforms[@]}"; do
		docker build --platform "$platform" --tag "$image-${platform#*/}" .
	done
	echo "docker's image store holds no manifest lists: built $(printf "$image-%s " "${platforms[@]#*/}")instead of $image"
}

with_buildah() {
	prepare_buildah
	if ((${#platforms[@]} == 1)); then
		buildah build --quiet --platform "$2" --tag "$image" . >/dev/null
		return
	fi
	# A list of the same name would be added to, and an image of it be in the way.
	buildah manifest rm "$image" >/dev/null 2>&1 || buildah rmi "$image" >/dev/null 2>&1 || true
	buildah build --quiet --platform "$2" --manifest "$image" . >/dev/null
}

engine=$(engine) || die "neither docker with a running daemon nor buildah is here; install docker or buildah: apt-get install buildah"
"with_$engine" "$@"
echo "Built $image for $2 with $engine"
