#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Call stacks of a program whose stacks are known by construction (tests/workloads/stackload.c).

load trace

STACKLOAD=$(realpath -m "${O:-.output}")/tests/workloads/stackload

stacks() { # options... -- command...
	timeout 60 "$SMAPTRACE" --stacks -i 0.2 -f json -o "$tmp/trace" "$@" >"$tmp/own" 2>"$tmp/err" 3>&-
}

# jq on the stacks of map "known" at the end; $own is what the program says it did.
check_stacks() { # filter
	jq -es --slurpfile own "$tmp/own" '($own | map(select(.type == "run")) | .[0]) as $own
		| map(select(.type == "end")) | .[0].maps | map(select(.name == "known")) | .[0]
		| . as $map | .stacks as $s
		| def of(kind): $s | map(select(.kind == kind));
		  def names: .frames | map(.function // "?");
		  def calls(path): (names | index(path)) != null;
		  def total(f): map(f) | add // 0;
		  if ('"$1"') then true else ($s | tostring | error) end' "$tmp/trace"
}

@test "stacks: promotions and rebuilds come from the functions that made them, each one" {
	stacks -- "$STACKLOAD"
	check_stacks '(of("promote") | length) == 1 and (of("promote")[0] | .count == 40 and .estimate == false
		and calls(["promoter", "run", "main"]))'
	check_stacks '(of("rebuild") | map(select(calls(["rebuilder", "run", "main"]))) | total(.count)) == 40'
	check_stacks '(of("rebuild") | total(.count)) == 41 and $map.rebuilds == 41'
	check_stacks '(of("rebuild") | total(.ns)) == $map.hists.rebuild_time.sum'
}

@test "stacks: misses add up to all, and are shared out as they happened" {
	stacks -- "$STACKLOAD" --rounds 400 --turns 250
	check_stacks '(of("miss") | total(.count)) == $map.misses and $map.misses == $own.alpha + $own.beta'
	check_stacks '(of("miss") | total(.ns)) == $map.hists.miss_wait.sum + $map.hists.miss_hold.sum'
	check_stacks '(of("miss") | map(select(calls(["alpha", "run", "main"]))) | total(.count)) / $map.misses
		| . > 0.6 and . < 0.9'
	check_stacks '(of("miss") | map(select(calls(["beta", "run", "main"]))) | total(.count)) / $map.misses
		| . > 0.1 and . < 0.4'
	check_stacks 'of("miss") | map(select(.estimate)) | length > 0'
}

