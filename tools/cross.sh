#!/usr/bin/env bash
# Builds and vets for the systems that the tests do not run on. Without cgo, as a cross build has no C compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0
for target in windows/amd64 darwin/arm64; do
	export GOOS=${target%/*} GOARCH=${target#*/}
	go build ./...
	go vet ./...
	echo "ok: $target"
done
