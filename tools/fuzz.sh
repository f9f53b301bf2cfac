#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (10s by default), each in turn. A module without targets is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${FUZZTIME:-10s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { # fuzz PACKAGE TARGET
	echo "--- $1 $2"
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 1s "$1" 2>&1 | tee "$log"
}

found=0 failed=0
list=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...)
mapfile -t dirs <<<"$list"
for dir in "${dirs[@]}"; do
	grep -qs '^func Fuzz' "$dir"/*_test.go || continue # spares the build of a test binary that has none
	pkg=$(go list "$dir")
	list=$(go test -list '^Fuzz' "$pkg")
	for target in $(grep '^Fuzz' <<<"$list" || true); do
		found=$((found + 1))
		fuzz "$pkg" "$target" && continue
		# Until Go 1.27 the fuzzing engine may report its own deadline as a failure when time is up (golang/go#75804):
		# no input was found then. Only that is tried again, once.
		if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; then
			echo "the engine ran into its own deadline, once more:"
			fuzz "$pkg" "$target" && continue
		fi
		failed=$((failed + 1))
		echo "failed: $pkg $target"
	done
done
if [ "$found" -eq 0 ]; then
	echo "no fuzz target was found" >&2
	exit 1
fi
echo "fuzzed $found targets for $time each, $failed of them failed"
[ "$failed" -eq 0 ]
