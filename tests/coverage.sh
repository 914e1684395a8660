#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the statement coverage of each package in a profile of `go test`, and
# fails where it is below the limit: tests/coverage.sh PROFILE
set -euo pipefail

# Blocks repeat once for each test binary; a block is covered if any of them ran it.
awk -v limit=85 '
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
		failed = NR < 2
		for (package in all) {
			percent = 100 * hit[package] / all[package]
			printf "%5.1f%% %s\n", percent, package
			if (percent < limit) failed = 1
		}
		if (failed) print "coverage is below " limit "%" > "/dev/stderr"
		exit failed
	}' "$1"
