#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# smaptrace serve: metrics, events and who may ask for them, of real processes. Needs root
# and BPF. The page itself is tested in a browser: tests/browser/.

load trace
load serve

load_maps() { # options of mapload...
	start "$tmp/own" '^ready' "$MAPLOAD" --hold --hold-end --mix promote --keys 200 "$@"
	load=$pid
}

events() { # seconds, curl options...
	local seconds=$1
	shift
	curl -sN --max-time "$seconds" "$@" "$url/events" || [ $? = 28 ] # 28: the time is over
}

json_of() { sed -n 's/^data: //p' "$1"; } # file of events

@test "serve: metrics are the maps' own figures, and promtool agrees" {
	load_maps --maps 3 --ops 3000
	serve -p "$load"
	go_on "$load"
	wait_for grep -q '^hold .* end' "$tmp/own"
	"$SMAPTRACE" list -f json -p "$load" | jq -rs '[.. | objects | select(has("misses"))] | .[]
		| "smap_misses_total{pid=\"\(.pid)\",comm=\"mapload\",name=\"\(.name)\"} \(.misses)",
		  "smap_promotions_total{pid=\"\(.pid)\",comm=\"mapload\",name=\"\(.name)\"} \(.promotions)"' |
		sort >"$tmp/want"
	[ "$(wc -l <"$tmp/want")" = 6 ]
	same() {
		curl -sf "$url/metrics" | grep -e '^smap_misses_total{' -e '^smap_promotions_total{' |
			sort | cmp -s - "$tmp/want"
	}
	wait_for same
	curl -sf "$url/metrics" | promtool check metrics
	[ "$(curl -s "$url/healthz")" = ok ]
	# All of a histogram's values are in its last bucket, and the promotions are in it.
	label="{pid=\"$load\",comm=\"mapload\",name=\"load.0\""
	[ "$(metric "smap_promote_misses_bucket$label,le=\"+Inf\"}")" = "$(metric "smap_promote_misses_count$label}")" ]
	[ "$(metric "smap_promote_misses_count$label}")" = "$(metric "smap_promotions_total$label}")" ]
}

@test "serve: only GET and HEAD, only our own names, no bodies, no other site" {
	load_maps
	serve -p "$load" --allow-host tracer.example
	[ "$(status_of "$url/")" = 200 ]
	[ "$(status_of -I "$url/metrics")" = 200 ]
	for method in POST PUT DELETE OPTIONS PATCH TRACE BREW; do
		[ "$(status_of -X "$method" "$url/metrics")" = 405 ]
	done
	[ "$(status_of -d x=1 "$url/")" = 405 ]
	[ "$(status_of -X GET -d x=1 "$url/")" = 400 ]
	[ "$(status_of -H 'Host: evil.example' "$url/metrics")" = 403 ]
	[ "$(status_of -H "Host: 127.0.0.1.evil.example:$port" "$url/")" = 403 ]
	[ "$(status_of -H 'Host: tracer.example' "$url/metrics")" = 200 ]
	[ "$(status_of -H "Host: localhost:$port" "$url/metrics")" = 200 ]
	exec 7<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n' >&7
	read -r line <&7
	[[ $line == *" 40"* ]]
	exec 7>&-
	[ "$(status_of --http1.0 -H 'Host:' "$url/metrics")" -ge 400 ]
	[ "$(status_of -H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Mode: no-cors' "$url/events")" = 403 ]
	[ "$(status_of -H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Mode: navigate' "$url/")" = 200 ]
	[ "$(status_of "$url/../../etc/passwd" --path-as-is)" = 404 ]
	[ "$(status_of "$url/page.js%00.html")" = 404 ]
	[ "$(status_of "$url/history?pid=1&addr=2")" = 400 ]
	[ "$(status_of "$url/history?pid=1&addr=2&id=3")" = 404 ]
	[ "$(status_of -H "X: $(head -c 20000 /dev/zero | tr '\0' x)" "$url/")" = 431 ]
	metric_is smap_serve_requests_refused_total -ge 10
}

@test "serve: every answer carries the rules for browsers" {
	load_maps
	serve -p "$load"
	for path in / /metrics /events /healthz /nowhere; do
		curl -sI "$url$path" >"$tmp/head"
		grep -qi "^content-security-policy: default-src 'none';" "$tmp/head"
		grep -qi '^x-content-type-options: nosniff' "$tmp/head"
		grep -qi '^x-frame-options: DENY' "$tmp/head"
		run grep -i -e unsafe -e '^access-control' "$tmp/head"
		[ "$status" = 1 ]
	done
}