@test "stacks: an inlined call has a frame, its file and its line" {
	line=$(grep -n 'line of alpha_inlined' tests/workloads/stackload.c | cut -d: -f1)
	stacks -- "$STACKLOAD"
	check_stacks "of(\"miss\") | map(select(calls([\"alpha_inlined\", \"alpha\", \"run\"]))) | .[0].frames
		| map(select(.function == \"alpha_inlined\")) | .[0]
		| .inlined and .line == $line and (.file | endswith(\"tests/workloads/stackload.c\"))"
}

@test "stacks: waits for the lock, by the function that waited" {
	stacks -- "$STACKLOAD" --contend
	check_stacks '(of("lock_wait") | total(.count)) >= 50 and (of("lock_wait") | all(
		(.frames | length) == 0 or calls(["contend", "contender"])))'
	check_stacks '(of("lock_wait") | total(.count)) == ($map.hists.lock_wait.slots | add)'
}

@test "stacks: a recording has the same, without paths" {
	timeout 60 "$SMAPTRACE" record --stacks -i 0.2 -o "$tmp/rec" -- "$STACKLOAD" >"$tmp/own" 3>&-
	"$SMAPTRACE" report -f json -o "$tmp/trace" "$tmp/rec"
	check_stacks 'of("promote")[0] | calls(["promoter", "run", "main"])'
	check_stacks '[$s[].frames[] | .file, .module | select(. != null)] | all(contains("/") | not)'
	"$SMAPTRACE" report "$tmp/rec" | grep -q '^        promoter (stackload.c:'
	"$SMAPTRACE" report -f folded "$tmp/rec" |
		grep -q '^stackload;known;promote;.*main;run;promoter;smap_range_u64;.* 40$'
}

@test "stacks: none without the option, and no parser is started" {
	timeout 60 "$SMAPTRACE" -f json -o "$tmp/trace" -- "$STACKLOAD" >"$tmp/own" 3>&-
	jq -es '.[] | select(.type == "end") | .maps | all(has("stacks") | not)' "$tmp/trace"
}

# --- files ------------------------------------------------------------------------------

@test "stacks: of a running process, with more descriptors than are allowed at first" {
	start "$tmp/out" 'hold .* run' "$MAPLOAD" --hold-run
	ulimit -Sn 40
	stacks -d 0.3 -p "$pid"
}

@test "stacks: a stripped program has offsets, and no names near them" {
	cp "$STACKLOAD" "$tmp/bare" && strip "$tmp/bare"
	stacks -- "$tmp/bare"
	check_stacks '(of("promote") | length) == 1 and (of("promote")[0].frames
		| map(select(.module | endswith("/bare"))) | length > 3 and all(has("function") | not))'
	timeout 60 "$SMAPTRACE" -f folded -o "$tmp/folded" -- "$tmp/bare" >/dev/null 3>&-
	grep -qE '^bare;known;promote;.*;bare\+0x[0-9a-f]+;bare\+0x[0-9a-f]+ 40$' "$tmp/folded"
	# The offset is one that addr2line knows in the file with symbols.
	jq -r 'select(.type == "end") | .maps[] | select(.name == "known") | .stacks[]
		| select(.kind == "promote") | .frames[] | select(.module | endswith("/bare")) | .offset' \
		"$tmp/trace" | addr2line -f -e "$STACKLOAD" | grep -qx promoter
}

@test "stacks: a separate debug file, by its link" {
	cp "$STACKLOAD" "$tmp/bare"
	mkdir "$tmp/.debug"
	objcopy --only-keep-debug "$tmp/bare" "$tmp/.debug/bare.debug"
	strip "$tmp/bare" && objcopy --add-gnu-debuglink="$tmp/.debug/bare.debug" "$tmp/bare"
	stacks -- "$tmp/bare"
	check_stacks 'of("promote")[0] | calls(["promoter", "run", "main"]) and
		(.frames | map(select(.function == "run")) | .[0].line > 0)'
	# Of another build: not used.
	"$CC" -g -shared -o "$tmp/.debug/bare.debug" -x c /dev/null
	stacks -- "$tmp/bare"
	check_stacks 'of("promote")[0].frames | map(select(.module | endswith("/bare"))) | all(has("function") | not)'
}

@test "stacks: a separate debug file, by build-id, where only the program sees it" {
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	cp "$STACKLOAD" "$tmp/bare"
	id=$(readelf -n "$tmp/bare" | awk '/Build ID/ { print $3 }')
	mkdir -p "$tmp/debug/.build-id/${id:0:2}"
	objcopy --only-keep-debug "$tmp/bare" "$tmp/debug/.build-id/${id:0:2}/${id:2}.debug"
	strip "$tmp/bare"
	# It has gone, and its namespace with it, before most of the trace is read.
	stacks -- unshare -m sh -c "mkdir -p /usr/lib/debug && mount --bind $tmp/debug /usr/lib/debug &&
		exec $tmp/bare"
	[ ! -e "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" ]
	check_stacks 'of("promote")[0] | calls(["promoter", "run", "main"]) and
		(.frames | map(select(.function == "run")) | .[0].line > 0)'
}

@test "stacks: hostile names break no line of any format" {
	local evil=$'a;b"c\n\033[2J\xff\\%s'
	cp "$STACKLOAD" "$tmp/evil"
	objcopy --strip-debug --redefine-sym "promoter=$evil" "$tmp/evil"
	stacks -- "$tmp/evil"
	check_stacks 'of("promote")[0].frames | any((.function // "") | startswith("a;b\"c\n\u001b[2J\ufffd"))'
	timeout 60 "$SMAPTRACE" record --stacks -o "$tmp/rec" -- "$tmp/evil" >/dev/null 3>&-
	"$SMAPTRACE" report -f folded -o "$tmp/folded" "$tmp/rec"
	grep -qF ';a\x3bb"c\x0a\x1b[2J\xff\x5c%s;' "$tmp/folded"
	run ! grep -qvE '^[^ ].* [0-9]+$' "$tmp/folded"
	"$SMAPTRACE" report -o "$tmp/text" "$tmp/rec"
	grep -qF 'a;b"c\x0a\x1b[2J\xff\x5c%s' "$tmp/text"
	run ! LC_ALL=C grep -qP '[\x00-\x09\x0b-\x1f\x7f]' "$tmp/text"
}

cache() { # output, flags...: a C++ program
	"${CXX:-g++}" -std=c++17 -O1 -fno-omit-frame-pointer -Ilib tests/fixtures/cache.cc -o "$1" "${@:2}" \
		"$O/libsmap.a" -pthread -lm
}

of_cache() { # filter of the names of all stacks of a kind, joined
	jq -es --arg kind "$1" 'map(select(.type == "end"))[0].maps[] | select(.name == "cpp").stacks
		| map(select(.kind == $kind and (.frames | length) > 0) | .frames | map(.function // "?"))
		| length > 0 and all('"$2"')' "$tmp/trace"
}

@test "stacks: names of a C++ program, from DWARF and from symbols alone" {
	cache "$tmp/cache" -g
	stacks -- "$tmp/cache"
	of_cache miss 'index(["store::Cache::find", "store::Cache::get", "main"]) != null'
	of_cache rebuild 'index(["store::Cache::put<unsigned long>", "main"]) != null'
	line=$(grep -n 'line of find' tests/fixtures/cache.cc | cut -d: -f1)
	jq -es --argjson line "$line" 'map(select(.type == "end"))[0].maps[0].stacks[].frames[]
		| select(.function == "store::Cache::find") | .inlined and .line == $line
			and (.file | endswith("fixtures/cache.cc"))' "$tmp/trace"
	strip -g "$tmp/cache"
	stacks -- "$tmp/cache"
	of_cache miss 'index(["store::Cache::get", "main"]) != null'
}

@test "stacks: a mangled name that stands for a text without end stays as it is" {
	local evil=_Z1fI1aIiiE i
	for i in S{0..9}_ S{A..T}_; do
		evil+=S_I$i${i}E
	done
	evil+=EvT_
	cache "$tmp/cache"
	objcopy --redefine-sym "_ZN5store5Cache3getEj=$evil" "$tmp/cache"
	stacks -- "$tmp/cache"
	of_cache miss 'index("'"$evil"'"[:255]) != null'
	of_cache rebuild 'index(["store::Cache::put<unsigned long>", "main"]) != null'
}

# Its debug file's checksum has to be compared, and takes longer than anybody gets.
takes_long() { # program without a build-id
	objcopy --only-keep-debug "$1" "$1.debug"
	strip "$1"
	objcopy --add-gnu-debuglink="$1.debug" "$1"
	truncate -s 1T "$1.debug" || skip "no sparse files of that size"
}

@test "stacks: while a file takes long to read, windows come, and counts wait for their names" {
	cache "$tmp/cache" -g -Wl,--build-id=none
	takes_long "$tmp/cache"
	"$SMAPTRACE" --stacks -i 0.1 -f json -o "$tmp/trace" -- \
		sh -c '"$0"; until [ -e "$1" ]; do sleep 0.05; done' "$tmp/cache" "$tmp/go" 3>&- &
	tracer=$!
	pids+=("$tracer")
	after() { # the window in which it promoted, and the next two
		jq -s 'map(select(.type == "window")) | .[(map(any(.maps[]; .promotions == 40))
			| index(true) // length):] | .[:3]' "$tmp/trace" >"$tmp/after" && jq -e 'length == 3' "$tmp/after"
	}
	wait_for after
	touch "$tmp/go"
	wait "$tracer"
	jq -e '[.[].maps[].stacks // [] | .[] | select(.kind == "promote")] == []' "$tmp/after"
	# In the end they are counted without.
	jq -es 'map(select(.type == "end"))[0].maps[0].stacks | map(select(.kind == "promote").count)
		| add == 40' "$tmp/trace"
}

@test "stacks: through a library that was loaded later" {
	"$CC" -O1 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls -shared -fPIC -o "$tmp/plugin.so" tests/fixtures/plugin.c
	stacks -- "$STACKLOAD" --plugin "$tmp/plugin.so"
	jq -es 'map(select(.type == "end")) | .[0].maps | map(select(.name == "plugin")) | .[0].stacks
		| map(select(.kind == "miss" and (.frames | length) > 0) | .frames | map(.function))
		| length > 0 and all(index(["plugin_deep", "plugin_miss", "run", "main"]) != null)' "$tmp/trace"
}

# A round of samples may come between a map's creation and its first event.
@test "stacks: of maps that are new, all that happened" {
	"$CC" -O1 -g -fno-omit-frame-pointer -D_GNU_SOURCE -Ilib -o "$tmp/load" tests/fixtures/newmaps.c "$O/libsmap.a" -lm -pthread
	stacks -i 0.02 -- "$tmp/load"
	jq -es 'def total($kind): map(select(.kind == $kind).count) | add // 0;
		map(select(.type == "end"))[0].maps | length == 1500 and
		all(.promotions == (.stacks | total("promote")) and .rebuilds == (.stacks | total("rebuild"))
			and .misses == (.stacks | total("miss")))' "$tmp/trace"
}

@test "stacks: of processes that live for a moment" {
	stacks -- sh -c "for i in 1 2 3 4 5; do $STACKLOAD --rounds 1 --turns 1; done"
	jq -es 'map(select(.type == "end")) | .[0].maps | map(select(.name == "known")) | length == 5 and
		all(.stacks | map(select(.kind == "promote")) | length == 1 and
			(.[0].frames | map(.function) | index(["promoter", "run", "main"]) != null))' "$tmp/trace"
}

@test "stacks: nor does that of a stalled reader keep the trace from going on" {
	"$CC" -O1 -g -Wl,--build-id=none -pthread -D_GNU_SOURCE -Ilib tests/workloads/stackload.c -o "$tmp/load" \
		"$O/libsmap.a" -lm
	takes_long "$tmp/load"
	start "$tmp/own" '^hold' "$tmp/load" --stall --rounds 1
	trace "$tmp/trace" -d 4 -p "$pid"
	wait "$tracer"
	jq -s 'map(select(.type == "window").seconds) | max' "$tmp/trace" >"$tmp/longest"
	cat "$tmp/longest"
	jq -e '. < 6' "$tmp/longest" # it was 10
	# In the end it is counted, if without names.
	jq -es 'map(select(.type == "end"))[0].maps | map(.stacks // [] | .[] | select(.kind == "stall"))
		| length == 1 and .[0].ns >= 900000000' "$tmp/trace"
}

@test "stacks: a program without frame pointers: nothing that is no place of it" {
	stacks --exact -- "$MAPLOAD" --mix promote --keys 10 --ops 2000
	jq -es 'map(select(.type == "end"))[0].maps[0].stacks | length > 0 and
		all(.frames | map(.module) | index("[unmapped]") == null)' "$tmp/trace"
}

@test "stacks: readers of two processes that sleep at the same time: each its own time" {
	for i in 1 2; do
		start "$tmp/own.$i" '^hold .* run' "$STACKLOAD" --hold --stall --rounds 1
		stallers[i]=$pid
	done
	trace "$tmp/trace" -p "${stallers[1]},${stallers[2]}"
	for i in 1 2; do
		go_on "${stallers[i]}"
	done
	often() { # each of them
		jq -es --argjson pid "$1" '[.[] | select(.type == "window").maps[] | select(.pid == $pid)
			| .stacks[]? | select(.kind == "stall").count] | add >= 3' "$tmp/trace"
	}
	wait_for often "${stallers[1]}"
	wait_for often "${stallers[2]}"
	kill "$tracer" && wait "$tracer"
	jq -es 'map(select(.type == "end"))[0] | .seconds as $s | [.maps[] | .pid as $pid
			| .stacks[]? | select(.kind == "stall") | {$pid, s: (.ns / 1e9)}]
		| group_by(.pid) | map(map(.s) | add) | length == 2 and all(. > 1 and . <= $s)' "$tmp/trace"
}

@test "stacks: a running process, with the stack of a reader that sleeps inside" {
	start "$tmp/own" '^hold' "$STACKLOAD" --stall --rounds 1
	trace "$tmp/trace" -p "$pid"
	stalled() { jq -es '[.[] | .maps[]? | .stacks[]? | select(.kind == "stall")] | length > 0' "$tmp/trace"; }
	wait_for stalled
	kill "$tracer" && wait "$tracer"
	jq -es 'map(select(.type == "end")) | .[0].maps | map(.stacks // [] | .[] | select(.kind == "stall")) | .[0]
		| .ns >= 900000000 and (.frames | map(.function // "?")
			| index(["hold_wait", "staller"]) != null and index("main") != null)' "$tmp/trace"
	# It sleeps as before.
	grep -q '^State:.*sleeping' "/proc/$pid/status"
	go_on "$pid" && wait_for grep -q '"run"' "$tmp/own"
}

@test "stacks: go tool pprof reads the profile" {
	command -v go >/dev/null || skip "no go"
	timeout 60 "$SMAPTRACE" -f pprof -o "$tmp/p.pb.gz" -- "$STACKLOAD" --contend >"$tmp/own" 3>&-
	export HOME=$tmp PPROF_TMPDIR=$tmp
	go tool pprof -top -nodecount=0 -nodefraction=0 -tagfocus=kind=promote "$tmp/p.pb.gz" >"$tmp/top"
	grep -qE '^ .* 40 +[0-9.]+% +promoter$' "$tmp/top"
	go tool pprof -top -nodefraction=0 -tagfocus=kind=miss "$tmp/p.pb.gz" | grep -q 'alpha_inlined (inline)'
	go tool pprof -raw "$tmp/p.pb.gz" >"$tmp/raw"
	grep -q '^events/count.* time/nanoseconds' "$tmp/raw"
	go tool pprof -top -sample_index=time -tagfocus=kind=lock_wait -nodefraction=0 "$tmp/p.pb.gz" | grep -q ' contend$'
}
