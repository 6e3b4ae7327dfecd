#!/bin/bash
# SPDX-License-Identifier: MIT
#
# kernels.sh [SERIES|host...] - does smaptrace trace exactly on other kernels?
#
# Debian's cloud kernels of each SERIES (6.1 and 6.12) are downloaded, not installed, and booted
# in qemu, one after the other; tests/kernels/init does the work there. The machine is
# emulated (tcg), so this needs no virtualisation, and all files are in the initramfs, so it
# needs no driver, disk or network. `host` is the kernel that runs now. The programs are built
# once, here: that they load everywhere is part of the test.
#
# One line for each kernel: version, way of attaching, PASS, FAIL or SKIP with the reason. Logs
# stay in $O/kernels. Exit 1 if one failed, 77 if none ran. Environment: O, OPS, CPUS, DEADLINE
# (seconds for each kernel), V=1 shows the logs. For another processor tests/cross.sh sets ARCH, O,
# SYSROOT and RUN; then the tests that RUN cannot do (CANNOT) are done there too.
set -u
cd "$(dirname "$0")/.." || exit 1

. tests/cross/apt.bash
O=${O:-.output}
dir=$O/kernels
export ARCH=${ARCH:-$(dpkg --print-architecture)}
SYSROOT=${SYSROOT:-}
case $ARCH in
amd64) emulator=qemu-system-x86_64 board=q35 console=ttyS0 package=qemu-system-x86 ;;
arm64) emulator=qemu-system-aarch64 board=virt console=ttyAMA0 package=qemu-system-arm ;;
*) emulator="" ;;
esac
deadline=${DEADLINE:-600}
passed=0 failed=0

die() {
	echo "kernels.sh: error: $*" >&2
	exit 1
}

line() { # version, way, verdict, reason
	printf '%-28s %-13s %-5s %s\n' "$@"
}

# --- what is needed -----------------------------------------------------------

need_qemu() {
	command -v "$emulator" >/dev/null || apt_install "$package"
}

# The newest kernel of a series that apt knows of: name of its package.
newest() { # series
	apt_for "$tree" cache search --names-only \
		"^linux-image-${1//./\\.}\\.[^ ]*-cloud-$ARCH\$" 2>/dev/null |
		cut -d' ' -f1 | grep -v unsigned | sort -V | tail -1
}

# Download and unpack a package below $dir, once.
unpack() { # package
	local tmp=$dir/$1.tmp
	[ -d "$dir/$1" ] && return 0
	rm -rf "$tmp" && mkdir -p "$tmp/debs"
	echo "  GET      $1" >&2
	(cd "$tmp/debs" && apt_for "$tree" get -qq download "$1") || return 1
	dpkg -x "$tmp/debs/"*.deb "$tmp" || return 1
	rm -rf "$tmp/debs" && mv "$tmp" "$dir/$1"
}

# --- the initramfs --------------------------------------------------------------

# The files that the loader maps for a program.
libraries_of() { # file
	local loader
	if [ -n "$SYSROOT" ]; then
		for loader in "$SYSROOT"/lib/ld-linux-*; do
			# Words are meant to split.
			# shellcheck disable=SC2086
			$RUN "$loader" --list "$1"
		done
	else
		ldd "$1"
	fi 2>/dev/null | grep -o '/[^ ]*'
}

