#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A real Prometheus scrapes smaptrace serve, with the scrape job and the rules of docs/deploy,
# and knows what the maps themselves counted. Needs root and BPF.

load trace
load serve

# Start Prometheus on loopback, with docs/deploy's configuration and this target. Sets prom.
prometheus_of() { # port of smaptrace
	local try
	mkdir "$tmp/prom"
	cp docs/deploy/prometheus/smaptrace.rules.yml "$tmp/prom/"
	# Faster than life: the same job, the same rules.
	sed "s/127.0.0.1:9435/127.0.0.1:$1/; s/scrape_interval: .*/scrape_interval: 1s/" \
		docs/deploy/prometheus/prometheus.yml >"$tmp/prom/prometheus.yml"
	printf 'global: {evaluation_interval: 1s}\n' >>"$tmp/prom/prometheus.yml"
	for try in 1 2 3 4 5; do
		prom=127.0.0.1:$((20000 + RANDOM % 20000))
		prometheus --config.file="$tmp/prom/prometheus.yml" --storage.tsdb.path="$tmp/prom/data" \
			--web.listen-address="$prom" --log.level=warn >"$tmp/prom/log" 2>&1 3>&- </dev/null &
		pids+=("$!")
		wait_for prometheus_ready $! && return
	done
	return 1
}

prometheus_ready() { # pid; also true if it died, and then the caller finds out
	curl -sf "http://$prom/-/ready" >/dev/null || ! kill -0 "$1" 2>/dev/null
}

query() { # expression -> value of the only result
	curl -sf "http://$prom/api/v1/query" --data-urlencode "query=$1" |
		jq -r '.data.result | if length == 1 then .[0].value[1] else "\(length) results" end'
}

query_is() { [ "$(query "$1")" = "$2" ]; }

# An expression as Grafana sends it, with everything chosen. The interval is short, as the scrapes are.
as_chosen() { sed 's/\$__rate_interval/10s/g; s/\$[a-z]*/.*/g'; }

has_data() { # expression: at least one number
	curl -sf "http://$prom/api/v1/query" --data-urlencode "query=$1" |
		jq -e '.data.result | any(.value[1] | . != "NaN" and . != "")' >/dev/null
}

has_values() { # label_values(series, label)
	local inner=${1#label_values(} label
	inner=${inner%)} label=${inner##*, }
	curl -sfG "http://$prom/api/v1/label/$label/values" --data-urlencode "match[]=${inner%, *}" |
		jq -e '.data | length > 0' >/dev/null
}

@test "fleet: Prometheus scrapes what the maps counted" {
	start "$tmp/own" '^ready' "$MAPLOAD" --hold --hold-end --mix promote --keys 200 --maps 2 --ops 3000
	load=$pid
	serve -p "$load"
	prometheus_of "$port"
	go_on "$load"
	wait_for grep -q '^hold .* end' "$tmp/own"
	"$SMAPTRACE" list -f json -p "$load" | jq -r '.. | objects | select(has("misses"))
		| "\(.name) \(.misses) \(.promotions)"' >"$tmp/want"
	[ "$(wc -l <"$tmp/want")" = 2 ]
	while read -r name misses promotions; do
		labels="{job=\"smaptrace\", comm=\"mapload\", pid=\"$load\", name=\"$name\"}"
		wait_for query_is "smap_misses_total$labels" "$misses"
		wait_for query_is "smap_promotions_total$labels" "$promotions"
		wait_for query_is "smap_promote_entries_count$labels" "$promotions"
		[ "$(query "sum(smap_promote_entries_bucket${labels%\}}, le=\"+Inf\"})")" = "$promotions" ]
	done <"$tmp/want"
	query_is 'up{job="smaptrace"}' 1
	query_is 'sum(smap_losses_total)' 0
	# The rules are loaded and evaluated, without an error.
	curl -sf "http://$prom/api/v1/rules" | jq -e '[.data.groups[].rules[] | .health] | length >= 14
		and all(. != "err")'
}

@test "fleet: a trap that really happens reaches the rules" {
	start "$tmp/own" '^ready' "$MAPLOAD" --hold --seconds 60 --name sessions
	load=$pid
	serve -p "$load"
	prometheus_of "$port"
	go_on "$load"
	wait_for query_is 'max(smap_trap_active{trap="read-diffusion"})' 1
	above() { [ "$(query 'max(instance_comm_name_trap:smap_trap_active:avg5m{trap="read-diffusion", name="sessions.0"}) > bool 0')" = 1 ]; }
	wait_for above
	wait_for query_is 'count(ALERTS{alertname="SmapReadDiffusion", name="sessions.0"})' 1
	# A trap is what all of it is for: now each rule and each panel has something to show.
	mapfile -t records < <(yq -r '.groups[].rules[].record // empty' docs/deploy/prometheus/smaptrace.rules.yml)
	[ ${#records[@]} -ge 7 ]
	for record in "${records[@]}"; do
		wait_for has_data "$record"
	done
	mapfile -t panels < <(jq -r '.panels[].targets[]?.expr' docs/deploy/grafana/smaptrace.json | as_chosen)
	[ ${#panels[@]} -ge 20 ]
	for panel in "${panels[@]}"; do
		wait_for has_data "$panel"
	done
	mapfile -t variables < <(jq -r '.templating.list[].query.query? // empty' docs/deploy/grafana/smaptrace.json | as_chosen)
	[ ${#variables[@]} = 4 ]
	for variable in "${variables[@]}"; do
		wait_for has_values "$variable"
	done
}
