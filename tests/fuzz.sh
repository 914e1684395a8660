#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz test of some packages for a time, as many at once as there are
# processors, and fails if one finds something.
# Usage: tests/fuzz.sh <time, such as 60s> <package>...
set -euo pipefail
cd "$(dirname "$0")/.."

time=$1
shift

# list prints a line for each fuzz test: its package and name. go test -list would
# build all packages once more.
list() {
	for package in "$@"; do
		sed -n "s|^func \(Fuzz[^(]*\)(.*|$package \1|p" "$package"/*_test.go
	done
}

fuzz() {
	if ! out=$(go test -run '^$' -fuzz "^$3\$" -fuzztime "$1" -parallel 1 "$2" 2>&1); then
		printf '%s %s:\n%s\n' "$2" "$3" "$out"
		return 1
	fi
	printf '%s %s: %s\n' "$2" "$3" "$(grep '^fuzz: elapsed' <<<"$out" | tail -1)"
}

export -f fuzz
tests=$(list "$@")
if [ -z "$tests" ]; then
	echo "no fuzz tests in $*" >&2
	exit 1
fi
# One after the other, so that what they share is built once.
for package in $(cut -d ' ' -f 1 <<<"$tests" | sort -u); do
	go test -run '^$' -fuzz '^NoSuchTest$' "$package" >/dev/null
done
xargs -P "$(nproc)" -L 1 bash -c 'fuzz "$@"' fuzz "$time" <<<"$tests"
