#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# smaptrace on real processes: every way to link, to be placed, to end, to go wrong.
# Exact figures have a file of their own: cli_exact.bats. Needs root and BPF.

setup_file() {
	cd "$BATS_TEST_DIRNAME/.."
	export O=${O:-.output} CC=${CC:-gcc}
	export SMAPTRACE=${SMAPTRACE:-$O/smaptrace} MAPLOAD=$O/tests/workloads/mapload
	O=$(realpath "$O") SMAPTRACE=$(realpath "$SMAPTRACE") MAPLOAD=$(realpath "$MAPLOAD")
	"$SMAPTRACE" doctor >"$BATS_FILE_TMPDIR/doctor" || true
}

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	[ "$(id -u)" = 0 ] || skip "not root"
	grep -q 'can trace here' "$BATS_FILE_TMPDIR/doctor" ||
		skip "no BPF: $(grep -m 1 '^MISSING' "$BATS_FILE_TMPDIR/doctor")"
	tmp=$BATS_TEST_TMPDIR
	pids=()
}

teardown() {
	for pid in "${pids[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
	done
}

# until COMMAND... is true; gives up after 20 s.
wait_for() {
	local end=$((SECONDS + 20))
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.02
	done
}

# Start a program in the background, wait for a line of its output. Sets pid.
start() { # output file, pattern, command...
	local out=$1 pattern=$2
	shift 2
	"$@" >"$out" 2>&1 3>&- </dev/null &
	pid=$!
	pids+=("$pid")
	wait_for grep -q -- "$pattern" "$out"
}

go_on() { kill -USR1 "$1"; }

# Start smaptrace in the background, wait until it is attached. Sets tracer.
trace() { # output file, options...
	local out=$1
	shift
	"$SMAPTRACE" -i 0.2 -f json -o "$out" "$@" 2>"$out.err" >/dev/null 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q '^Attached' "$out.err"
}