@test "serve: events are the lines of -f json, with a snapshot first" {
	load_maps --maps 2 --seconds 20 --rate 2000
	serve -p "$load"
	go_on "$load"
	wait_for metric_is smap_windows_total -ge 5
	events 1 >"$tmp/events"
	json_of "$tmp/events" >"$tmp/json"
	jq -es '.[0].type == "header" and .[1].type == "history" and .[2].type == "window"
		and (.[1].maps | length) == 2 and (.[1].times | length) >= 3
		and ([.[] | select(.type == "window").seq] | length >= 3 and . == [range(.[0]; .[0] + length)])
		and all(.[] | select(.type == "window"); has("targets") and has("maps") and has("losses"))' "$tmp/json"
	jq -r 'select(.type == "window") | .maps[0] | "pid=\(.pid)&addr=\(.addr)&id=\(.id)"' "$tmp/json" >"$tmp/map"
	curl -sf "$url/history?$(head -n 1 "$tmp/map")" |
		jq -e '.maps[0] | (.misses | length) >= 5 and has("dirty_len") and has("lock_wait_p99")'
}

@test "serve: who comes back gets what it has missed, who comes from elsewhere everything" {
	load_maps
	serve -p "$load"
	wait_for metric_is smap_windows_total -ge 2
	events 1 >"$tmp/first"
	last=$(sed -n 's/^id: //p' "$tmp/first" | tail -n 1)
	[ -n "$last" ]
	wait_for metric_is smap_windows_total -ge $((${last#*-} + 3))
	events 1 -H "Last-Event-ID: $last" >"$tmp/second"
	[ "$(json_of "$tmp/second" | jq -s '.[0].seq')" = $((${last#*-} + 1)) ]
	for id in 1-1 "${last%-*}-999999" "${last%-*}-0" x ''; do
		events 1 -H "Last-Event-ID: $id" >"$tmp/third"
		[ "$(json_of "$tmp/third" | head -n 1 | jq -r .type)" = header ]
	done
}

@test "serve: a process that has ended is told of once" {
	load_maps
	gone=$load
	start "$tmp/other" '^ready' "$MAPLOAD" --hold --hold-end --keys 10
	serve -p "$gone,$pid"
	wait_for metric_is smap_processes -eq 2
	events 3 >"$tmp/events" 3>&- &
	listener=$!
	wait_for metric_is smap_serve_listeners -eq 1
	kill "$gone"
	wait "$listener"
	json_of "$tmp/events" | jq -se --argjson pid "$gone" '[.[] | select(.type == "window")
		| [.targets[] | select(.pid == $pid).ended]] | map(select(. == [true])) | length == 1'
	json_of "$tmp/events" | jq -se --argjson pid "$gone" '[.[] | select(.type == "window")] | last
		| all(.targets[], .maps[]; .pid != $pid)'
}

@test "serve: the end is told, and Ctrl-C ends with status 0" {
	load_maps
	serve -p "$load"
	events 20 >"$tmp/events" &
	listener=$!
	wait_for metric_is smap_serve_listeners -eq 1
	kill -INT "$server"
	wait "$listener"
	wait "$server"
	[ "$(json_of "$tmp/events" | tail -n 1 | jq -r .type)" = end ]
}

@test "serve: a request that comes in drops does not stay" {
	load_maps
	serve -p "$load"
	(
		exec 7<>"/dev/tcp/127.0.0.1/$port"
		printf 'GET / HTTP/1.1\r\nHost: localhost\r\n' >&7
		while printf 'X: y\r\n' >&7 2>/dev/null; do sleep 0.5; done
	) 2>/dev/null 3>&- &
	pids+=("$!")
	wait_for metric_is smap_serve_connections_late_total -ge 1
}

@test "serve: a listener that does not read is dropped, and nobody else waits" {
	start "$tmp/own" '^hold .* run' "$MAPLOAD" --hold-run --maps 200 --keys 10
	serve -p "$pid" -i 0.05
	(
		exec 7<>"/dev/tcp/127.0.0.1/$port"
		printf 'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n' >&7
		sleep 60
	) 3>&- &
	pids+=("$!")
	wait_for metric_is smap_serve_listeners_dropped_total -ge 1
	wait_for metric_is smap_serve_listeners -eq 0
	[ "$(status_of "$url/healthz")" = 200 ]
}

@test "serve: so many listeners and no more" {
	load_maps
	serve -p "$load"
	for i in $(seq 16); do
		curl -sN --max-time 20 "$url/events" >/dev/null 3>&- &
		pids+=("$!")
	done
	wait_for metric_is smap_serve_listeners -eq 16
	[ "$(status_of "$url/events")" = 503 ]
	[ "$(status_of "$url/metrics")" = 200 ]
}

@test "serve: a port that is taken, an address that is none" {
	load_maps
	serve -p "$load"
	run "$SMAPTRACE" serve -p "$load" --listen "127.0.0.1:$port"
	[ "$status" = 125 ]
	[[ $output == *"cannot listen at 127.0.0.1:$port"*hint* ]]
	run "$SMAPTRACE" serve -p "$load" --listen example.org:80
	[ "$status" = 2 ]
	run "$SMAPTRACE" serve -p "$load" --listen 127.0.0.1
	[ "$status" = 2 ]
}
