#!/usr/bin/env bash
# Tests what users install (test/packaging): the container without a registry, the systemd unit, the manual page, and completion in
# bash, zsh and fish. It needs Linux with user namespaces, and the programs that the tests name where one is missing.
#
# With RESULTS=DIR the results are kept in DIR/packaging, for bin/testsum -total.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go build -C tools -o ../bin/testsum ./testsum
go test -C test/packaging -count=1 -timeout=5m -json ./... | bin/testsum -name packaging ${RESULTS:+-results "$RESULTS/packaging"}
