#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The unit of docs/deploy under a real systemd, which is the first process of namespaces of its
# own (tests/systemd/boot): from boot on, through restart, crash and stop, and without each of
# its capabilities in turn. Needs root and BPF.

load trace

SYSTEMD=/lib/systemd/systemd

setup_machine() { # also where its files are
	[ -x $SYSTEMD ] || skip "no systemd: run make deps"
	grep -q '^ok .*uprobe_multi' "$BATS_FILE_TMPDIR/doctor" ||
		skip "this kernel has no uprobe_multi: CAP_SYS_ADMIN is needed"
	mkdir -p "$tmp/root" "$tmp/out"
	make -s install DESTDIR="$tmp/out" PREFIX=/usr/local
	install -D "$MAPLOAD" "$tmp/out/usr/local/share/mapload"
	install "$O/tests/workloads/trapload" "$tmp/out/usr/local/share/"
	unshare --mount tests/systemd/boot "$tmp/root" "$tmp/out/usr/local" docs/deploy/smaptrace.service \
		>"$tmp/boot" 2>&1 3>&- </dev/null &
	machine=$!
	wait_for grep -q '^machine' "$tmp/boot"
	init=$(sed -n 's/^machine //p' "$tmp/boot")
	wait_for unit_is smaptrace ActiveState active
}

teardown() {
	[ -n "${machine:-}" ] || return 0
	kill "$machine" 2>/dev/null || true
	wait "$machine" || true
}

in_machine() { nsenter -t "$init" -a -r -w "$@"; }
unit_is() { [ "$(in_machine systemctl show -P "$2" "$1")" = "$3" ]; } # unit, property, value
machine_is_gone() { ! readlink "/proc/$init/exe"; } # nor is there of one that nobody has waited for yet
get() { in_machine curl -sf "http://127.0.0.1:9435/$1"; }
has_line() { get metrics | grep -q "$1"; }
journal() { in_machine journalctl --no-pager -o cat -u smaptrace "$@"; }
journal_has() { journal | grep -q -e "$1"; }

# A program of another user, in a home that is closed to others.
program() { # name, its words...
	in_machine install -d -m 700 -o app -g app /home/app
	in_machine install -m 700 -o app -g app /usr/local/share/mapload /usr/local/share/trapload /home/app/
	in_machine systemd-run --quiet --unit app -p User=app -p RemainAfterExit=yes \
		-p StandardOutput=file:/run/app.out "/home/app/$1" "${@:2}"
}
own() { in_machine grep -q -- "$1" /run/app.out; }

# Other lines for the unit, and shorter windows, so that it takes less long.
drop_in() { # lines...
	in_machine mkdir -p /run/systemd/system/smaptrace.service.d
	printf '%s\n' '[Service]' ExecStart= "$(grep '^ExecStart=' docs/deploy/smaptrace.service) -i 0.2" "$@" |
		in_machine tee /run/systemd/system/smaptrace.service.d/test.conf >/dev/null
	in_machine systemctl daemon-reload
}

@test "systemd: the unit serves from boot on, exactly, and complains of nothing" {
	setup_machine
	wait_for get healthz
	program mapload --hold --hold-end --mix promote --keys 200 --ops 3000 --name sessions
	wait_for own '^ready'
	in_machine systemctl kill -s USR1 app
	wait_for own '^hold .* end'
	in_machine grep '"type":"map"' /run/app.out |
		jq -r '"smap_misses_total{pid=\"\(.pid)\",comm=\"mapload\",name=\"sessions.0\"} \(.misses)"' >"$tmp/want"
	wait_for has_line "^$(cat "$tmp/want")\$"
	get metrics | grep '^smap_losses_total' >"$tmp/losses"
	cat "$tmp/losses"
	! grep -v ' 0$' "$tmp/losses"
	# As somebody else, with the unit's capabilities and no others.
	main=$(in_machine systemctl show -P MainPID smaptrace)
	in_machine cat "/proc/$main/status" >"$tmp/status"
	! grep -q '^Uid:.*\b0\b' "$tmp/status"
	[ "$(grep -cE '^Cap(Prm|Eff|Bnd|Amb):.*000000c000080004$' "$tmp/status")" = 4 ]
	grep -q '^NoNewPrivs:.*1' "$tmp/status"
	run in_machine journalctl --no-pager -q -b -p warning -u smaptrace
	[ -z "$output" ]
}

@test "systemd: restart, a crash, a trap, stop; and no system call beyond those of the unit" {
	setup_machine
	drop_in RestartSec=0.1 SystemCallErrorNumber=kill
	program trapload diffusion-canonical --seconds 60
	in_machine systemctl restart smaptrace
	wait_for has_line '^smap_trap_active{trap="read-diffusion",.*comm="trapload".*} 1$'
	in_machine systemctl kill --kill-who=main -s ABRT smaptrace
	wait_for unit_is smaptrace NRestarts 1
	wait_for has_line '^smap_promotions_total{.*comm="trapload"'
	in_machine systemctl stop smaptrace
	unit_is smaptrace ActiveState inactive
	unit_is smaptrace Result success
	run in_machine pgrep -x smaptrace
	[ "$status" = 1 ]
	# The program has lived through it all.
	unit_is app SubState running
	unit_is smaptrace NRestarts 1
	# Nor does the machine outlive who started it, however that ends.
	kill -KILL "$(ps -o ppid= -p "$init")"
	wait_for machine_is_gone
}

@test "systemd: without any one of the capabilities it does not see the program, and says why" {
	setup_machine
	caps=$(sed -n 's/^AmbientCapabilities=//p' docs/deploy/smaptrace.service)
	program mapload --hold-run --ops 1000 --name sessions
	wait_for has_line '^smap_maps{.*name="sessions.0"} 1'
	for without in $caps; do
		rest=$(tr ' ' '\n' <<<"$caps" | grep -vx "$without" | tr '\n' ' ')
		in_machine systemctl stop smaptrace
		in_machine journalctl -q --rotate --vacuum-time=1us
		drop_in {AmbientCapabilities,CapabilityBoundingSet}= \
			"AmbientCapabilities=$rest" "CapabilityBoundingSet=$rest"
		in_machine systemctl start smaptrace
		echo "without $without"
		wait_for journal_has 'hint: .*CAP_'
		! has_line 'name="sessions.0"'
	done
}
