# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by test.sh: what it does with the image, done with docker. The
# functions are those of buildah.sh; $1 is an architecture. test.sh sets work and binary.
# shellcheck disable=SC2154

prepare() {
	image=velero-plugin-alibabacloud:test
}

# name prints under which name build.sh left the image.
name() {
	if docker image inspect "$image-$1" >/dev/null 2>&1; then
		echo "$image-$1"
	else
		echo "$image"
	fi
}

# user prints the image's user.
user() {
	docker image inspect --format '{{.Config.User}}' "$(name "$1")"
}

# extract copies the binary out of the image to the file $2.
extract() {
	local container
	container=$(docker create --platform "linux/$1" "$(name "$1")") || return
	docker cp "$container:/$binary" "$2" && docker rm "$container"
}

# run runs the image's entrypoint and command as its user, with the directory $2 at /target.
run() {
	docker run --rm --network none --platform "linux/$1" --volume "$2:/target" "$(name "$1")"
}

# run_readonly does so with a root filesystem that cannot be written to.
run_readonly() {
	docker run --rm --network none --read-only --platform "linux/$1" --volume "$2:/target" "$(name "$1")"
}

clean() {
	docker rmi "$image" "$image-amd64" "$image-arm64" >/dev/null 2>&1 || true
}
