# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by test.sh: what it does with the image, done with buildah. The
# functions are those of docker.sh; $1 is an architecture. test.sh sets work and binary.
# shellcheck disable=SC2154

# prepare gives buildah a storage of its own, which goes with the work directory.
prepare() {
	((EUID == 0)) || die "buildah runs an image as another user for root alone: run this as root, or start docker"
	image=localhost/velero-plugin-alibabacloud:test
	cat >"$work/storage.conf" <<-END
		[storage]
		driver = "vfs"
		graphroot = "$work/storage"
		runroot = "$work/run"
	END
	export CONTAINERS_STORAGE_CONF=$work/storage.conf
	prepare_buildah
}

# container prints the name of a new container of the image.
container() {
	buildah from --quiet --pull-never --arch "$1" "$image"
}

# user prints the image's user.
user() {
	buildah inspect --format '{{.OCIv1.Config.User}}' "$(container "$1")"
}

# extract copies the binary out of the image to the file $2.
extract() {
	local root
	root=$(buildah mount "$(container "$1")") && cp "$root/$binary" "$2"
}

# command_line prints the image's entrypoint and command, a word a line.
command_line() {
	buildah inspect --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}' "$1" |
		sed '/^$/d'
}

# run runs the image's entrypoint and command as its user, with the directory $2 at /target.
run() {
	local container words
	container=$(container "$1") || return
	mapfile -t words < <(command_line "$container")
	buildah run --volume "$2:/target" "$container" -- "${words[@]}"
}

# run_readonly does so with a root filesystem that cannot be written to. Buildah
# has no option for it, so this mounts the container's root itself.
run_readonly() {
	local container root words
	container=$(container "$1") || return
	root=$(buildah mount "$container") || return
	mapfile -t words < <(command_line "$container")
	mkdir -p "$root/target" "$root/proc"
	# shellcheck disable=SC2016 # The inner shell expands them.
	unshare --mount bash -euc '
		root=$1 target=$2 user=$3
		shift 3
		mount --bind "$root" "$root"
		mount -o remount,bind,ro "$root"
		mount --bind "$target" "$root/target"
		mount -t proc proc "$root/proc"
		if touch "$root/probe" 2>/dev/null; then
			echo "the root filesystem can be written to"
			exit 1
		fi
		exec chroot --userspec="$user" "$root" "$@"
	' bash "$root" "$2" "$(user "$1")" "${words[@]}"
}

clean() {
	:
}
