#!/usr/bin/env bash
# Lets swarms of real hosts agree on a set, with and without liars, and judges each run. It wants a machine that does nothing
# else: with 2 cores a run takes 20 to 60 s, one at .3 about 70 s.
#
#	[FIRST=SEED] [INTERVAL=DURATION] tools/agree.sh BINARY [RUNS [CASE...]]
#
# Seeds go from FIRST (1) on. INTERVAL is the length of all rounds, else between .3 and 1 s: with 1s several may run side by side.
# A case is plain (64 peers, 8 words, nobody faulty), or ATTACK, .15 or .3 of 40 peers faulty: contrary contrary:.3. Without
# cases it runs all: RUNS (20) of plain and of each attack at .15, and a quarter as many of each at .3. eclipse has 64 peers, so
# that half of what an eclipsed peer is told can be faulty, and may stop progress at .15 too. With liars the samples have 200
# slots, and so nearly everybody: from one of 40 slots a peer draws the same 25 again and again, which may have too many faulty.
set -euo pipefail
bin=$1
runs=${2:-20}
shift $(($# < 2 ? $# : 2))
attacks=$("$bin" swarm --attacks | sed -n '/^Of --agree-attack/,$ s/^\([a-z]*\) .*/\1/p' | grep -v '^none$')
if [ $# -eq 0 ]; then
	set -- plain $attacks
	for attack in $attacks; do set -- "$@" "$attack:.3"; done
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT

field() { sed -n "s/.*\"$1\":\(\"[^\"]*\"\|[^,{}]*\|{[^}]*}\)[,}].*/\1/p" "$out"; } # field NAME: of the summary

# holds CASE: says what the run in $out falls short of, nothing if it is all right.
holds() {
	local closed sets disagree answered status
	closed=$(field agree_closed) sets=$(field agree_sets) disagree=$(field agree_disagree) answered=$(field agree_answered)
	status=$(field agree_status)
	[ "$disagree" = 0 ] || echo "decided differently"
	[ "$sets" -le 1 ] || echo "$sets sets"
	case $1 in
	plain)
		[ "$closed" = 1 ] || echo "not all are done"
		[ "$(field agree_items)" = 8 ] || echo "not all words are in"
		awk "BEGIN { exit !($answered < .95) }" && echo "the machine is too slow"
		;;
	*:.3 | eclipse) # each peer is done or says that it is stalled
		echo "$status" | sed 's/"closed":[0-9]*//; s/"stalled":[0-9]*//' | grep -q '[a-z]' && echo "another status"
		;;
	*) [ "$closed" = 1 ] || echo "not all are done" ;;
	esac
	true
}

start=$SECONDS
bad=0
printf '%-18s %4s %7s %5s %6s %9s %7s %8s %9s %8s  %s\n' case seed closed sets items disagree rounds seconds answered bytes/s status
for name; do
	case $name in
	plain) flags="--peers 64 --interval 1s --rounds 8 --agree-interval 500ms" ;;
	eclipse*)
		flags="--peers 64 --interval 1s --l2 200 --rounds 8 --agree-interval 500ms --agree-attack eclipse --faulty 0.15"
		[ "$name" = eclipse ] || flags=${flags%15}3
		;;
	*:.3) flags="--peers 40 --l2 200 --interval 500ms --rounds 10 --agree-interval 300ms --faulty 0.3 --agree-attack ${name%:*}" ;;
	*) flags="--peers 40 --l2 200 --interval 500ms --rounds 10 --agree-interval 300ms --faulty 0.15 --agree-attack $name" ;;
	esac
	[ -z "${INTERVAL:-}" ] || flags="$flags --interval $INTERVAL --agree-interval $INTERVAL"
	n=$runs
	case $name in *:.3) n=$(((runs + 3) / 4)) ;; esac
	for ((seed = ${FIRST:-1}; seed < ${FIRST:-1} + n; seed++)); do
		# shellcheck disable=SC2086 # the flags are words of their own
		"$bin" swarm --json --agree 8 --seed "$seed" $flags >"$out" 2>"$out.err" || true
		if ! grep -q agree_closed "$out"; then
			echo "$name, seed $seed: $(cat "$out.err")"
			bad=$((bad + 1))
			continue
		fi
		short=$(holds "$name" | paste -sd, -)
		[ -z "$short" ] || bad=$((bad + 1))
		printf '%-18s %4s %7s %5s %6s %9s %7s %8s %9s %8s  %s %s\n' "$name" "$seed" "$(field agree_closed)" "$(field agree_sets)" \
			"$(field agree_items)" "$(field agree_disagree)" "$(field agree_rounds)" "$(field agree_seconds)" "$(field agree_answered)" \
			"$(field agree_bytes)" "$(field agree_status)" "${short:+FALLS SHORT: $short}"
	done
done
rm -f "$out.err"
echo "$bad runs fall short, after $((SECONDS - start)) s"
[ "$bad" -eq 0 ]
