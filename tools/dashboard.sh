#!/usr/bin/env bash
# Tests the Grafana dashboard (test/dashboard): Prometheus' engine runs its queries over what was scraped from real peers, and it is
# checked against the types that Grafana is built with. It needs Node 20 or later with npm.
#
# With RESULTS=DIR the results are kept in DIR/dashboard and DIR/schema, for bin/testsum -total.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go build -C tools -o ../bin/testsum ./testsum
go test -C test/dashboard -count=1 -timeout=5m -json ./... | bin/testsum -name dashboard ${RESULTS:+-results "$RESULTS/dashboard"}
export INTEROP_RESULTS=${RESULTS:+$RESULTS/schema}
cd test/dashboard/schema
npm ci --no-audit --no-fund --loglevel=error
timeout --kill-after=10 120 node --test --test-reporter=../../../interop/js/test/reporter.js --test-reporter-destination=stdout schema.test.js
