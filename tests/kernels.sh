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
# (seconds for each kernel), V=1 shows the logs.
set -u
cd "$(dirname "$0")/.." || exit 1

O=${O:-.output}
dir=$O/kernels
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
	command -v qemu-system-x86_64 >/dev/null && return 0
	[ "$(id -u)" = 0 ] || return 1
	echo "  APT      qemu-system-x86" >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		qemu-system-x86 >/dev/null 2>&1
}

# The newest kernel of a series that apt knows of: name of its package.
newest() { # series
	apt-cache search --names-only "^linux-image-${1//./\\.}\\.[^ ]*-cloud-amd64\$" 2>/dev/null |
		cut -d' ' -f1 | grep -v unsigned | sort -V | tail -1
}

# Download and unpack a package below $dir, once.
unpack() { # package
	local tmp=$dir/$1.tmp
	[ -d "$dir/$1" ] && return 0
	rm -rf "$tmp" && mkdir -p "$tmp/debs"
	echo "  GET      $1" >&2
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download "$1") || return 1
	dpkg -x "$tmp/debs/"*.deb "$tmp" || return 1
	rm -rf "$tmp/debs" && mv "$tmp" "$dir/$1"
}

# --- the initramfs --------------------------------------------------------------

# A program with its shared libraries, at the paths where the loader looks.
copy_program() { # file, folder
	local lib
	install -D -m 755 "$1" "$root/$2/${1##*/}"
	for lib in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
		[ -e "$root$lib" ] || install -D -m 755 "$lib" "$root$lib"
	done
}

make_initramfs() {
	local main=$root/main name
	rm -rf "$root" && mkdir -p "$root/bin" "$main/tests"
	install -m 755 "$dir/busybox-static/bin/busybox" "$root/bin/busybox" || return 1
	copy_program "$(command -v bash)" bin
	copy_program "$(command -v jq)" bin
	copy_program "$(command -v setpriv)" bin
	copy_program "$O/smaptrace" main/.output
	copy_program "$O/libsmap.so" main/.output
	for name in mapload dlmap holdload; do
		copy_program "$O/tests/workloads/$name" main/.output/tests/workloads
	done
	cp -r tests/bench "$main/tests/"
	install -D -m 644 docs/deploy/smaptrace.service -t "$main/docs/deploy"
	install -m 755 tests/kernels/init "$root/init"
	(cd "$root" && find . | bin/busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$dir/initramfs"
}

# --- one kernel -------------------------------------------------------------------

boot() { # kernel, log
	# One thread: with more, a processor may run an instruction that another has replaced, and
	# trips over the kernel's own patching (the switch of the tracepoint sched_switch).
	nice timeout "$deadline" qemu-system-x86_64 -accel tcg,thread=single -machine q35 -cpu max -m 1024 \
		-smp "${CPUS:-2}" -nodefaults -display none -no-reboot -serial "file:$2" \
		-kernel "$1" -initrd "$dir/initramfs" \
		-append "console=ttyS0 quiet panic=-1 rdinit=/init OPS=${OPS:-20000}" </dev/null
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
	local package image log=$dir/$1.log
	if [ "$(uname -m)" != x86_64 ]; then line "$1" - SKIP "not an x86-64 machine"; return; fi
	if ! need_qemu; then line "$1" - SKIP "qemu-system-x86 is not installed"; return; fi
	package=$(newest "$1")
	if [ -z "$package" ]; then line "$1" - SKIP "apt has no cloud kernel $1"; return; fi
	if ! unpack "$package" || ! unpack busybox-static; then
		line "$1" - SKIP "cannot download $package"
		return
	fi
	[ -e "$dir/initramfs.done" ] || make_initramfs || die "cannot make the initramfs"
	: >"$dir/initramfs.done"
	image=$(echo "$dir/$package/boot/"vmlinuz-*)
	[ -e "$image" ] || die "$package has no kernel image"
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
rm -f "$dir/initramfs.done"
[ $# -gt 0 ] || set -- 6.1 6.12 host
for series in "$@"; do
	case $series in
	host) run_host ;;
	*) run_series "$series" ;;
	esac
done
[ "$failed" = 0 ] || exit 1
[ "$passed" -gt 0 ] || exit 77
