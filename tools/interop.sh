#!/usr/bin/env bash
# Runs the js peer of interop/js against the binary, over loopback. Needs Node 20 or later with npm, and the npm registry.
#
#	tools/interop.sh                            the tests
#	tools/interop.sh mutants [js|go [NUMBER...]] whether they notice each check of input that is missing (interop/js/mutants.js)
#
# With RESULTS=DIR the results are kept in DIR/interop, for bin/testsum -total.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for program in node npm; do
	command -v "$program" >/dev/null || { echo "interop: $program is missing: install Node 20 or later with npm" >&2; exit 1; }
done
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
	echo "interop: node $(node --version) is too old: 20 or later is needed" >&2
	exit 1
fi
go build -o bin/brahms-p2p ./cmd/brahms-p2p
go build -o bin/rawpeer ./internal/rawpeer
export INTEROP_RESULTS=${RESULTS:+$RESULTS/interop}
cd interop/js
npm ci --no-audit --no-fund --loglevel=error
if [ "${1:-}" = mutants ]; then
	exec node mutants.js "${@:2}"
fi
# The tests end what they start. Should they hang, timeout ends their whole process group.
timeout --kill-after=10 300 node --test --test-concurrency=2 --test-timeout=280000 --test-reporter=./test/reporter.js --test-reporter-destination=stdout test/*.test.js
