#!/usr/bin/env bash
# Generates the code of the protobuf schemas that tools/proto lists. Needs Go and the Go module proxy, nothing else.
#
#	tools/gen-proto.sh          write the generated files
#	tools/gen-proto.sh -check   write nothing; exit 1 if a checked-in file differs
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root/tools/proto"
GOWORK=off go run -mod=readonly . -root "$root" "$@"
