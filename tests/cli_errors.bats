#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What smaptrace says when it cannot trace; list and doctor.

load trace

# --- errors ----------------------------------------------------------------

fails() { # status, text of the error, options...
	local want=$1 text=$2
	shift 2
	run "$SMAPTRACE" "$@"
	echo "$output"
	[ "$status" -eq "$want" ]
	[[ $output == *"$text"* ]]
	[[ $output == *"hint: "* ]]
}

@test "error: no such process" { fails 125 "no process 4194304" -p 4194304; }

@test "error: a thread, a kernel thread" {
	start "$tmp/own" 'hold .* after' "$MAPLOAD" --hold-after 10 --threads 2
	wait_for test "$(ls "/proc/$pid/task" | wc -l)" -gt 1
	local thread=$(ls "/proc/$pid/task" | tail -n 1)
	fails 125 "no process $thread" -p "$thread"
	fails 125 "no process $thread" list -p "$thread"
	kthread=$(ps -e -o pid=,comm= | sed -n 's/ *\([0-9]*\) kthreadd$/\1/p')
	[ -z "$kthread" ] || fails 125 "no process $kthread" -p "$kthread"
}

@test "error: not a libsmap process" {
	sleep 1000 3>&- &
	pids+=($!)
	fails 125 "does not use libsmap" -p $!
}

@test "error: a kernel without BPF" {
	local nobpf=$O/tests/workloads/nobpf
	run "$nobpf" "$SMAPTRACE" -- "$MAPLOAD" --ops 10
	echo "$output"
	[ "$status" -eq 125 ]
	[[ $output == *"cannot load the BPF programs"*CONFIG_BPF_SYSCALL* ]]
	run "$nobpf" "$SMAPTRACE" doctor
	[ "$status" -eq 125 ]
	[[ $output == *"no bpf()"* ]]
	run "$nobpf" "$SMAPTRACE" list
	[ "$status" -eq 0 ]
}

@test "error: not permitted" {
	start "$tmp/own" 'hold .* run' "$MAPLOAD" --hold-run
	cp "$SMAPTRACE" "$tmp/smaptrace"
	chmod 755 "$tmp" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" || true
	run setpriv --reuid 65534 --clear-groups "$tmp/smaptrace" -p "$pid"
	echo "$output"
	[ "$status" -eq 125 ]
	[[ $output == *CAP_SYS_PTRACE* ]]
	# Its own process it may look at, but not trace.
	run setpriv --reuid 65534 --clear-groups "$tmp/smaptrace" -- /bin/true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ $output == *CAP_BPF* ]]
}

@test "error: libsmap without probes; list works" {
	build "$tmp/prog" -DSMAP_NO_PROBES lib/*.c
	start "$tmp/own" 'hold .* run' "$tmp/prog" --hold-run
	fails 125 "no probes" -p "$pid"
	"$SMAPTRACE" list -p "$pid" | grep -q load.0
}

@test "error: another ABI version" {
	build "$tmp/prog" -DSMAP_ABI_VERSION=99 lib/*.c
	start "$tmp/own" 'hold .* run' "$tmp/prog" --hold-run
	fails 125 "ABI version 99" -p "$pid"
	run "$SMAPTRACE" -- "$tmp/prog"
	[ "$status" -eq 125 ]
	[[ $output == *"ABI version 99"* ]]
	# After another one: it has no number, and its end is not that of number 0.
	"$SMAPTRACE" -f json -o "$tmp/trace" -- \
		sh -c '"$0" --ops 10; exec "$1" --ops 10' "$MAPLOAD" "$tmp/prog" >"$tmp/own"
	jq -e 'select(.type == "end").targets | length == 1 and (.[0] | .ended and .exit_status == null)' \
		"$tmp/trace"
}

@test "error: command not found, not executable" {
	fails 127 "cannot run $tmp/none" -- "$tmp/none"
	fails 127 "cannot run no-such-command-anywhere" -- no-such-command-anywhere
	touch "$tmp/file"
	fails 126 "cannot run $tmp/file" -- "$tmp/file"
	fails 126 "cannot run $tmp" -- "$tmp"
}

# --- list and doctor -------------------------------------------------------

@test "list: processes and maps, within 80 columns" {
	start "$tmp/own" 'hold .* end' "$MAPLOAD" --hold-end --ops 5000 --maps 2 --name cache
	output=$("$SMAPTRACE" list) # what stderr has to say of other processes is no part of it
	[[ $output == *"$pid mapload: 2 maps"* ]]
	[[ $output == *"cache.0"* ]]
	[[ $output == *"misses "* ]]
	[ "$(wc -L <<<"$output")" -le 80 ]
	fails 125 "no process 4194304" list -p 4194304
}

@test "list: other formats are refused" {
	fails 2 "list has no format 'junit'" list -f junit
}

@test "list: JSON" {
	start "$tmp/own" 'hold .* end' "$MAPLOAD" --hold-end --ops 5000 --maps 2 --name $'a"\xff'
	"$SMAPTRACE" list -p "$pid" -f json -o "$tmp/list"
	jq -es --slurpfile own <(grep '"type":"map"' "$tmp/own") 'length == 2 and
		all(.type == "list" and .comm == "mapload" and (.name | test("^a\"\ufffd.[01]$"))
			and .len <= .read_len + .dirty_len and .slots > 0)
		and (INDEX(.addr) as $ours | $own | all(. as $o | $ours[.addr]
			| .misses == $o.misses and .copied == $o.copied and .dirty_len == $o.dirty_len))' \
		"$tmp/list"
}

@test "list: names are untrusted" {
	start "$tmp/own" 'hold .* end' "$MAPLOAD" --hold-end --ops 10 --name $'a\e[31m\xff'
	run "$SMAPTRACE" list -p "$pid"
	[ "$status" -eq 0 ]
	[[ $output == *'a\x1b[31m\xff.0'* ]]
}

@test "doctor: every requirement, 0 as root" {
	run "$SMAPTRACE" doctor
	[ "$status" -eq 0 ]
	[[ $output == *uprobes* && $output == *tools* ]]
	[ "$(wc -L <<<"$output")" -le 80 ]
}

@test "doctor: 125 and what to do without privileges" {
	cp "$SMAPTRACE" "$tmp/smaptrace"
	chmod 755 "$tmp" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" || true
	run setpriv --reuid 65534 --clear-groups "$tmp/smaptrace" doctor
	[ "$status" -eq 125 ]
	[[ $output == *CAP_BPF* ]]
}
