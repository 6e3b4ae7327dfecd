# SPDX-License-Identifier: MIT
# check.bash - sourced by check_*.sh in the project's folder: a folder that goes away with the
# script, and a way out where a tool is missing.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# Skip the test where one is not there.
needs() { # commands
	local command
	for command; do
		command -v "$command" >/dev/null || {
			echo "$command is not installed (make deps)"
			exit 77
		}
	done
}
