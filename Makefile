# The menu. `make demo` and `make test` install what they need by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help
FORGE := script/tool.sh forge
NEXTEST := $(shell cargo nextest --version > /dev/null 2>&1 && echo yes)
N ?= 100
MINUTES ?= 120
KILLS ?= 200
TOWER_KILLS ?= 100
APPOINTMENTS ?= 1000000
CLOSES ?= 1000

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24

.PHONY: setup demo demo-run demo-contracts test check
setup:
	@scripts/setup.sh

demo: setup demo-run ## Two real nodes on a local L1 and rollup, from nothing; KEEP=1 leaves them running
demo-run:
	cargo build --locked --bins -p lockstep -p lockstep-watchtower -p lockstep-devnet
	@node scripts/demo.mjs $(if $(KEEP),--keep)
demo-contracts: setup ## The contract alone: two channel lives on a local chain, a cheat among them
	@node contracts/script/demo.mjs

test: setup ## Run all tests
	@scripts/test.sh

check: fmt-check lint unit ## Format, lints, unit tests: what every commit passes

.PHONY: fmt fmt-check lint unit e2e doctest bench bench-build bench-quick bench-tower bench-parts
fmt: ## Format Rust and Solidity
	cargo fmt --all
	cd contracts && $(FORGE) fmt
fmt-check:
	cargo fmt --all --check
	cd contracts && $(FORGE) fmt --check
lint:
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
unit: ## All Rust tests
ifeq ($(NEXTEST),yes)
	cargo nextest run --workspace --all-features --locked $(if $(CI),--profile ci)
else
	cargo test --workspace --all-features --locked --lib --bins --tests
endif
e2e: ## Real nodes against each other, the chain, towers and strangers
	cargo build --locked -p lockstep -p lockstep-watchtower
ifeq ($(NEXTEST),yes)
	cargo nextest run --locked -p lockstep-e2e $(if $(CI),--profile ci)
else
	cargo test --locked -p lockstep-e2e
endif
doctest:
	cargo test --workspace --all-features --locked --doc
bench-build: setup
	cargo build --locked --release -p lockstep -p lockstep-sim
# By itself: its forged channels need features that no product has.
	cargo build --locked --release -p lockstep-bench
bench: bench-build ## Measure real nodes and rewrite tests/bench/RESULTS.md, results.json and results.svg
	target/release/lockstep-bench $(CASES)
bench-quick: bench-build ## Run every case of the benchmark once, only to see that it runs and all sums are exact
	target/release/lockstep-bench --quick
bench-tower: setup ## A tower with APPOINTMENTS=1000000: memory, disk, restart, and CLOSES=1000 stale closes in one block
	APPOINTMENTS=$(APPOINTMENTS) CLOSES=$(CLOSES) \
	cargo test --locked --release -p lockstep-watchtower --test it -- load:: --nocapture
bench-parts: ## Criterion benches of core, signer and journal
	cargo bench --locked -p lockstep-core -p lockstep-signer -p lockstep-store

.PHONY: sim sim-long fuzz core-mutants powercut soak soak-e2e soak-tower
sim: ## 20,000 seeds of the simulator
	cargo run --locked -p lockstep-sim -- --seeds 20000
sim-long: ## Simulator for MINUTES=120 minutes, with seeds of its own
	cargo run --locked --release -p lockstep-sim -- --minutes $(MINUTES)
fuzz: ## Look for inputs that make a decoder or a channel panic, for MINUTES=120 minutes
	cargo run --locked --release -p lockstep-fuzz -- hunt $(MINUTES)
core-mutants: ## Plant bugs in the core; the simulator must find each
	cargo run --locked -p lockstep-sim --bin core-mutants
powercut: ## Cut the power under the journal N=100 times
	scripts/powercut.sh $(N)
soak-e2e: ## Nodes that are killed KILLS=200 times, and 10,000 hostile connections
	cargo build --locked -p lockstep
	KILLS=$(KILLS) cargo test --locked -p lockstep-e2e --test it -- crash
	HOSTILE_CONNECTIONS=10000 cargo test --locked -p lockstep-e2e --test hostile -- p64_a_crowd p64_a_node
soak-tower: ## A tower that is killed TOWER_KILLS=100 times between a close and its final answer
	KILLS=$(TOWER_KILLS) cargo test --locked -p lockstep-watchtower --test it -- p70_p74
soak: sim-long core-mutants soak-e2e soak-tower contracts-prove contracts-mutants ## Everything that takes hours
	scripts/powercut.sh $(N)

.PHONY: devnet
ROLLUP ?= optimism
devnet: setup ## A local L1 and rollup (ROLLUP=optimism or arbitrum) from the real bridge contracts, until ctrl-c
	cargo run --locked -p lockstep-devnet --bin devnet -- $(ROLLUP)

.PHONY: contracts contracts-check contracts-test contracts-gas contracts-gas-check contracts-prove contracts-prove-short contracts-mutants
contracts: setup ## Compile the contracts and rewrite contracts/artifacts
	cd contracts && $(FORGE) fmt && node script/compile.mjs
contracts-check:
	cd contracts && node script/compile.mjs --check
	cd contracts && node script/errors.mjs
	cd contracts && node script/vectors.mjs --check
	cd contracts && node script/tower-vectors.mjs --check
	cd contracts && node script/optimism.mjs --check
	cd contracts && node script/optimism-proofs.mjs --check
contracts-test: setup ## Unit, fuzz and invariant tests of the contracts
	cd contracts && $(FORGE) test --no-match-path 'test/gas/**'
contracts-gas: ## Measure gas of whole transactions and rewrite contracts/snapshots
	cd contracts && node script/gas.mjs --write
contracts-gas-check:
	cd contracts && node script/gas.mjs
contracts-prove: setup ## Symbolic proofs (halmos, SMTChecker), full set
	contracts/script/prove.sh
contracts-prove-short:
	contracts/script/prove.sh --short
contracts-mutants: setup ## Plant bugs in the contract; every one must be found
	cd contracts && node script/mutants.mjs