build() { # output, flags...
	local out=$1
	shift
	"$CC" -std=gnu11 -O1 -g -pthread -D_GNU_SOURCE -Ilib -Itests/workloads tests/workloads/mapload.c \
		tests/workloads/mapload/*.c -o "$out" "$@" -lm
}

# The counters at the end of a trace are those that the maps printed themselves.
agree() { # trace, what the program printed
	jq -es --slurpfile own <(grep '"type":"map"' "$2") '
		(.[] | select(.type == "end")) as $last
		| ($last.maps | INDEX("\(.pid) \(.addr)")) as $ours
		| ($last.losses | all(. == 0)) and ($own | length) > 0
		and ($own | all(. as $o | $ours["\(.pid) \(.addr)"]
			| .name == $o.name and .misses == $o.misses
			and .promotions == $o.promotions and .rebuilds == $o.rebuilds
			and .copied == $o.copied and .expunged == $o.expunged))' "$1"
}

follow() { # a command from its start to its end, the figures compared
	"$SMAPTRACE" -f json -o "$tmp/trace" -- "$@" --ops 5000 --mix churn >"$tmp/own" 3>&-
	agree "$tmp/trace" "$tmp/own"
}

# --- ways to link ----------------------------------------------------------

@test "trace: static library, PIE" { follow "$MAPLOAD"; }

@test "trace: static library, not PIE" {
	build "$tmp/prog" -no-pie -fno-pie "$O/libsmap.a"
	follow "$tmp/prog"
}

@test "trace: fully static" {
	build "$tmp/prog" -static "$O/libsmap.a"
	follow "$tmp/prog"
}

@test "trace: static PIE" {
	build "$tmp/prog" -static-pie "$O/libsmap.a"
	follow "$tmp/prog"
}

@test "trace: shared library" {
	build "$tmp/prog" -L"$O" -lsmap -Wl,-rpath,"$O"
	follow "$tmp/prog"
}

@test "trace: stripped" {
	build "$tmp/prog" "$O/libsmap.a"
	strip "$tmp/prog"
	run nm "$tmp/prog"
	[[ $output == *"no symbols"* ]]
	follow "$tmp/prog"
}

@test "trace: another linker, which lets segments share pages" {
	command -v ld.lld >/dev/null || skip "no ld.lld"
	build "$tmp/prog" -fuse-ld=lld "$O/libsmap.a"
	follow "$tmp/prog"
}

@test "trace: perf events where there are no multi links" {
	export SMAPTRACE_ATTACH=perf
	follow "$MAPLOAD"
	start "$tmp/own" 'hold .* run' "$MAPLOAD" --hold-run --hold-end --ops 5000 --threads 3
	trace "$tmp/trace" -p "$pid"
	go_on "$pid"
	wait_for grep -q 'hold .* end' "$tmp/own"
	kill -INT "$tracer"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
}

# --- places ----------------------------------------------------------------

@test "trace: another mount namespace" {
	mkdir "$tmp/mnt"
	build "$tmp/prog" -L"$O" -lsmap -Wl,-rpath,"$tmp/mnt"
	start "$tmp/own" 'hold .* run' unshare -m sh -c "
		mount -t tmpfs none $tmp/mnt && cp -L $O/libsmap.so.0 $tmp/prog $tmp/mnt/ &&
		exec $tmp/mnt/prog --hold-run --ops 5000 --mix churn"
	[ ! -e "$tmp/mnt/prog" ]
	"$SMAPTRACE" list -p "$pid" | grep -q "$tmp/mnt/libsmap.so.0"
	trace "$tmp/trace" -p "$pid"
	go_on "$pid"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
}

@test "trace: a binary that was deleted" {
	cp "$MAPLOAD" "$tmp/prog"
	start "$tmp/own" 'hold .* run' "$tmp/prog" --hold-run --ops 5000 --mix churn
	rm "$tmp/prog"
	trace "$tmp/trace" -p "$pid"
	go_on "$pid"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
}

@test "trace: a library loaded after the attach" {
	start "$tmp/own" ready "$O/tests/workloads/dlmap" --hold --hold-loaded --library "$O/libsmap.so"
	trace "$tmp/trace" -p "$pid"
	grep -q 'watching for it to load' "$tmp/trace.err"
	go_on "$pid"
	wait_for grep -q 'hold' "$tmp/own"
	wait_for grep -q '"pid":'"$pid" "$tmp/trace"
	go_on "$pid"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
}

@test "trace: two copies of libsmap in one process" {
	start "$tmp/own" 'hold .* run' env LD_PRELOAD="$O/libsmap.so" "$MAPLOAD" --hold-run --ops 5000
	trace "$tmp/trace" -p "$pid"
	grep -q 'Attached 18 probes' "$tmp/trace.err"
	go_on "$pid"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
}

# --- life ------------------------------------------------------------------

@test "trace: attached late, maps have their names and lifetime totals" {
	start "$tmp/own" 'hold .* end' "$MAPLOAD" --hold-end --ops 5000 --maps 3 --name old --mix promote
	trace "$tmp/trace" -p "$pid" -d 0.3
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
	jq -es '.[] | select(.type == "end") | .maps | length == 3 and
		([.[].name] | sort) == ["old.0", "old.1", "old.2"] and all(.misses > 0 and .traced.misses == 0)' \
		"$tmp/trace"
}

@test "trace: a map made before main" {
	"$SMAPTRACE" -f json -o "$tmp/trace" -- "$MAPLOAD" --ctor --ops 1000 >"$tmp/own" 3>&-
	jq -es '.[] | select(.type == "end") | .maps | any(.name == "ctor" and .misses == .traced.misses)' \
		"$tmp/trace"
	agree "$tmp/trace" "$tmp/own"
}

@test "trace: attached again; what the first trace left in the batch is not counted twice" {
	cat >"$tmp/misses.c" <<-'EOF'
		#include <smap.h>
		#include <stdio.h>

		/* As many misses as each number on stdin says. */
		int main(void)
		{
			struct smap_options opts = {.size = sizeof(opts), .key_kind = SMAP_KEY_U64};
			struct smap *map;
			unsigned count;
			void *value;

			if (smap_create(&map, &opts))
				return 1;
			for (unsigned i = 0; i < 1000; i++)
				smap_store_u64(map, i, map);
			puts("ready");
			while (fflush(stdout) == 0 && scanf("%u", &count) == 1) {
				for (; count > 0; count--)
					smap_load_u64(map, 5000, &value);
				puts("done");
			}
			return 0;
		}
	EOF
	"$CC" -Ilib "$tmp/misses.c" "$O/libsmap.a" -pthread -lm -o "$tmp/misses"
	mkfifo "$tmp/in"
	exec 7<>"$tmp/in"
	"$tmp/misses" <"$tmp/in" >"$tmp/own" 3>&- 7>&- &
	pid=$!
	pids+=("$pid")
	wait_for grep -q ready "$tmp/own"
	done_times() { [ "$(grep -c done "$tmp/own")" = "$1" ]; }
	windows() { [ "$(wc -l <"$1")" -gt "$2" ]; }
	trace "$tmp/first" -p "$pid"
	echo 3 >&7
	wait_for done_times 1
	kill -9 "$tracer" # before the keeper has fired the batch, or after: both must do
	wait "$tracer" || true
	echo 100 >&7
	wait_for done_times 2
	trace "$tmp/second" -p "$pid"
	wait_for windows "$tmp/second" 2
	echo 70 >&7
	wait_for done_times 3
	kill -INT "$tracer"
	wait "$tracer"
	exec 7>&-
	tail -n 1 "$tmp/second" | jq -e '(.losses | all(. == 0)) and .maps[0].misses == 173'
}

