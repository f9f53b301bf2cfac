#!/usr/bin/env bash
# Generates protocol/wire/pb/brahms.pb.go from brahms.proto. Needs Go and the Go module proxy, nothing else.
#
#	tools/gen-proto.sh          write the generated file
#	tools/gen-proto.sh -check   write nothing; exit 1 if the checked-in file differs
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root/tools/proto"
GOWORK=off go run -mod=readonly . -root "$root" "$@"
