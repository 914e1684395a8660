#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the statement coverage of the packages that hold backups in their
# hands, and fails where it is below the limit.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=85
packages=(./objectstore ./volumesnapshotter/... ./restoreitemaction ./internal/...)
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

list=$(IFS=,; echo "${packages[*]}")
go test -race -covermode=atomic -coverprofile="$profile" -coverpkg="$list" "${packages[@]}" >/dev/null

# Blocks repeat once for each test binary; a block is covered if any of them ran it.
awk -v limit="$limit" '
	NR > 1 {
		statements[$1] = $2
		if ($3 > 0) covered[$1] = 1
	}
	END {
		for (block in statements) {
			file = block; sub(/:.*/, "", file)
			package = file; sub(/\/[^\/]*$/, "", package)
			all[package] += statements[block]
			if (block in covered) hit[package] += statements[block]
		}
		failed = 0
		for (package in all) {
			percent = 100 * hit[package] / all[package]
			printf "%5.1f%% %s\n", percent, package
			if (percent < limit) failed = 1
		}
		if (failed) print "coverage is below " limit "%" > "/dev/stderr"
		exit failed
	}' "$profile"
