#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/deploy: the rules do what their test says and the test notices when they do not; what
# rules and dashboard ask for exists in our exposition; the unit is one for systemd; unit and
# manifest agree on capabilities and take no more than that.
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
deploy=docs/deploy
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$*" >&2; exit 1; }
for tool in promtool jq yq; do
	command -v $tool >/dev/null || fail "no $tool: run make deps"
done

# --- rules
cp -r $deploy/prometheus "$tmp/rules"
promtool check config "$tmp/rules/prometheus.yml" >"$tmp/log" || fail "$(cat "$tmp/log")"
tested() { (cd "$tmp/rules" && promtool test rules smaptrace.test.yml) >"$tmp/log" 2>&1; }
tested || fail "$(cat "$tmp/log")"
spoilt=0
while read -r spoil; do
	sed -E "$spoil" $deploy/prometheus/smaptrace.rules.yml >"$tmp/rules/smaptrace.rules.yml"
	cmp -s "$tmp/rules/smaptrace.rules.yml" $deploy/prometheus/smaptrace.rules.yml && fail "self-test: no change: $spoil"
	! tested || fail "self-test: the test does not notice: $spoil"
	spoilt=$((spoilt + 1))
done <<-'END'
	s/trap="read-diffusion"\} > 0.5/trap="read-diffusion"} > 1/
	s/trap="pseudo-expansion"\} > 0.9/trap="pseudo-expansion"} > 0.5/
	s/trap="write-starvation"/trap="starvation"/
	s/deriv10m > 1/deriv10m > 1000/
	s/by \(job, instance, comm, name, trap\)/by (job, instance, pid, comm, name, trap)/
	s/ > 60$/ > 1e9/
	s/increase\(smap_losses_total/(smap_losses_total/; s/\[10m\]\)\) > 0/)) > 0/
	s/ and on \(job, instance\) smap_processes > 0//
	s/(up.*) == 0/\1 == 1/
	s/rate\(smap_promotions_total/increase(smap_promotions_total/
	s/max (by .* \(avg_over_time\(smap_cost_share)/min \1/
END
[ $spoilt = 11 ]
# Each alert is seen to fire and to be silent, each record has a value, or is what an alert goes by.
yq -r '.groups[].rules[].alert // empty' $deploy/prometheus/smaptrace.rules.yml | while read -r alert; do
	yq -e --arg alert "$alert" '[.tests[].alert_rule_test[]? | select(.alertname == $alert) | .exp_alerts | length]
		| any(. == 0) and any(. > 0)' $deploy/prometheus/smaptrace.test.yml >/dev/null ||
		fail "smaptrace.test.yml does not see $alert both fire and be silent"
done
yq -r '.groups[].rules[].record // empty' $deploy/prometheus/smaptrace.rules.yml | while read -r record; do
	{ yq -r '.tests[].promql_expr_test[]?.expr' $deploy/prometheus/smaptrace.test.yml
		yq -r '.groups[].rules[] | select(.alert).expr' $deploy/prometheus/smaptrace.rules.yml; } |
		grep -q "$record" || fail "smaptrace.test.yml does not ask for $record"
done

# --- metrics that are asked for, and those there are
sed -n 's/^# TYPE \(smap_[a-z0-9_]*\) histogram/\1_bucket\n\1_sum\n\1_count/p; s/^# TYPE \(smap_[a-z0-9_]*\) .*/\1/p' \
	tests/golden/full.prom | sort -u >"$tmp/known"
asked() {
	yq -r '.groups[].rules[].expr' $deploy/prometheus/smaptrace.rules.yml
	jq -r '.panels[].targets[]?.expr, (.templating.list[] | .query.query? // empty)' $deploy/grafana/smaptrace.json
	grep -oh '`smap_[a-z_]*`' $deploy/README.md | tr -d '`'
}
asked | sed 's/[a-z_]*:smap_[a-z0-9_:]*//g' | grep -o 'smap_[a-z0-9_]*' | sort -u >"$tmp/asked"
[ "$(wc -l <"$tmp/asked")" -ge 20 ] || fail "cannot read what is asked for"
comm -23 "$tmp/asked" <(sort "$tmp/known" <(printf 'smap_otlp_%s_total\n' lost rejected_points)) >"$tmp/unknown"
[ ! -s "$tmp/unknown" ] || fail "asked for, but not in our exposition:" $(cat "$tmp/unknown")

# --- dashboard: its expressions are PromQL, its panels have ids and places of their own
jq -r '.panels[].targets[]?.expr' $deploy/grafana/smaptrace.json |
	sed 's/\$__rate_interval/5m/g; s/\$[a-z]*/x/g' |
	jq -Rn '{groups: [{name: "d", rules: [inputs | {record: "a:b", expr: .}]
		| to_entries | map(.value + {labels: {n: "\(.key)"}})}]}' >"$tmp/dashboard.yml"
promtool check rules "$tmp/dashboard.yml" >"$tmp/log" 2>&1 || fail "$(cat "$tmp/log")"
jq -e '([.panels[].id] | length == (unique | length)) and (.panels | all(.type == "row"
		or (.title != "" and .description != "" and (.targets | length) > 0)))
	and ([.panels[] | .gridPos as $g | range($g.x; $g.x + $g.w) as $x
		| range($g.y; $g.y + $g.h) as $y | [$x, $y]] | length == (unique | length))' \
	$deploy/grafana/smaptrace.json >/dev/null || fail "the dashboard's panels"

