#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the conformance tests: independent clients (Node.js) against the simulated cloud.
#
# CLOUDSIM_BIN  the cloudsim program; built into a temporary directory when it is not set.
# CONFORMANCE_CACHE  where the npm packages are kept between runs, by default in the user's cache directory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CONFORMANCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/velero-plugin-alibabacloud/conformance}

fail() {
	echo "conformance: $*" >&2
	exit 1
}

command -v node >/dev/null || fail "node is not installed; version 20 or later is needed"
command -v npm >/dev/null || fail "npm is not installed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The packages are installed once for each lock file, outside of the checkout.
digest=$(sha256sum "$here/package-lock.json" "$here/.npmrc" | sha256sum | cut -c 1-16)
installed=$cache/$digest
if [ ! -d "$installed" ]; then
	mkdir -p "$cache"
	new=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work" "$new"' EXIT
	cp "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$new"
	(cd "$new" && npm ci --ignore-scripts --loglevel=error)
	# Of two runs at once the first one's packages stay.
	mv -T "$new" "$installed" 2>/dev/null || [ -d "$installed" ]
fi

if [ -z "${CLOUDSIM_BIN:-}" ]; then
	CLOUDSIM_BIN=$work/cloudsim
	(cd "$here/../.." && go build -o "$CLOUDSIM_BIN" ./tests/cloudsim/cmd/cloudsim)
fi
export CLOUDSIM_BIN

# Node.js looks for packages beside the tests, so the tests run beside the packages.
mkdir "$work/tests"
cp "$here"/*.js "$here"/package.json "$work/tests"
ln -s "$installed/node_modules" "$work/tests/node_modules"
cd "$work/tests"

# Nothing may go through a proxy: the clients talk to the loopback addresses of the simulator alone.
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
node --test --test-concurrency=2 "$@"
