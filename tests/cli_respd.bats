#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# respd under its real clients: redis-cli, redis-benchmark, and raw bytes.

RESPD=${O:-.output}/tests/workloads/respd

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	tmp=$(mktemp -d)
	server=
}

teardown() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$tmp"
}

wait_for() { # command... within 20 s
	local deadline=$((SECONDS + 20))
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "waited too long for: $*"; return 1; }
		sleep 0.02
	done
}

start() { # options
	rm -f "$tmp/out" # of the server before
	"$RESPD" --port 0 "$@" >"$tmp/out" 2>"$tmp/err" 3>&- &
	server=$!
	wait_for grep -q '^ready:' "$tmp/out"
	port=$(sed -n 's/^ready: .*:\([0-9]*\) pid .*/\1/p' "$tmp/out")
}

stop() { # expects a clean end
	local pid=$server
	server=
	kill "$pid"
	wait "$pid"
}

cli() { timeout 20 redis-cli -p "$port" "$@"; }

expect() { # reply, command...
	local want=$1 got
	shift
	got=$(cli "$@")
	[ "$got" = "$want" ] || { echo "$*: '$got', not '$want'"; return 1; }
}

# Send bytes, read what comes until the server closes or 20 s have passed.
raw() { # printf format; the last request should be QUIT, or an error
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	# shellcheck disable=SC2059
	printf "$1" >&4
	timeout 20 cat <&4 | tr -d '\r'
	exec 4>&-
}

info() { cli info smap | tr -d '\r' | sed -n "s/^$1://p"; }

@test "respd: every command answers as Redis does" {
	start
	expect PONG ping
	expect hello ping hello
	expect hello echo hello
	expect OK set k v
	expect v get k
	expect "" get absent
	expect "" set k w NX
	expect OK set k w XX
	expect "" set absent w XX
	expect w set k x GET
	expect x get k
	expect OK set new 1 NX
	expect OK mset a 1 b 2 c 3
	expect $'1\n\n3' mget a absent c
	expect 3 exists a b b absent
	expect 3 cached a b b absent
	expect 2 del a b absent
	expect 0 exists a b
	expect 4 incr c
	expect 3 decr c
	expect -7 incrby c -10
	expect 1 incr fresh
	expect 4 dbsize
	expect 23 command count
	expect OK select 0
	expect OK flushall
	expect 0 dbsize
	expect OK set k v
	expect OK flushdb async
	expect 0 dbsize
	expect $'maxclients\n10000' config get maxclients
	expect OK config set maxclients 50
	expect $'maxclients\n50' config get maxcl*
	expect OK client setname me
	expect OK quit
	cli info | tr -d '\r' | grep -qx '# Smap'
	cli info server | tr -d '\r' | grep -qx "process_id:$server"
	cli command docs get | grep -q 'GET key'
	[ "$(cli command | grep -c readonly)" -ge 4 ]
}

@test "respd: wrong use is an error and changes nothing" {
	start
	cli set k text
	[[ $(cli nosuch) == *"unknown command 'nosuch'"* ]]
	[[ $(cli get) == *"wrong number of arguments for 'get'"* ]]
	[[ $(cli mset a 1 b) == *"wrong number of arguments for 'mset'"* ]]
	[[ $(cli incr k) == *"not an integer"* ]]
	[[ $(cli incrby n 1x) == *"not an integer"* ]]
	cli set n 9223372036854775807
	[[ $(cli incr n) == *"overflow"* ]]
	expect 9223372036854775807 get n
	[[ $(cli set k v NX XX) == *"syntax error"* ]]
	[[ $(cli set k v EX 0) == *"invalid expire"* ]]
	[[ $(cli set k v EX) == *"syntax error"* ]]
	[[ $(cli set k v BOGUS) == *"syntax error"* ]]
	[[ $(cli select 1) == *"out of range"* ]]
	[[ $(cli config set port 1) == *"only be set at start"* ]]
	[[ $(cli config set maxclients none) == *"invalid value"* ]]
	[[ $(cli client bogus) == *"unknown subcommand"* ]]
	expect text get k
}

@test "respd: keys and values may hold any bytes and be empty" {
	start
	head -c 3000 /dev/urandom >"$tmp/bytes"
	expect OK -x set bytes <"$tmp/bytes"
	cli --no-raw get bytes >/dev/null
	cli get bytes | head -c 3000 | cmp - "$tmp/bytes"
	expect OK set "" empty-key
	expect empty-key get ""
	expect OK set empty-value ""
	expect 1 exists empty-value
	[ "$(raw 'SET "a\\x00b" "1\\n2"\r\nGET "a\\x00b"\r\nQUIT\r\n')" = $'+OK\n$3\n1\n2\n+OK' ]
}

