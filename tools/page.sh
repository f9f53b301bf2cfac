#!/usr/bin/env bash
# Looks at the live pages with headless Chromium, which test/page finds in PATH or in $CHROMIUM; axe-core, from npm, checks their accessibility. Screenshots are left in
# bin/page. With RESULTS=DIR the results are kept in DIR/page, for bin/testsum -total.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
npm ci --prefix test/page --no-audit --no-fund --loglevel=error
go build -C tools -o ../bin/testsum ./testsum
rm -rf bin/page
go test -C test/page -count=1 -timeout=10m -json ./... | bin/testsum -name page ${RESULTS:+-results "$RESULTS/page"}
ls -l bin/page
