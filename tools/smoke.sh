#!/usr/bin/env bash
# Starts the binary as a user would: the help of every command, mistakes, a simulation, and the swarm that the README opens with.
#
#	tools/smoke.sh PATH-OF-BINARY
set -euo pipefail
bin=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "smoke: $1" >&2
	sed 's/^/  stdout: /' "$dir/out" >&2
	sed 's/^/  stderr: /' "$dir/err" >&2
	exit 1
}

call() { timeout 300 "$bin" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }

call --help || fail "--help exits $?"
for command in run swarm sim; do
	grep -qw "$command" "$dir/out" || fail "--help does not name $command"
done
for command in run swarm sim; do
	call "$command" --help || fail "$command --help exits $?"
	[ -s "$dir/out" ] || fail "$command --help prints nothing"
done
for wrong in --no-such-flag "swarm --no-such-flag" "sim --no-such-flag" no-such-command; do
	# shellcheck disable=SC2086 # the words are arguments of their own
	if call $wrong; then fail "$wrong exits 0"; fi
	[ -s "$dir/err" ] || fail "$wrong says nothing on stderr"
done
call sim --nodes 200 --rounds 40 --faulty 0.2 || fail "sim exits $?"
grep -q view_faulty "$dir/out" || fail "sim prints no figures"
call swarm || fail "swarm exits $?"
[ -s "$dir/out" ] || fail "swarm prints nothing"
cat "$dir/out"
echo "ok: smoke"
