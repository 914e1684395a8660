#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the images of these tests are made with, where it is missing: a
# program that builds the plugin's, and a BusyBox that needs no libraries. What
# clusters need is installed by `go run ./tests/cluster/cmd/cluster packages`.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/image/engine.sh
source tests/image/engine.sh

missing=()
engine >/dev/null || missing+=(buildah)
if [[ ! -x /bin/busybox ]] || ldd /bin/busybox >/dev/null 2>&1; then
	missing+=(busybox-static)
fi
if ((${#missing[@]} == 0)); then
	exit 0
fi
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
	echo "install ${missing[*]} (packages of Debian)" >&2
	exit 1
fi
echo "installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
