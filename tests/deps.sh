#!/bin/sh
# SPDX-License-Identifier: MIT
# Install what building, testing and the demo need, from Debian's own packages.
# Does nothing, and needs no root, when everything is already there. --list prints what it would.
set -eu

packages="
	gcc g++ libc6-dev make pkg-config clang llvm lld clang-format
	libbpf-dev bpftool libelf-dev libdw-dev zlib1g-dev systemtap-sdt-dev
	libxxhash-dev libiberty-dev libjansson-dev libcap-ng-dev libseccomp-dev libsqlite3-dev libcyaml-dev libyaml-dev
	libncurses-dev tmux libcmocka-dev bats scdoc redis-tools valgrind bpftrace
	jq procps util-linux binutils libxml2-utils openssl systemd
	spin libclang-rt-14-dev
	libmicrohttpd-dev libcurl4-openssl-dev prometheus yq curl chromium fonts-dejavu-core
	libprotobuf-c-dev protobuf-c-compiler golang-go
"

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
