#!/bin/sh
# SPDX-License-Identifier: MIT
# Every source file is as clang-format would write it.
cd "$(dirname "$0")/.." || exit 1
command -v clang-format >/dev/null || { echo "clang-format is not installed: make deps"; exit 77; }
exec make --no-print-directory fmt-check
