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

skip() {
	local tests
	tests=$(go test -tags nat -list . $package | grep ^Test)
	printf '%s\n' "$tests" | sed 's/^/nat: SKIPPED: /'
	echo "nat: 0 passed, 0 failed, $(wc -l <<<"$tests") skipped: $1"
	if [ -n "${RESULTS:-}" ]; then
		sed "s|^|skip $(go list -m)/${package#./} |" <<<"$tests" >"$RESULTS/nat"
	fi
	exit 0
}

[ "$(uname)" = Linux ] || skip "this needs Linux"
go vet -tags nat $package
[ "$(id -u)" = 0 ] || skip "this needs root: sudo make nat"
for tool in ip nft; do
	command -v "$tool" >/dev/null || skip "there is no $tool (Debian: apt install iproute2 nftables)"
done
trap 'ip netns del "$probe" 2>/dev/null || true' EXIT
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
ip netns del "$probe"

go build -C tools -o ../bin/testsum ./testsum
go test -json -tags nat -count=1 -timeout 4m "$@" $package | bin/testsum -name nat ${RESULTS:+-results "$RESULTS/nat"}
