#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# smaptrace on real processes: every way to link, to be placed, to end.
# Exact figures have a file of their own, cli_exact.bats, and errors: cli_errors.bats. Needs root and BPF.

load trace

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

@test "trace: a hangup ends it in order, unless it is ignored" {
	start "$tmp/own" 'hold .* run' "$MAPLOAD" --hold-run
	trace "$tmp/trace" -p "$pid"
	kill -HUP "$tracer"
	wait "$tracer"
	tail -n 1 "$tmp/trace" | jq -e '.type == "end"'
	trap '' HUP
	trace "$tmp/trace" -p "$pid"
	trap - HUP
	kill -HUP "$tracer"
	lines=$(wc -l <"$tmp/trace")
	more() { [ "$(wc -l <"$tmp/trace")" -gt $((lines + 2)) ]; }
	wait_for more
}

# Value of a semaphore in a program that is not PIE.
semaphore() { # pid, program, probe
	local addr
	addr=$(nm "$2" | sed -n "s/ . smap_$3_semaphore\$//p")
	dd if="/proc/$1/mem" bs=1 skip=$((16#$addr)) count=2 2>/dev/null | od -An -tu2 | tr -d ' '
}

@test "trace: a probe that cannot be kept a breakpoint is said" {
	[ "$(uname -m)" = x86_64 ] && printf '6.18\n%s\n' "$(uname -r)" | sort -CV || skip "not on this kernel"
	start "$tmp/own" 'hold .* run' "$MAPLOAD" --hold-run
	(ulimit -v 3500000 && "$SMAPTRACE" -d 0.2 -o /dev/null -p "$pid") 2>"$tmp/err"
	[ "$(grep -c 'warning: .*fork' "$tmp/err")" = 1 ]
	"$SMAPTRACE" -d 0.2 -o /dev/null -p "$pid" 2>"$tmp/err"
	! grep warning "$tmp/err"
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

@test "trace: thousands of maps, one after the other at one address, with hostile names" {
	cat >"$tmp/brief.c" <<-'EOF'
		#include <smap.h>

		int main(void)
		{
			const char *names[] = {"a\x1b[31m", "\"}{\n", "\xff", "", "%s%n", "\xe2\x80\xae"};
			struct smap *map;
			void *value;

			for (unsigned i = 0; i < 4000; i++) {
				struct smap_options opts = {
					.size = sizeof(opts), .name = names[i % 6], .key_kind = SMAP_KEY_U64};

				if (smap_create(&map, &opts))
					return 1;
				for (unsigned key = 0; key < 20; key++) {
					smap_store_u64(map, key, map);
					smap_load_u64(map, 99, &value);
				}
				smap_destroy(map);
			}
			return 0;
		}
	EOF
	"$CC" -Ilib "$tmp/brief.c" "$O/libsmap.a" -pthread -lm -o "$tmp/brief"
	"$SMAPTRACE" -i 0.02 -f json -o "$tmp/trace" -- "$tmp/brief" 3>&-
	# The ring may be too small for so many events; the figures do not come from it.
	tail -n 1 "$tmp/trace" | jq -e '(.losses | del(.ring_full) | all(. == 0)) and (.maps | length == 4000
		and all(.misses == 20 and .traced.misses == 20 and (.alive | not)))'
	"$SMAPTRACE" -o "$tmp/text" -- "$tmp/brief" 3>&-
	[ "$(wc -L <"$tmp/text")" -le 80 ]
	[ "$(LC_ALL=C grep -c '[^[:print:][:space:]]' "$tmp/text")" = 0 ]
}