# --- dashboard and manifest are of the types that Grafana and Kubernetes publish (npm)
types=$(realpath "$O")/deploy-types/node_modules
[ -d "$types" ] || fail "no $types: run make deps"
ln -s "$types" "$tmp/node_modules"
put_types() { # dashboard, manifest
	echo 'import { type Dashboard, ThresholdsMode } from "@grafana/schema";'
	echo 'import { type ConfigMap, type Namespace } from "kubernetes-types/core/v1";'
	echo 'import { type DaemonSet } from "kubernetes-types/apps/v1";'
	# An enumeration is not its text, for TypeScript.
	echo 'export const dashboard: Dashboard =' "$(sed 's/"mode": "absolute"/"mode": ThresholdsMode.Absolute/' "$1")"
	yq -r '"export const _\(.kind): \(.kind) = \(.);"' "$2"
}
typed() { # dashboard, manifest
	put_types "$@" >"$tmp/types.ts"
	(cd "$tmp" && node node_modules/typescript/bin/tsc --noEmit --strict --skipLibCheck --module nodenext \
		--target es2022 types.ts) >"$tmp/log" 2>&1
}
typed $deploy/grafana/smaptrace.json $deploy/kubernetes/daemonset.yaml || fail "$(cat "$tmp/log")"
sed 's/hostPID/hostPid/' $deploy/kubernetes/daemonset.yaml >"$tmp/spoilt.yaml"
sed 's/"gridPos"/"gridpos"/' $deploy/grafana/smaptrace.json >"$tmp/spoilt.json"
! typed "$tmp/spoilt.json" "$tmp/spoilt.yaml" || fail "self-test: wrong types are not noticed"
grep -q hostPid "$tmp/log" && grep -q gridpos "$tmp/log" || fail "self-test: $(cat "$tmp/log")"

# --- runbooks
yq -r '.groups[].rules[] | .annotations.runbook // empty' $deploy/prometheus/smaptrace.rules.yml |
	while IFS='#' read -r page section; do
		grep -qx "## $section" "$page" || fail "no section $section in $page"
	done

# --- unit and manifest
unit=$deploy/smaptrace.service manifest=$deploy/kubernetes/daemonset.yaml
yq 'select(.kind == "DaemonSet").spec.template.spec' $manifest >"$tmp/pod.json"
caps=$(sed -n 's/^AmbientCapabilities=//p' $unit | tr ' ' '\n' | sort)
[ "$caps" = "$(sed -n 's/^CapabilityBoundingSet=//p' $unit | tr ' ' '\n' | sort)" ] || fail "the unit's two lists"
jq -e '.hostPID and (.automountServiceAccountToken | not)
	and (.hostNetwork | not) and (.containers | all(.securityContext | (.privileged | not)
		and .allowPrivilegeEscalation == false and .readOnlyRootFilesystem
		and .capabilities.drop == ["ALL"] and .seccompProfile.type == "RuntimeDefault"))' \
	"$tmp/pod.json" >/dev/null || fail "$manifest: a container has more rights than it needs"
[ "$caps" = "$(jq -r '.containers[0].securityContext.capabilities.add[] | "CAP_" + .' "$tmp/pod.json" | sort)" ] ||
	fail "unit and manifest differ in capabilities"
"$O/smaptrace" --help >"$tmp/help"
{ sed -n 's/^ExecStart=//p' $unit; jq -r '.containers[0].args[]' "$tmp/pod.json"; } |
	grep -oE -e '--[a-z-]+' | sort -u | while read -r option; do
		grep -q -e " $option\b" "$tmp/help" || fail "smaptrace has no option $option"
	done
# --- image: what the binary needs is in it, or in every Debian
readelf -d "$O/smaptrace" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r library; do
	package=$(dpkg -S "*/$(gcc -print-multiarch)/$library" 2>/dev/null | head -n 1 | cut -d: -f1)
	[ -n "$package" ] || fail "whose is $library?"
	case " libc6 zlib1g libtinfo6 " in *" $package "*) continue ;; esac
	grep -qw -e "$package" $deploy/kubernetes/Containerfile ||
		fail "the image has no $library: package $package"
done

command -v systemd-analyze >/dev/null || { echo "no systemd-analyze: the unit is not verified"; exit 77; }
sed "s|^ExecStart=[^ ]*|ExecStart=$(realpath "$O/smaptrace")|" $unit >"$tmp/smaptrace.service"
systemd-analyze verify --man=no "$tmp/smaptrace.service" >"$tmp/log" 2>&1 || fail "$(cat "$tmp/log")"
[ ! -s "$tmp/log" ] || fail "$(cat "$tmp/log")"
systemd-analyze security --offline=yes --threshold=25 "$tmp/smaptrace.service" >"$tmp/log" 2>&1 ||
	fail "more exposed than 2.5 of 10: $(tail -n 1 "$tmp/log")"
