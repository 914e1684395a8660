#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the image and runs it as Velero does: its own entrypoint and command,
# its own user, and an empty directory at /target. Needs docker, or buildah and
# root; root on Debian gets buildah installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/image/engine.sh
source tests/image/engine.sh

binary=velero-plugin-alibabacloud
host=$(go env GOHOSTARCH)
work=$(mktemp -d)
chmod 0755 "$work" # The image's user must get to the directories below.

die() {
	echo "$1" >&2
	exit 1
}

# The file of the engine replaces it.
# shellcheck disable=SC2317
clean() {
	:
}
trap 'clean; rm -rf "$work"' EXIT

passed=0
failed=0

# check runs a command and prints what it showed. The command's output is shown
# if it fails.
check() {
	local what=$1
	shift
	if "$@" >"$work/output" 2>&1; then
		printf 'ok      %s\n' "$what"
		passed=$((passed + 1))
	else
		printf 'FAILED  %s\n' "$what"
		sed 's/^/        /' "$work/output"
		failed=$((failed + 1))
	fi
}

# directory makes an empty directory with a mode, by default that of an emptyDir
# volume, and prints its path.
directory() {
	local path
	path=$(mktemp -d "$work/target.XXXX")
	chmod "${1:-0777}" "$path"
	echo "$path"
}

equal() {
	[[ $1 == "$2" ]] || {
		echo "got $1, want $2"
		return 1
	}
}

# is_elf tells whether a file is for the machine of an architecture, by the
# field e_machine of its ELF header.
is_elf() {
	local -A machines=([amd64]=62 [arm64]=183)
	equal "$(head -c 4 "$2" | tail -c 3)" ELF && equal "$(od -An -tu2 -j18 -N2 "$2" | tr -d ' ')" "${machines[$1]}"
}

# holds_the_plugin tells whether a directory holds the binary, and nothing else.
holds_the_plugin() {
	equal "$(ls -A "$1")" "$binary" &&
		equal "$(stat -c '%a %u:%g' "$1/$binary")" "755 65532:65532" &&
		cmp "$1/$binary" "bin/linux-$host/$binary"
}

runs_on_the_host() {
	equal "$("$1/$binary" version)" "$("bin/linux-$host/$binary" version)"
}

contains_binary_of() {
	extract "$1" "$work/extracted-$1" && cmp "$work/extracted-$1" "bin/linux-$1/$binary"
}

fails_clearly() {
	local output
	if output=$(run "$host" "$1" 2>&1); then
		echo "it succeeded"
		return 1
	fi
	[[ $output == *"/target, which must be a directory that this user may write to"* ]] || {
		echo "it said: $output"
		return 1
	}
}

# is_reproducible builds in another directory, and compares.
is_reproducible() {
	local copy=$work/elsewhere
	mkdir "$copy"
	tar --exclude=./bin --exclude=node_modules -cf - . | tar -C "$copy" -xf -
	make -C "$copy" build && cmp "$copy/bin/$binary" "bin/linux-$host/$binary"
}

install_buildah() {
	if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
		die "neither docker with a running daemon nor buildah is here, and only root on Debian gets it installed: apt-get install buildah"
	fi
	{
		apt-get update &&
			DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends buildah
	} >"$work/output" 2>&1 || die "installing buildah: $(tail -n 5 "$work/output")"
}

engine >/dev/null || install_buildah
engine=$(engine)
# shellcheck source=tests/image/buildah.sh
source "tests/image/$engine.sh"
prepare

echo "Testing the image with $engine"
make --no-print-directory binaries PLATFORMS=linux/amd64,linux/arm64 >"$work/output" 2>&1 || die "$(cat "$work/output")"
for arch in amd64 arm64; do
	check "the $arch binary is an $arch executable" is_elf "$arch" "bin/linux-$arch/$binary"
done
check "the same sources in another directory give the same bytes" is_reproducible

check "the image builds for both platforms" tests/image/build.sh "$image" linux/amd64,linux/arm64
for arch in amd64 arm64; do
	check "the image for $arch holds the $arch binary" contains_binary_of "$arch"
done
check "the image's user is 65532" equal "$(user "$host")" 65532:65532

target=$(directory)
check "its own command succeeds with an empty /target" run "$host" "$target"
check "it leaves the binary there, 0755 and the same bytes, and nothing else" holds_the_plugin "$target"
check "the copy runs" runs_on_the_host "$target"

rm -f "$target/$binary"
echo "an earlier version" >"$target/$binary"
check "it succeeds again over an earlier version" run "$host" "$target"
check "it replaces that version" holds_the_plugin "$target"

target=$(directory)
check "a read-only root filesystem suffices" run_readonly "$host" "$target"
check "it leaves the binary there as well" holds_the_plugin "$target"

target=$(directory 0555)
check "without permission to write it fails with a clear message" fails_clearly "$target"
check "it leaves nothing there" equal "$(ls -A "$target")" ""

echo "$passed passed, $failed failed"
((failed == 0))
