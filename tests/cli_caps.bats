#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# smaptrace as docs/deploy has it run: as nobody, with a few capabilities. They are enough, it
# is exact with them, children of the traced process are not harmed; and each is needed.

load trace

# Those of the unit. CAP_SYS_ADMIN is for kernels without uprobe_multi only.
caps() { sed -n 's/^AmbientCapabilities=//p' docs/deploy/smaptrace.service; }

as_nobody() { # capabilities, command...; only in a subshell, which becomes the command
	local set=
	for cap in $1; do set+=,+${cap#CAP_}; done
	set=${set,,}
	shift
	exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all"$set" \
		--ambient-caps=-all"$set" --bounding-set=-all"$set" "$@"
}

# The binary where nobody may run it.
public() {
	cp "$SMAPTRACE" "$tmp/smaptrace"
	chmod 755 "$tmp/smaptrace"
	for dir in "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$tmp"; do
		[ ! -d "$dir" ] || chmod o+x "$dir"
	done
	public=$tmp/smaptrace
}

multi() { grep -q '^ok .*uprobe_multi' "$BATS_FILE_TMPDIR/doctor"; }

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	[ "$(id -u)" = 0 ] || skip "not root"
	grep -q 'can trace here' "$BATS_FILE_TMPDIR/doctor" || skip "no BPF"
	multi || skip "this kernel has no uprobe_multi: CAP_SYS_ADMIN is needed"
	tmp=$BATS_TEST_TMPDIR
	pids=()
	public
}

@test "caps: the unit's are enough; exact, and children are not harmed" {
	[ "$(caps | wc -w)" -ge 3 ]
	start "$tmp/own" ready "$O/tests/workloads/forkmap" --hold --before --children 2
	target=$pid
	as_nobody "$(caps)" "$public" -i 0.2 -f json -p "$target" >"$tmp/trace" 2>"$tmp/err" 3>&- &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q '^Attached' "$tmp/err"
	go_on "$target"
	wait "$target" # fails if a child died
	wait "$tracer"
	jq -es --argjson pid "$target" --slurpfile own <(grep '"type":"map"' "$tmp/own") '
		(.[] | select(.type == "end")) as $last
		| ($own | map(select(.pid == $pid)) | first) as $map
		| ($last.losses | all(. == 0)) and ($last.maps | length == 1)
		and $last.maps[0].misses == $map.misses and $last.maps[0].promotions == $map.promotions' \
		"$tmp/trace"
}

@test "caps: without any one of them it does not trace, and says why" {
	start "$tmp/own" ready "$MAPLOAD" --hold --ops 1000
	for without in $(caps); do
		rest=$(caps | tr ' ' '\n' | grep -v "^$without\$" | tr '\n' ' ')
		run as_nobody "$rest" "$public" -d 0.2 -p "$pid"
		echo "without $without: $status: $output"
		[ "$status" = 125 ]
		[[ $output == *"hint: "*CAP_* ]]
	done
}
