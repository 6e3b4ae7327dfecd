#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the maps that libsmap is measured against, from Debian's own packages: not needed to
# build, test or use anything. Does nothing when they are there; without root it says what
# is missing. boost::concurrent_flat_map needs boost 1.83, which Debian 12 does not have.
set -eu

packages="
	gcc g++ make pkg-config libxxhash-dev
	liburcu-dev libck-dev libtbb-dev libcuckoo-dev libglib2.0-dev
	libabsl-dev libboost1.81-dev golang-go
"

missing=""
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "bench: not root, cannot install:$missing" >&2
	exit 1
fi
echo "  DEPS    $(echo $missing)"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
