#!/bin/bash
# SPDX-License-Identifier: MIT
#
# deploy-real.sh - the image and the pod of docs/deploy/kubernetes, for real.
#
# The image is built by podman from the Containerfile; the debian:bookworm that it begins with
# is made here by mmdebstrap, since no registry is asked. The pod is the DaemonSet's template as a
# node has it (pod_of below: name of the node, no probe), played by podman kube play with runc;
# tests/deploy/collector.pl is in the place of the collector. Then it is seen that the pod has the
# manifest's rights and no more, that a process of the machine, of another user, is traced exactly,
# that its metrics leave the pod, and that without any one capability they do not.
#
# Needs root and BPF; podman and the others are installed where they are missing. All files are
# below $O/deploy. Takes five minutes the first time. Exit 77 if it cannot run. Environment: O.
set -u
cd "$(dirname "$0")/.." || exit 1

. tests/cross/apt.bash
O=$(realpath "${O:-.output}")
dir=$O/deploy
manifest=docs/deploy/kubernetes/daemonset.yaml
packages="podman runc conmon catatonit mmdebstrap libcap2-bin"
target='' profile='' image='' collector='' caps=''

die() {
	echo "deploy-real.sh: error: $*" >&2
	exit 1
}

skip() {
	echo "deploy-real.sh: $*"
	exit 77
}

of_pod() { yq -r "select(.kind == \"DaemonSet\").spec.template.spec$1" $manifest; }

step() { echo "  $*"; }

cleanup() {
	[ -z "$target" ] || kill -9 "$target" 2>/dev/null
	P pod rm -a -f >/dev/null 2>&1
	rm -rf "$scratch"
}

# until COMMAND... is true; gives up after a minute.
wait_for() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || die "waited in vain for: $*"
		sleep 0.1
	done
}

# Storage of our own: what podman else has on this machine is left alone.
P() {
	CONTAINERS_CONF=$dir/containers.conf podman --root "$dir/storage" --runroot "$dir/run" \
		--tmpdir "$dir/tmp" --runtime runc --cgroup-manager cgroupfs --events-backend file "$@"
}

# --- what is needed -----------------------------------------------------------------

need_packages() {
	local package missing=
	for package in $packages; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086
	apt_install $missing
}

# Limits that any machine has: podman's own may be higher than what we may set. `hostPID`, which
# kube play of podman 4 does not know, as the default of all containers. And a seccomp
# profile that lets bpf(2) and perf_event_open(2) pass with CAP_BPF and CAP_PERFMON, as
# RuntimeDefault of containerd does; podman 4's own asks for CAP_SYS_ADMIN.
write_conf() {
	[ "$(of_pod .hostPID)" = true ] || die "$manifest: no hostPID"
	printf '%s\n' '[containers]' 'pidns = "host"' \
		'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]' >"$dir/containers.conf"
	jq '["bpf", "perf_event_open"] as $ours
		| .syscalls |= (map(.names -= $ours) | map(select(.names != [])))
		| .syscalls += [["bpf", "CAP_BPF"], ["perf_event_open", "CAP_PERFMON"]
			| {names: .[:1], action: "SCMP_ACT_ALLOW", includes: {caps: .[1:]}},
				{names: .[:1], action: "SCMP_ACT_ERRNO", errnoRet: 1, excludes: {caps: .[1:]}}]' \
		/usr/share/containers/seccomp.json >"$dir/seccomp.json"
}

# --- images ----------------------------------------------------------------------------

# With this machine's certificates, for npm: there may be a proxy.
base_image() {
	local name
	P image exists docker.io/library/debian:bookworm && return
	step "BASE     debian:bookworm"
	mkdir -p "$scratch/base/etc/ssl"
	cp /etc/ssl/certs/ca-certificates.crt "$scratch/base/etc/ssl/host.crt"
	mmdebstrap --quiet --variant=minbase --mode=root bookworm "$scratch/base.tar" || die "no Debian root"
	tar --append -f "$scratch/base.tar" -C "$scratch/base" ./etc/ssl/host.crt
	for name in bookworm bookworm-slim; do
		P import -q -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/host.crt' "$scratch/base.tar" \
			docker.io/library/debian:$name >/dev/null || die "cannot import debian:$name"
	done
}

build_images() {
	step "IMAGE    $image"
	P build --pull=never --network host -t "$image" -f docs/deploy/kubernetes/Containerfile . \
		>"$dir/build.log" 2>&1 || die "the image cannot be built, see $dir/build.log"
	printf 'FROM localhost/%s\nCOPY collector.pl /\nENTRYPOINT ["perl", "/collector.pl"]\n' "$image" |
		P build --pull=never -q -t "$collector" -f - tests/deploy >/dev/null || die "no collector"
}

# --- the pod ---------------------------------------------------------------------------

