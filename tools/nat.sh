#!/usr/bin/env bash
# Runs the tests of peers behind NATs (internal/nattest): network namespaces with the kernel's NAT between them. They need
# Linux, root, iproute2 and nftables. Where one is missing, or the machine does not let root make namespaces, it says so
# and ends with 0; the tests are then counted as skipped.
#
#	tools/nat.sh [flag of go test ...]
#
# With RESULTS=DIR the results are kept in DIR/nat, for bin/testsum -total.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=./internal/nattest
probe=brahmsnat-$$-check
skipped=() # tests that cannot run here, though others can

record() { # record TEST...: in the results, as skipped
	[ -z "${RESULTS:-}" ] || printf "skip $(go list -m)/${package#./} %s\n" "$@" >>"$RESULTS/nat"
}

skip() { # skip WHY: all tests
	local tests
	mapfile -t tests < <(go test -tags nat -list . $package | grep ^Test)
	printf 'nat: SKIPPED: %s\n' "${tests[@]}"
	echo "nat: 0 passed, 0 failed, ${#tests[@]} skipped: $1"
	record "${tests[@]}"
	exit 0
}

# A test process that was killed, or ran out of its time, leaves its namespaces: any run of the package removes those.
clean() {
	ip netns del "$probe" 2>/dev/null || true
	if ip netns list | grep -q '^brahmsnat-'; then
		go test -tags nat -count=1 -run '^$' $package >/dev/null || true
	fi
}

[ "$(uname)" = Linux ] || skip "this needs Linux"
go vet -tags nat $package
[ "$(id -u)" = 0 ] || skip "this needs root: sudo make nat"
for tool in ip nft; do
	command -v "$tool" >/dev/null || skip "there is no $tool (Debian: apt install iproute2 nftables)"
done
trap clean EXIT
why=$(ip netns add "$probe" 2>&1) || skip "no network namespaces here: $why"
why=$(ip netns exec "$probe" nft -f - 2>&1 <<-'END'
	table ip nat {
		chain out { type nat hook postrouting priority srcnat; oifname x masquerade fully-random; }
	}
	table ip filter {
		chain in { type filter hook input priority filter; policy drop; ct state established accept; }
	}
	END
) || skip "no NAT here: $why"
# mDNS sends to groups of both, or not at all.
ip -n "$probe" link add lan0 type veth peer name lan1
ip -n "$probe" link set lan0 up
ip -n "$probe" link set lan1 up
for groups in igmp igmp6; do
	if ! ip netns exec "$probe" grep -qs lan0 /proc/net/$groups; then
		skipped=(TestMDNS)
		echo "nat: SKIPPED: TestMDNS: no multicast here: /proc/net/$groups of a network namespace lacks its interface"
		break
	fi
done
ip netns del "$probe"

go build -C tools -o ../bin/testsum ./testsum
status=0
go test -json -tags nat -count=1 -timeout 4m -parallel 3 ${skipped:+-skip "^$skipped\$"} "$@" $package |
	bin/testsum -name nat ${RESULTS:+-results "$RESULTS/nat"} || status=$?
[ -z "${skipped:-}" ] || record "${skipped[@]}"
exit $status
