#!/bin/sh
# SPDX-License-Identifier: MIT
# The probe contract in what was built for the other processor.
exec "$(dirname "$0")/../check_probes.sh"