# What a node makes of the DaemonSet: a pod, and the files that it mounts. podman's probes need
# systemd, and it does not know the node's name.
pod_of() { # jq expression that changes the pod's spec
	yq -y "(select(.kind == \"DaemonSet\")
		| {apiVersion: \"v1\", kind: \"Pod\", metadata: {name: \"smaptrace\", labels: .spec.template.metadata.labels,
				annotations: {\"seccomp.security.alpha.kubernetes.io/pod\": \"${profile:-localhost/seccomp.json}\"}},
			spec: (.spec.template.spec | del(.containers[].livenessProbe)
				| (.containers[].env[]? | select(.name == \"NODE_NAME\")) |= {name, value: \"$(hostname)\"}
				| $1)}),
		select(.kind == \"ConfigMap\")" $manifest
}

play() { # changes
	P pod rm -a -f >/dev/null 2>&1
	pod_of "$1" >"$scratch/pod.yaml"
	P kube play --network none --seccomp-profile-root "$dir" "$scratch/pod.yaml" >"$scratch/play" 2>&1 || die "$(cat "$scratch/play")"
}

logs_have() { # container, pattern
	P logs "smaptrace-$1" 2>&1 | grep -q -e "$2"
}

# The manifest's own probe.
healthy() {
	local probe
	mapfile -t probe < <(of_pod '.containers[0].livenessProbe.exec.command[]')
	P exec smaptrace-smaptrace "${probe[@]}" >/dev/null 2>&1
}

has_line() {
	P exec smaptrace-smaptrace curl -sf http://127.0.0.1:9435/metrics | grep -q "$1"
}

# A process of the machine: of another user, its program in a folder that is closed to others.
start_target() {
	install -d -m 755 "$scratch"
	install -d -m 700 -o 65534 -g 65534 "$scratch/home"
	install -m 700 -o 65534 -g 65534 "$O/tests/workloads/mapload" "$scratch/home/"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$scratch/home/mapload" --hold --hold-end \
		--mix promote --keys 200 --ops 3000 --name sessions >"$scratch/own" 2>&1 </dev/null &
	target=$!
	wait_for grep -q '^ready' "$scratch/own"
}

# --- what is to be seen ------------------------------------------------------------------

rights() {
	local pid want
	pid=$(P inspect -f '{{.State.Pid}}' smaptrace-smaptrace)
	want=$(tr '[:upper:]' '[:lower:]' <<<"$caps" | sed 's/^/cap_/' | sort)
	[ "$(caps_of "$pid")" = "$want" ] || die "capabilities: $(caps_of "$pid")"
	grep -q '^NoNewPrivs:.*1' "/proc/$pid/status" || die "it may gain privileges"
	grep -q '^Seccomp:.*2' "/proc/$pid/status" || die "no seccomp profile"
	! P exec smaptrace-smaptrace touch /x 2>/dev/null || die "its root can be written"
	[ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] || die "not the machine's processes"
	[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] || die "the machine's network"
}

# Of its bounding set, which none of the others exceeds.
caps_of() { # pid
	capsh --decode="$(sed -n 's/^CapBnd:\t*//p' "/proc/$1/status")" | sed 's/.*=//' | tr , '\n' | sort
}

traced() {
	local misses labels
	start_target
	kill -USR1 "$target"
	wait_for grep -q '^hold .* end' "$scratch/own"
	misses=$(sed -n 's/.*"misses":\([0-9]*\).*/\1/p' "$scratch/own")
	labels="pid=\"$target\",comm=\"mapload\",name=\"sessions.0\""
	wait_for has_line "^smap_misses_total{$labels} $misses\$"
	wait_for sent "$misses"
}

# The collector has it, too, as others read it.
sent() { # misses
	P logs smaptrace-collector 2>/dev/null | tail -n 1 | base64 -d | gunzip >"$scratch/sent.json" 2>/dev/null
	MODULES=$O/otlp/node_modules node tests/otlp/read.js "$scratch/sent.json" 2>/dev/null &&
		grep -qxF "smap_misses_total{$labels} $1" "$scratch/sent.read"
}

without() { # capability
	play "(.containers[0].securityContext.capabilities.add) -= [\"$1\"]"
	case $1 in
	BPF | PERFMON) wait_for logs_have smaptrace 'cannot load the BPF programs: Operation not permitted' ;;
	*)
		wait_for has_line '^smap_windows_total \([2-9]\|[1-9][0-9]\)'
		logs_have smaptrace 'may not be looked at' || die "it does not say what it lacks without $1"
		! has_line 'name="sessions.0"' || die "it traces without $1"
		;;
	esac
}

# --- all of it ------------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || skip "not root"
"$O/smaptrace" doctor 2>/dev/null | grep -q 'can trace here' || skip "no BPF"
command -v yq >/dev/null && command -v jq >/dev/null || skip "yq or jq is missing: run make deps"
image=$(of_pod '.containers[0].image')
collector=docker.io/$(of_pod '.containers[1].image')
caps=$(of_pod '.containers[0].securityContext.capabilities.add[]')
need_packages || skip "cannot install: $packages"
scratch=$(mktemp -d)
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir -p "$dir"
write_conf
base_image
build_images

play .
wait_for healthy
rights
step "PASS     the pod runs, with the manifest's rights and no others"
traced
step "PASS     a process of the machine is traced exactly; its metrics leave the pod"
for cap in $caps; do
	without "$cap"
	step "PASS     nothing without $cap"
done
profile=runtime/default
play .
wait_for logs_have smaptrace 'cannot load the BPF programs: Operation not permitted'
step "PASS     a seccomp profile that asks for CAP_SYS_ADMIN is noticed"
