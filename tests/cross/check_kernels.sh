#!/bin/sh
# SPDX-License-Identifier: MIT
# smaptrace traces exactly on the kernel of the other processor, and the tests pass there that user
# mode emulation cannot do.
cd "$(dirname "$0")/../.." || exit 1
[ "$ARCH" = arm64 ] || { echo "smaptrace does not know $ARCH"; exit 77; }
DEADLINE=1400 tests/kernels.sh
