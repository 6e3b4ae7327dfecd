#!/bin/sh
# SPDX-License-Identifier: MIT
# Install what building, testing and the demo need, from Debian's own packages.
# Does nothing, and needs no root, when everything is already there. FOR=build: what building
# needs, and no more. --list prints what it would.
set -eu

building="
	gcc libc6-dev make pkg-config binutils clang
	libbpf-dev bpftool libelf-dev libdw-dev zlib1g-dev systemtap-sdt-dev libxxhash-dev libiberty-dev
	libjansson-dev libcap-ng-dev libseccomp-dev libcyaml-dev libyaml-dev libncurses-dev
	libmicrohttpd-dev libcurl4-openssl-dev libprotobuf-c-dev protobuf-c-compiler
	scdoc openssl
"
others="
	g++ llvm lld clang-format libclang-rt-14-dev libsqlite3-dev
	tmux libcmocka-dev bats redis-tools valgrind bpftrace spin
	jq procps util-linux libxml2-utils systemd
	prometheus yq curl chromium fonts-dejavu-core golang-go
"
packages=$building
[ "${FOR:-}" = build ] || packages="$building $others"

if [ "${1:-}" = --list ]; then
	printf '%s\n' $packages
	exit
fi

# Where npm is already there it brought its own node, which Debian's would collide with.
command -v npm >/dev/null || packages="$packages nodejs npm"

missing=""
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "make deps: not root, cannot install:$missing" >&2
	echo "make deps: run it as root, or install these packages yourself" >&2
	exit 1
fi
echo "  DEPS    $(echo $missing)"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
