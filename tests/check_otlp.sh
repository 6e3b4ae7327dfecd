#!/bin/bash
# SPDX-License-Identifier: MIT
# What --otlp sends, read by OpenTelemetry's own code: all of it is in the schema, it says what
# /metrics says, and the reader would notice if not. The requests are those of test_otlp.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/check.bash
needs node jq perl
O=$(realpath "${O:-.output}")
export MODULES=$O/otlp/node_modules
[ -d "$MODULES" ] || { echo "no $MODULES: run make deps"; exit 77; }
fail() { echo "$*" >&2; exit 1; }

read_all() { node tests/otlp/read.js "$@" >"$dir/log" 2>&1; }

# Series with their values, in an order; numbers of either writer as nine digits. Infinite values
# are no points.
values() { # file
	perl -ne 'next if /^#/ || /\} [-+](Inf|NaN)$/ || /\} NaN$/;
		s/le="([-+0-9.e]+)"/sprintf "le=\"%.8e\"", $1/e;
		s/ ([-+0-9.e]+)$/sprintf " %.8e", $1/e; print' "$1" | sort
}

OTLP_TO=$dir "$O/tests/test_otlp" >"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
read_all "$dir"/*.json || fail "$(cat "$dir/log")"
for read in "$dir"/*.read; do
	diff <(values "${read%.read}.prom") <(values "$read") >"$dir/log" || fail "${read##*/}: $(head "$dir/log")"
done
[ "$(values "$dir/full.read" | wc -l)" -gt 300 ] || fail "too little in full.read"

# Each of these spoils the request.
spoilt=0
while read -r spoil; do
	jq -c "$spoil" "$dir/full.json" >"$dir/spoilt.json"
	! read_all "$dir/spoilt.json" || fail "self-test: not noticed: $spoil"
	spoilt=$((spoilt + 1))
done <<-'END'
	.resourceMetrics[0].scopeMetrics[0].metrics[0].dataPoint = 1
	.resourceMetrics[0].scopeMetrics[0].metrics[0].sum.is_monotonic = true
	.resourceMetrics[0].scopeMetrics[0].metrics[0].sum.isMonotonic = false
	.resourceMetrics[0].scopeMetrics[0].metrics[0].sum.aggregationTemporality = 1
	.resourceMetrics[0].scopeMetrics[0].metrics[0].sum.dataPoints = []
	.resourceMetrics[0].scopeMetrics[0].metrics[0].sum.dataPoints[0].asInt = "1.5"
	.resourceMetrics[0].scopeMetrics[0].metrics[0].unit = "seconds"
	.resourceMetrics[0].resource.attributes |= map(select(.key != "service.name"))
	(.resourceMetrics[0].scopeMetrics[0].metrics[].histogram // empty).dataPoints[0].explicitBounds |= reverse
	(.resourceMetrics[0].scopeMetrics[0].metrics[].histogram // empty).dataPoints[0].bucketCounts[0] = "123456"
	(.resourceMetrics[0].scopeMetrics[0].metrics[].gauge // empty).dataPoints[0].startTimeUnixNano = "5"
END
[ $spoilt = 11 ]
