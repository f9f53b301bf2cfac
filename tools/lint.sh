#!/usr/bin/env bash
# Runs the static checks, all of them also when one fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=""

check() { # check NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		echo "ok: $name"
	else
		echo "FAILED: $name" >&2
		failed="$failed, $name"
	fi
}

formatted() {
	local files
	files=$(find . \( -name node_modules -o -name testdata -o -name '.?*' \) -prune -o -name '*.go' -exec gofmt -s -l {} +) || return 1
	[ -z "$files" ] || { printf 'not formatted, run gofmt -s -w on:\n%s\n' "$files"; false; }
}

tidy() {
	local mod out
	while IFS= read -r mod; do
		out=$(cd "$(dirname "$mod")" && go mod tidy -diff 2>&1) || {
			head -n 40 <<<"$out"
			echo "$mod is not tidy, run go mod tidy there"
			return 1
		}
	done < <(find . \( -name node_modules -o -name testdata -o -name '.?*' -o -path ./test/dashboard \) -prune -o -name go.mod -print) # whose tidy would load what Prometheus' own tests need
}

examples() { (cd examples && go tool -modfile=../tools/go.mod staticcheck ./...); }

check gofmt formatted
check vet go vet ./...
check "vet of examples" go vet -C examples ./...
check "vet of tools/memberlist" go vet -C tools/memberlist ./...
check staticcheck go tool -modfile=tools/go.mod staticcheck ./...
check "staticcheck of examples" examples
check "import rules" go test ./internal/archtest
check "test counter" go test -C tools ./testsum
check "go.mod" tidy
[ -z "$failed" ] || { echo "failed: ${failed#, }" >&2; exit 1; }
