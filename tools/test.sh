#!/usr/bin/env bash
# Runs the tests of the module and counts them. Failures are shown in full, packages in one line each.
#
#	tools/test.sh NAME [flag of go test ...]
#
# With PACKAGES="..." it runs those packages only, with MODULE=DIR those of a module below the root. With RESULTS=DIR the
# results are kept in DIR/NAME, for bin/testsum -total.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$1
shift
go build -C tools -o ../bin/testsum ./testsum
go test -C "${MODULE:-.}" -json "$@" ${PACKAGES:-./...} | bin/testsum -name "$name" ${RESULTS:+-results "$RESULTS/$name"}