@test "trace: one of two equal processes" {
	start "$tmp/other" 'hold .* run' "$MAPLOAD" --hold-run --ops 5000 --name other
	local other=$pid
	start "$tmp/own" 'hold .* run' "$MAPLOAD" --hold-run --ops 5000 --name own
	trace "$tmp/trace" -p "$pid"
	go_on "$other"
	go_on "$pid"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
	! grep -q other "$tmp/trace"
}

@test "trace: several processes; it ends with the last" {
	start "$tmp/a" 'hold .* run' "$MAPLOAD" --hold-run --ops 5000 --name a
	local a=$pid
	start "$tmp/b" 'hold .* run' "$MAPLOAD" --hold-run --ops 5000 --name b
	trace "$tmp/trace" -p "$a,$pid"
	go_on "$a"
	wait "$a"
	kill -0 "$tracer"
	go_on "$pid"
	wait "$tracer"
	cat "$tmp/a" "$tmp/b" >"$tmp/own"
	agree "$tmp/trace" "$tmp/own"
}

@test "trace: the status of a command is not smaptrace's; its end ends the trace" {
	run "$SMAPTRACE" -f json -o "$tmp/trace" -- sh -c 'exit 3'
	[ "$status" -eq 0 ]
	run "$SMAPTRACE" -f json -o "$tmp/trace" -- sh -c 'kill -9 $$'
	[ "$status" -eq 0 ]
}

@test "trace: a wrapper that execs the program" {
	"$SMAPTRACE" -i 0.1 -f json -o "$tmp/trace" -- env A=1 "$MAPLOAD" --seconds 1 --hold-end >"$tmp/own" 3>&- &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q 'hold .* end' "$tmp/own"
	wait_for grep -q '"name":"load.0"' "$tmp/trace"
	go_on "$(sed -n 's/^hold \([0-9]*\) end/\1/p' "$tmp/own")"
	wait "$tracer"
	agree "$tmp/trace" "$tmp/own"
}

@test "trace: a wrapper that execs the program, which is traced from its start" {
	build "$tmp/static" -static "$O/libsmap.a"
	for prog in "$MAPLOAD" "$tmp/static"; do
		follow env A=1 sh -c 'exec "$0" "$@"' "$prog"
		jq -es --arg comm "$(basename "$prog")" '.[] | select(.type == "end")
			| (.targets | all(.from_start and .comm == $comm))
			and (.maps | all(.misses == .traced.misses))' "$tmp/trace"
	done
}