@test "respd: a request may come byte by byte" {
	start
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	request=$'*3\r\n$3\r\nSET\r\n$5\r\nsplit\r\n$2\r\nok\r\n*2\r\n$3\r\nGET\r\n$5\r\nsplit\r\nQUIT\r\n'
	for ((i = 0; i < ${#request}; i++)); do
		printf '%s' "${request:i:1}" >&4
	done
	[ "$(timeout 20 cat <&4 | tr -d '\r')" = $'+OK\n$2\nok\n+OK' ]
	exec 4>&-
}

@test "respd: pipelined requests are answered in order" {
	start
	for ((i = 0; i < 20000; i++)); do
		printf 'SET key:%d value:%d\r\n' $i $i
	done >"$tmp/pipe"
	timeout 60 redis-cli -p "$port" --pipe <"$tmp/pipe" | grep -q 'errors: 0, replies: 20000'
	expect 20000 dbsize
	expect value:19999 get key:19999
	[ "$(raw 'PING a\r\n\r\nPING b\r\n*0\r\nPING c\r\nQUIT\r\nPING never\r\n')" = \
		$'$1\na\n$1\nb\n$1\nc\n+OK' ]
}

@test "respd: a huge value comes back whole; one beyond the limit is refused" {
	start --max-bulk 30000000
	head -c 20000000 /dev/urandom >"$tmp/huge"
	expect OK -x set huge <"$tmp/huge"
	cli get huge | head -c 20000000 | cmp - "$tmp/huge"
	[ "$(raw '*2\r\n$3\r\nGET\r\n$30000001\r\n')" = "-ERR Protocol error: invalid bulk length" ]
	expect PONG ping
}

@test "respd: a broken stream gets its error and is closed" {
	start
	[ "$(raw '*1\r\n+PING\r\n')" = "-ERR Protocol error: expected '\$', got '+'" ]
	[ "$(raw '*x\r\n')" = "-ERR Protocol error: invalid multibulk length" ]
	[ "$(raw '*1048577\r\n')" = "-ERR Protocol error: invalid multibulk length" ]
	[ "$(raw '*1\r\n$-1\r\n')" = "-ERR Protocol error: invalid bulk length" ]
	[ "$(raw '*1\r\n$4\r\nPINGxx')" = "-ERR Protocol error: expected CRLF after bulk string" ]
	[ "$(raw 'SET "a\r\n')" = "-ERR Protocol error: unbalanced quotes in request" ]
	[ "$(raw "$(head -c 65600 /dev/zero | tr '\0' x)")" = \
		"-ERR Protocol error: too big inline request" ]
	[ "$(raw '*0001\r\n')" = "-ERR Protocol error: invalid multibulk length" ]
	expect PONG ping
}

@test "respd: a client that does not read is stopped, the others are served" {
	start
	head -c 100000 /dev/zero | cli -x set big >/dev/null
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	# 2000 replies of 100 kB = 200 MB that nobody reads.
	(
		for ((i = 0; i < 2000; i++)); do printf 'GET big\r\n'; done >&4
	) 3>&- &
	sender=$!
	for ((i = 0; i < 50; i++)); do expect PONG ping; done
	wait "$sender"
	[ "$(awk '/VmRSS/ { print $2 }' "/proc/$server/status")" -lt 60000 ]
	# $100000\r\n + 100000 + \r\n
	[ "$(timeout 60 head -c $((2000 * 100011)) <&4 | wc -c)" = $((2000 * 100011)) ]
	exec 4>&-
}

@test "respd: redis-benchmark runs, pipelined, with threads and random keys" {
	start --threads 4
	timeout 60 redis-benchmark -p "$port" -q -n 20000 -r 5000 -P 16 --threads 2 \
		-t ping,set,get,incr,mset >"$tmp/bench"
	[ "$(tr '\r' '\n' <"$tmp/bench" | grep -c 'requests per second')" -ge 5 ]
	[ "$(info misses)" -gt 0 ]
	[ "$(info promotions)" -gt 0 ]
	[ "$(cli dbsize)" -gt 5000 ]
}

@test "respd: INCR from parallel clients adds up exactly" {
	start --threads 4
	for i in 1 2 3; do
		timeout 60 redis-benchmark -p "$port" -q -n 20000 -c 20 -P 8 incr total 3>&- >/dev/null &
		clients[i]=$!
	done
	for i in 1 2 3; do wait "${clients[i]}"; done
	expect 60000 get total
}

@test "respd: SET NX lets one of many win" {
	start --threads 4
	for ((i = 0; i < 2000; i++)); do printf 'SET lock:%d me NX\r\n' $i; done >"$tmp/nx"
	for i in 1 2 3 4; do
		{ cat "$tmp/nx"; printf 'QUIT\r\n'; } >"$tmp/nx.$i"
		timeout 20 bash -c "exec 4<>/dev/tcp/127.0.0.1/$port; cat $tmp/nx.$i >&4; cat <&4" \
			3>&- >"$tmp/won.$i" &
		clients[i]=$!
	done
	for i in 1 2 3 4; do wait "${clients[i]}"; done
	# Each also got the +OK of its QUIT.
	[ "$(cat "$tmp"/won.* | grep -c '^+OK')" = 2004 ]
}

@test "respd: FLUSHALL under load" {
	start --threads 4
	timeout 60 redis-benchmark -p "$port" -q -n 100000 -r 20000 -P 16 -t set,get 3>&- >"$tmp/bench" &
	client=$!
	for ((i = 0; i < 30; i++)); do expect OK flushall; done
	wait "$client"
	expect OK flushall
	expect 0 dbsize
	expect OK set k v
	expect v get k
}

@test "respd: expiry" {
	start
	expired() { [ -z "$(cli get "$1")" ]; }
	expect OK set short v PX 40
	wait_for expired short
	expect 0 exists short
	expect OK set short again NX
	expect OK set long v EX 1000
	expect OK set keep v PX 300
	expect OK set keep w KEEPTTL
	wait_for expired keep
	expect v get long
	expect OK set n 5 PX 300
	expect 6 incr n
	wait_for expired n
	expect 1 incr n
}

@test "respd: keys spread over maps" {
	start --maps 8 --policy half-dirty --initial-dirty 100
	timeout 60 redis-benchmark -p "$port" -q -n 10000 -r 5000 -P 16 -t set >/dev/null
	[ "$(info maps)" = 8 ]
	[ "$(cli info smap | grep -c 'name=respd\.[0-7],.*policy=half-dirty')" = 8 ]
	[ "$(cli dbsize)" -gt 3000 ]
	expect OK flushall
	expect 0 dbsize
}

@test "respd: the store keeps what was written, and fills misses" {
	start --store "$tmp/db"
	expect OK mset a 1 b 2 c 3
	expect 2 incr a
	expect 1 del b
	expect OK set gone v PX 30
	expect OK set "" empty
	stop
	start --store "$tmp/db"
	expect 0 dbsize
	expect 0 cached a c
	expect 2 get a
	expect 1 cached a c
	expect "" get b
	wait_for [ -z "$(cli get gone)" ]
	expect empty get ""
	expect 2 exists a c
	expect 3 dbsize
	expect "" set a 9 NX
	expect 3 incr a
	expect 1 del c
	expect OK flushall
	expect "" get a
	stop
	start --store "$tmp/db"
	expect "" mget a
}

@test "respd: the store under parallel writers agrees with the map" {
	start --store "$tmp/db" --threads 4
	for i in 1 2; do
		timeout 60 redis-benchmark -p "$port" -q -n 3000 -c 10 -P 4 incr n 3>&- >/dev/null &
		clients[i]=$!
	done
	for i in 1 2; do wait "${clients[i]}"; done
	expect 6000 get n
	stop
	start --store "$tmp/db"
	expect 6000 get n
}

@test "respd: a store that cannot be opened is an error with its name" {
	run "$RESPD" --port 0 --store "$tmp/no/such/dir/db"
	[ "$status" = 1 ]
	[[ $output == *"$tmp/no/such/dir/db"* ]]
}

@test "respd: too many clients are told so" {
	start --max-clients 1
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	printf 'PING\r\n' >&4
	read -r -t 20 reply <&4
	[[ $reply == +PONG* ]]
	exec 5<>"/dev/tcp/127.0.0.1/$port"
	[[ $(timeout 20 cat <&5) == *"max number of clients"* ]]
	exec 5>&- 4>&-
	free() { [ "$(cli ping)" = PONG ]; }
	wait_for free
}

@test "respd: ends cleanly on SIGTERM and SHUTDOWN, with clients connected" {
	start
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	cli mset a 1 b 2
	stop
	exec 4>&-
	start
	cli shutdown nosave || true
	wait "$server"
	server=
}

@test "respd: two servers cannot share a port; bad options are refused" {
	start
	run "$RESPD" --port "$port"
	[ "$status" = 1 ]
	[[ $output == *"cannot listen on 127.0.0.1 port $port"* ]]
	run "$RESPD" --port 70000
	[ "$status" = 2 ]
	run "$RESPD" --policy nonsense
	[ "$status" = 2 ]
	[[ $output == *"half-dirty"* ]]
	run "$RESPD" --bogus
	[ "$status" = 2 ]
	run "$RESPD" --bind localhost
	[ "$status" = 1 ]
	run "$RESPD" --help
	[ "$status" = 0 ]
	[[ $output == *"INCRBY key n"* ]]
}
