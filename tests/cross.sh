#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cross.sh arm64|s390x - do the library and the tool work on another processor?
#
# arm64: all of it is built with Debian's cross compiler, without a warning, and its unit and
# stress tests run under qemu's user mode emulation; tests/cross/check_*.sh compare what the
# tool makes of tests/fixtures with what the one of this machine does. s390x stands for big
# endian machines: the library and its tests only, without probes.
#
# Compiler and emulator are installed where they are missing and we are root. The libraries are
# Debian's for that processor, downloaded by an apt with a state of its own and unpacked into
# $O/ARCH/root: this machine's apt hears of no other architecture.
#
# What the emulator cannot do is listed with its reason in tests/cross/ARCH, and is skipped. The
# last line counts, as that of run.sh; exit 1 if something failed, 77 if nothing could be run.
# Environment: O build tree (.output); V, DEADLINE as in run.sh. Arguments behind ARCH select tests.
set -u
cd "$(dirname "$0")/.." || exit 1

. tests/cross/apt.bash
case ${1:-} in
arm64) machine=aarch64 triplet=aarch64-linux-gnu targets="all units workloads lib-tests" flags= ;;
s390x) machine=s390x triplet=s390x-linux-gnu targets=lib-tests flags=LIB_DEFS=-DSMAP_NO_PROBES ;;
*) echo "usage: cross.sh arm64|s390x [SUBSTRING...]" >&2; exit 2 ;;
esac
export ARCH=$1
arch=$1
shift
here=$PWD
host=${O:-.output}
out=$host/$arch
root=$here/$out/root

skip() { # why nothing can be run
	echo "  SKIP  $arch: $*"
	echo "0 passed, 0 failed, 1 skipped"
	exit 77
}

need_tools() {
	local packages="gcc-$triplet libc6-dev-$arch-cross qemu-user"
	command -v "$triplet-gcc" "qemu-$machine" "$triplet-objdump" >/dev/null && return
	# Words are meant to split.
	# shellcheck disable=SC2086
	apt_install $packages || skip "install $packages"
}

# What the build needs for the other processor, and what tests/kernels.sh takes along.
libraries() {
	case $arch in
	arm64)
		printf '%s\n' bash busybox-static jq util-linux
		tests/deps.sh --list | grep -E '^(lib.*-dev|zlib1g-dev|systemtap-sdt-dev)$' |
			grep -v '^libclang'
		;;
	*) printf '%s\n' libc6-dev libcmocka-dev libxxhash-dev ;;
	esac
}

make_root() { # packages
	local deb link target
	rm -rf "$root" "$out/apt" && mkdir -p "$root"
	echo "  GET     $*"
	apt_for "$here/$out" get -qq update || return 1
	apt_for "$here/$out" get -qq install -y --no-install-recommends --download-only "$@" || return 1
	for deb in "$out"/apt/cache/archives/*.deb; do
		dpkg -x "$deb" "$root" || return 1
	done
	# The root of this machine is not theirs.
	find "$root" -type l -lname '/*' | while read -r link; do
		target=$root$(readlink "$link")
		[ ! -e "$target" ] || ln -sfr "$target" "$link"
	done
	rm -rf "$out/apt/cache/archives"
}

need_root() {
	local packages
	packages=$(libraries | sort | tr '\n' ' ')
	[ "$(cat "$out/root.done" 2>/dev/null)" != "$packages" ] || return
	# shellcheck disable=SC2086
	make_root $packages || skip "apt cannot download for $arch: $packages"
	echo "$packages" >"$out/root.done"
}

# The tools by their usual names, for the scripts that call them by these.
make_bin() {
	local tool
	mkdir -p "$out/bin"
	printf '#!/bin/sh\nexec %s-gcc --sysroot="%s" "$@"\n' "$triplet" "$root" >"$out/bin/cc"
	chmod +x "$out/bin/cc"
	for tool in objdump strip; do
		ln -sf "$(command -v "$triplet-$tool")" "$out/bin/$tool"
	done
}

need_tools
need_root
make_bin
unset MAKEFLAGS MFLAGS MAKELEVEL
# shellcheck disable=SC2086
make --no-print-directory -j "$(nproc)" O="$out" CC="$here/$out/bin/cc" ARCH=$machine SYSROOT="$root" \
	UPLOT="$host/web/node_modules/uplot/dist" $flags $targets || exit 1

export O=$out TESTS=tests/cross CANNOT=tests/cross/$arch HOST_O=$host SYSROOT=$root
export DEADLINE=${DEADLINE:-3000}
export RUN="qemu-$machine -L $root" CC=$here/$out/bin/cc PATH=$here/$out/bin:$PATH
[ "$arch" = arm64 ] || [ $# -gt 0 ] || set -- test_ stress_
exec tests/run.sh "$@"
