#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes an image that build.sh has made to an archive, as docker save does:
#
#   tests/image/save.sh IMAGE FILE
set -euo pipefail
# shellcheck source=tests/image/engine.sh
source "$(dirname "$0")/engine.sh"

[[ $# -eq 2 ]] || {
	echo "usage: $0 IMAGE FILE" >&2
	exit 1
}
case $(engine) in
docker)
	docker save --output "$2" "$1"
	;;
buildah)
	prepare_buildah
	rm -f "$2" # Buildah adds to an archive.
	buildah push --quiet "$1" "docker-archive:$2:$1"
	;;
esac