@test "trace: a program that becomes another; its maps have ended, and nothing is lost" {
	cat >"$tmp/again.c" <<-'EOF'
		#include <smap.h>
		#include <stdio.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			struct smap_options opts = {.size = sizeof(opts), .name = argc > 1 ? "before" : "after"};
			struct smap *map;

			if (smap_create(&map, &opts) || smap_store(map, "k", 1, argv))
				return 1;
			getchar();
			return argc > 1 ? execl("/proc/self/exe", argv[0], NULL) : 0;
		}
	EOF
	"$CC" -Ilib "$tmp/again.c" "$O/libsmap.a" -pthread -lm -o "$tmp/again"
	mkfifo "$tmp/in"
	sleep 1000 >"$tmp/in" 3>&- &
	pids+=($!)
	"$SMAPTRACE" -i 0.05 -f json -o "$tmp/trace" -- "$tmp/again" x <"$tmp/in" 3>&- &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q '"name":"before"' "$tmp/trace"
	echo >"$tmp/in"
	wait_for grep -q '"name":"after"' "$tmp/trace"
	lines=$(wc -l <"$tmp/trace")
	more() { [ "$(wc -l <"$tmp/trace")" -gt $((lines + 3)) ]; }
	wait_for more
	tail -n 1 "$tmp/trace" | jq -e '[.maps[].name] == ["after"]'
	echo >"$tmp/in"
	wait "$tracer"
	jq -es '.[] | select(.type == "end") | (.losses | all(. == 0)) and
		([.maps[].name] | sort) == ["after", "before"]' "$tmp/trace"
}

# Value of a semaphore in a program that is not PIE.
semaphore() { # pid, program, probe
	local addr
	addr=$(nm "$2" | sed -n "s/ . smap_$3_semaphore\$//p")
	dd if="/proc/$1/mem" bs=1 skip=$((16#$addr)) count=2 2>/dev/null | od -An -tu2 | tr -d ' '
}

@test "trace: killed, smaptrace leaves the process as it was" {
	build "$tmp/prog" -no-pie -fno-pie "$O/libsmap.a"
	start "$tmp/own" 'hold .* run' "$tmp/prog" --hold-run --ops 5000
	trace "$tmp/trace" -p "$pid"
	for probe in miss_batch promote map_destroy; do
		[ "$(semaphore "$pid" "$tmp/prog" $probe)" = 1 ]
	done
	[ "$(semaphore "$pid" "$tmp/prog" miss)" = 0 ]
	kill -9 "$tracer"
	wait "$tracer" || true
	gone() { [ "$(semaphore "$pid" "$tmp/prog" miss_batch)" = 0 ]; }
	wait_for gone
	go_on "$pid"
	wait "$pid"
	grep -q '"type":"map"' "$tmp/own"
}

@test "trace: killed while its command loads a library, the command goes on" {
	"$SMAPTRACE" -o /dev/null -- "$O/tests/workloads/dlmap" --hold --library "$O/libsmap.so" \
		>"$tmp/own" 2>"$tmp/err" 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q ready "$tmp/own"
	pid=$(sed -n 's/^ready //p' "$tmp/own")
	pids+=("$pid")
	kill -STOP "$tracer" # now nobody lets the command go on
	go_on "$pid"
	stopped() { grep -q '^State:.T' "/proc/$pid/status"; }
	wait_for stopped
	kill -9 "$tracer"
	wait_for grep -q '"type":"map"' "$tmp/own"
}

@test "trace: a thousand maps" {
	"$SMAPTRACE" -f json -o "$tmp/trace" -- "$MAPLOAD" --maps 1000 --keys 20 --ops 20000 >"$tmp/own" 3>&-
	agree "$tmp/trace" "$tmp/own"
	[ "$(grep -c '"type":"map"' "$tmp/own")" = 1000 ]
}

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

@test "error: not a libsmap process" {
	sleep 1000 3>&- &
	pids+=($!)
	fails 125 "does not use libsmap" -p $!
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
	run "$SMAPTRACE" list
	[ "$status" -eq 0 ]
	[[ $output == *"$pid mapload: 2 maps"* ]]
	[[ $output == *"cache.0"* ]]
	[[ $output == *"misses "* ]]
	[ "$(wc -L <<<"$output")" -le 80 ]
	fails 125 "no process 4194304" list -p 4194304
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
	[[ $output == *uprobes* ]]
	[ "$(wc -L <<<"$output")" -le 80 ]
}

@test "doctor: 125 and what to do without privileges" {
	cp "$SMAPTRACE" "$tmp/smaptrace"
	chmod 755 "$tmp" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" || true
	run setpriv --reuid 65534 --clear-groups "$tmp/smaptrace" doctor
	[ "$status" -eq 125 ]
	[[ $output == *CAP_BPF* ]]
}
