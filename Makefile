# The menu. `make demo` and `make test` install what they need by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help
FORGE := script/tool.sh forge
NEXTEST := $(shell cargo nextest --version > /dev/null 2>&1 && echo yes)
N ?= 100
MINUTES ?= 120

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24

.PHONY: setup demo demo-run demo-contracts test check
setup:
	@scripts/setup.sh

demo: setup demo-run ## Two real nodes on a local chain, from nothing; KEEP=1 leaves them running
demo-run:
	cargo build --locked -p lockstep
	@node scripts/demo.mjs $(if $(KEEP),--keep)
demo-contracts: setup ## The contract alone: two channel lives on a local chain, a cheat among them
	@node contracts/script/demo.mjs

test: setup ## Run all tests
	@scripts/test.sh

check: fmt-check lint unit ## Format, lints, unit tests: what every commit passes

.PHONY: fmt fmt-check lint unit doctest bench
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
doctest:
	cargo test --workspace --all-features --locked --doc
bench: ## Criterion benches of core, signer and journal
	cargo bench --locked -p lockstep-core -p lockstep-signer -p lockstep-store

.PHONY: sim sim-long fuzz core-mutants powercut soak
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
soak: sim-long core-mutants contracts-prove contracts-mutants ## Everything that takes hours
	scripts/powercut.sh $(N)

.PHONY: contracts contracts-check contracts-test contracts-gas contracts-gas-check contracts-prove contracts-prove-short contracts-mutants
contracts: setup ## Compile the contracts and rewrite contracts/artifacts
	cd contracts && $(FORGE) fmt && node script/compile.mjs
contracts-check:
	cd contracts && node script/compile.mjs --check
	cd contracts && node script/errors.mjs
	cd contracts && node script/vectors.mjs --check
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
