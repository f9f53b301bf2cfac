#!/usr/bin/env bash
# Runs 20 peers over QUIC in a network namespace of its own, where the kernel drops LOSS (30) percent of the packets on a
# fifth of the links among them, for ROUNDS (30) rounds. It needs root, iproute2, and netem (sch_netem and sch_prio in the kernel) or else nftables;
# without them it says so and ends with 3. It is not a part of CI.
#
#	tools/netem.sh [LOSS [ROUNDS]]
set -euo pipefail
loss=${1:-30}
rounds=${2:-30}
port=41000
peers=20

skip() {
	echo "netem: SKIPPED: $1" >&2
	exit 3
}

if [ -z "${BRAHMS_NETEM_INSIDE:-}" ]; then
	[ "$(id -u)" = 0 ] || skip "this needs root"
	for tool in ip tc unshare; do
		command -v "$tool" >/dev/null || skip "there is no $tool"
	done
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	go test -c -tags netem -o "$dir/host.test" ./host
	BRAHMS_NETEM_INSIDE=$dir/host.test unshare --net "$0" "$loss" "$rounds"
	exit
fi

ip link set lo up
by=netem
tc qdisc add dev lo root handle 1: prio bands 3 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2>/dev/null &&
	tc qdisc add dev lo parent 1:3 handle 30: netem loss "$loss%" 2>/dev/null || by=nft
if [ "$by" = nft ]; then
	command -v nft >/dev/null || skip "the kernel has no sch_netem or sch_prio, and there is no nft"
	nft -f - <<-END || skip "nft does not work here"
		table ip lossy {
			set bad { type inet_service . inet_service; }
			chain in {
				type filter hook input priority 0;
				udp sport . udp dport @bad numgen random mod 100 < $loss counter drop
			}
		}
	END
fi
RANDOM=1
bad=0
for ((a = 0; a < peers; a++)); do
	for ((b = 0; b < a; b++)); do
		((RANDOM % 5 == 0)) || continue
		bad=$((bad + 1))
		for ends in "$a $b" "$b $a"; do
			read -r from to <<<"$ends"
			if [ "$by" = nft ]; then
				nft add element ip lossy bad "{ $((port + from)) . $((port + to)) }"
				continue
			fi
			tc filter add dev lo parent 1: protocol ip u32 match ip protocol 17 0xff \
				match ip sport $((port + from)) 0xffff match ip dport $((port + to)) 0xffff flowid 1:3
		done
	done
done
echo "$by: $loss percent of the packets on $bad of $((peers * (peers - 1) / 2)) links"
cd host
BRAHMS_NETEM_PORT=$port BRAHMS_NETEM_ROUNDS=$rounds "$BRAHMS_NETEM_INSIDE" -test.run TestNetem -test.v -test.timeout 30m
if [ "$by" = nft ]; then nft list chain ip lossy in; else tc -s qdisc show dev lo; fi
