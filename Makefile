FUZZTIME ?= 10s
BENCH ?= .
BIN := bin/brahms-p2p

.PHONY: help setup build test examples race fuzz soak suite suite-large attacks partition bench lint page cross nat netem smoke packaging dashboard interop interop-mutants generate generate-check ci clean agree

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## download the modules and build the binary
	go mod download
	$(MAKE) build

build: ## build bin/brahms-p2p
	go build -o $(BIN) ./cmd/brahms-p2p

test: ## run all tests, with those that are too slow under the race detector
	bash tools/test.sh test

examples: ## run the sampler with the DHT, pubsub and boxo, in the module examples/
	MODULE=examples bash tools/test.sh examples

# The pure rooms have no goroutines to race (internal/archtest), nor has what draws and what simulates agreement; they are a
# fifth of the pass.
PURE := view|sampler|protocol|protocol/(wire|token|state)|consensus/(machine|wire)|spread/(gossip|message)|internal/(consim|sim/plots)

race: ## run the tests under the race detector, in random order
	PACKAGES="$$(go list ./... | grep -vE '/brahms-p2p/($(PURE))$$')" bash tools/test.sh race -race -shuffle=on

fuzz: ## run every fuzz target for FUZZTIME (10s)
	FUZZTIME=$(FUZZTIME) bash tools/fuzz.sh

soak: ## run the race pass three times, every fuzz target for a minute, and kill 500 writers of states
	bash tools/test.sh soak -race -shuffle=on -count=3 -timeout=60m
	FUZZTIME=1m bash tools/fuzz.sh
	go test -run TestKilledWhileWriting -v -timeout=30m ./host -args -kills 500

suite: build ## run the small suite of simulations against its baseline
	$(BIN) sim suite suites/small.toml --baseline suites/small.baseline.json

suite-large: build ## make all figures and tables of docs/simulation.md
	$(BIN) sim suite suites/large.toml --out docs/figures --markdown docs/simulation.md
	$(BIN) sim suite suites/tokens.toml --out docs/figures --markdown docs/simulation.md
	go test ./internal/sim -run TestFiguresAreReproduced -v -count=1 -args -figures

attacks: build ## run a swarm under each attack and judge what it holds; needs a machine that does nothing else
	$(BIN) swarm suite --runs 3

agree: build ## let swarms agree on sets, with liars of each kind, 20 runs each; needs an hour of a machine that does nothing else
	bash tools/agree.sh $(BIN)

partition: ## run the tests of partition, mass death and leaving with 60 and 40 real hosts, and with 2 x 500 simulated nodes
	go test ./internal/swarm -run 'TestPartition|TestHalfDies|TestLeave' -v -count=1 -args -long
	go test ./internal/sim -run 'TestHalvesMerge|TestHalfOfAllDie|TestGoodbye' -v -count=1 -timeout=60m -args -halves=500

bench: ## run the benchmarks that match BENCH (all)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

lint: ## run gofmt, vet, staticcheck, the import rules and go mod tidy -diff
	bash tools/lint.sh

page: ## look at the live pages with headless Chromium; screenshots are left in bin/page
	bash tools/page.sh

cross: ## build and vet for Windows and macOS
	bash tools/cross.sh

netem: ## run peers over lossy QUIC links; needs root, and netem or nftables
	bash tools/netem.sh

nat: ## run peers behind NATs in network namespaces; needs root, ip and nft, and says so without
	bash tools/nat.sh

smoke: build ## start the binary as a user would
	bash tools/smoke.sh $(BIN)

packaging: ## test the container, the systemd unit, the manual page and completion in real shells
	bash tools/packaging.sh

dashboard: ## run the queries of the Grafana dashboard over real metrics, and check it against Grafana's types
	bash tools/dashboard.sh

interop: ## run the js peer of interop/js against the binary; needs Node 20 with npm
	bash tools/interop.sh

interop-mutants: ## take each check of input out of one of the two implementations, and see the other's bytes notice; needs a quarter of an hour
	bash tools/interop.sh mutants

generate: ## generate the protobuf code again
	bash tools/gen-proto.sh

generate-check: ## fail if the generated code is not that of the schema
	bash tools/gen-proto.sh -check

ci: ## run all that CI runs
	bash .ci/run

clean: ## remove what was built
	rm -rf bin