# A program with its shared libraries, at the paths where the loader looks.
copy_program() { # file, folder
	local lib
	install -D -m 755 "$1" "$root/$2/${1##*/}"
	for lib in $(libraries_of "$1"); do
		lib=${lib#"$SYSROOT"}
		[ -e "$root$lib" ] || install -D -m 755 "$SYSROOT$lib" "$root$lib"
	done
}

# Programs that are not ours: this machine's, or those of the other processor.
tool() { # name
	if [ -n "$SYSROOT" ]; then
		find "$SYSROOT/bin" "$SYSROOT/usr/bin" -name "$1"
	elif [ "$1" = busybox ]; then
		echo "$dir/busybox-static/bin/busybox"
	else
		command -v "$1"
	fi
}

# The tests that $RUN cannot do.
missed() {
	[ -z "${CANNOT:-}" ] || sed -n 's/^\([a-z][a-z0-9_.]*\)[: ].*/\1/p' "$CANNOT" | sort -u
}

make_initramfs() {
	local main=$root/main name
	rm -rf "$root" && mkdir -p "$root/bin" "$main/tests"
	install -m 755 "$(tool busybox)" "$root/bin/busybox" || return 1
	copy_program "$(tool bash)" bin
	copy_program "$(tool jq)" bin
	copy_program "$(tool setpriv)" bin
	copy_program "$O/smaptrace" main/.output
	copy_program "$O/libsmap.so" main/.output
	for name in mapload dlmap holdload; do
		copy_program "$O/tests/workloads/$name" main/.output/tests/workloads
	done
	for name in $(missed); do
		copy_program "$O/tests/$name" main/.output/tests
	done
	cp -r tests/bench "$main/tests/"
	install -D -m 644 docs/deploy/smaptrace.service -t "$main/docs/deploy"
	install -m 755 tests/kernels/init "$root/init"
	# shellcheck disable=SC2086
	(cd "$root" && find . | ${RUN:-} bin/busybox cpio -o -H newc 2>/dev/null | gzip -1) \
		>"$dir/initramfs"
}

# --- one kernel -------------------------------------------------------------------

boot() { # kernel, log
	# One thread: with more, a processor may run an instruction that another has replaced, and
	# trips over the kernel's own patching (the switch of the tracepoint sched_switch). --foreground:
	# what ends us (Ctrl-C, the deadline of run.sh) ends it, too.
	nice timeout --foreground "$deadline" "$emulator" -accel tcg,thread=single -machine "$board" -cpu max -m 1024 \
		-smp "${CPUS:-2}" -nodefaults -display none -no-reboot -serial "file:$2" \
		-kernel "$1" -initrd "$dir/initramfs" \
		-append "console=$console quiet panic=-1 rdinit=/init OPS=${OPS:-20000} UNITS=$(missed | paste -sd,)" </dev/null
}

verdict() { # name, log
	local version way result
	tr -d '\r' <"$2" >"$2.txt" && mv "$2.txt" "$2"
	version=$(sed -n 's/^KERNEL //p' "$2")
	way=$(sed -n 's/^ATTACH //p' "$2")
	result=$(sed -n 's/^RESULT //p' "$2")
	grep -qx DONE "$2" || result="FAIL did not come to its end, see $2"
	[ -n "$result" ] || result="FAIL no result, see $2"
	line "${version:-$1}" "${way:--}" "${result%% *}" "${result#* }"
	if [ "${result%% *}" = PASS ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	[ -z "${V:-}" ] || sed 's/^/    /' "$2"
}

run_host() {
	local log=$dir/host.log
	if [ "$(id -u)" != 0 ]; then
		line "$(uname -r)" - SKIP "not root"
		return
	fi
	nice timeout "$deadline" tests/kernels/init >"$log" </dev/null
	verdict host "$log"
}

run_series() { # series
	local kernel image log=$dir/$1.log
	if [ -z "$emulator" ]; then line "$1" - SKIP "no emulator is known for $ARCH"; return; fi
	if ! need_qemu; then line "$1" - SKIP "$package is not installed"; return; fi
	kernel=$(newest "$1")
	if [ -z "$kernel" ]; then line "$1" - SKIP "apt has no cloud kernel $1 for $ARCH"; return; fi
	if ! unpack "$kernel" || { [ -z "$SYSROOT" ] && ! unpack busybox-static; }; then
		line "$1" - SKIP "cannot download $kernel"
		return
	fi
	[ -e "$dir/initramfs.done" ] || make_initramfs || die "cannot make the initramfs"
	: >"$dir/initramfs.done"
	image=$(echo "$dir/$kernel/boot/"vmlinuz-*)
	[ -e "$image" ] || die "$kernel has no kernel image"
	rm -f "$log"
	boot "$image" "$log"
	verdict "$1" "$log"
}

for file in smaptrace libsmap.so tests/workloads/mapload tests/workloads/dlmap \
	tests/workloads/holdload; do
	[ -e "$O/$file" ] || die "$O/$file is missing: run make all workloads"
done
command -v jq >/dev/null || die "jq is missing: run make deps"
mkdir -p "$dir"
root=$dir/root
tree=$(realpath "$O")
rm -f "$dir/initramfs.done"
[ $# -gt 0 ] || set -- 6.1 6.12 $([ -n "$SYSROOT" ] || echo host)
for series in "$@"; do
	case $series in
	host) run_host ;;
	*) run_series "$series" ;;
	esac
done
[ "$failed" = 0 ] || exit 1
[ "$passed" -gt 0 ] || exit 77
