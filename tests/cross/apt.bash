# SPDX-License-Identifier: MIT
# apt.bash - sourced: packages for this machine that `make deps` does not bring; and apt for $ARCH,
# which may be another architecture than this machine's. Then it has a state of its own in the
# build tree, and this machine's apt hears of no other architecture.

apt_install() { # packages
	[ "$(id -u)" = 0 ] || return 1
	echo "  APT      $*" >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

apt_for() { # build tree (absolute), get or cache, arguments
	local state=$1/apt tool=apt-$2
	shift 2
	if [ "$ARCH" = "$(dpkg --print-architecture)" ]; then
		"$tool" -q -o APT::Sandbox::User=root "$@"
		return
	fi
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial" || return 1
	[ -e "$state/status" ] || : >"$state/status"
	"$tool" -q -o Dir::State="$state" -o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" -o APT::Architecture="$ARCH" \
		-o APT::Architectures::="$ARCH" -o APT::Sandbox::User=root "$@"
}
