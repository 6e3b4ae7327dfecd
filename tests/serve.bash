# SPDX-License-Identifier: MIT
# What the tests of the server share: a real server, of real processes. After load trace.

# Start smaptrace serve, wait until it answers. Sets server and url (without the last slash).
serve() { # options...
	"$SMAPTRACE" serve -i 0.2 --listen 127.0.0.1:0 "$@" >"$tmp/url" 2>"$tmp/err" 3>&- </dev/null &
	server=$!
	pids+=("$server")
	wait_for grep -q '^http://' "$tmp/url"
	url=$(sed 's,/$,,' "$tmp/url")
	port=${url##*:}
}

# The value of a series in /metrics, or nothing.
metric() { # name{labels}, as it stands there
	curl -sf "$url/metrics" | awk -v want="$1 " 'index($0, want) == 1 { print $NF }'
}

metric_is() { # name, test and value: metric_is smap_processes -eq 0
	local value
	value=$(metric "$1")
	[ -n "$value" ] && [ "${value%.*}" "$2" "$3" ]
}

status_of() { # curl options...
	curl -s -o /dev/null -w '%{http_code}' --max-time 10 "$@"
}
