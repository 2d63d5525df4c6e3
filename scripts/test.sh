#!/usr/bin/env bash
# All tests, step by step. A failing step does not hide the ones after it; any failure fails the run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

passed=0
failed=()
step() {
  local name="$1"; shift
  local started=$SECONDS
  echo "::: $name"
  if "$@"; then
    passed=$((passed + 1))
    echo "::: $name: ok, $((SECONDS - started)) s"
  else
    failed+=("$name")
    echo "::: $name: FAILED, $((SECONDS - started)) s"
  fi
}

step "format" make --no-print-directory fmt-check
step "lints" make --no-print-directory lint
step "unit and integration tests" make --no-print-directory unit
step "doc tests" make --no-print-directory doctest
step "contract artifacts" make --no-print-directory contracts-check
step "contract tests" make --no-print-directory contracts-test
step "contract gas" make --no-print-directory contracts-gas-check
step "contract proofs, short set" make --no-print-directory contracts-prove-short
step "simulator, 20,000 seeds" make --no-print-directory sim
step "power cuts" make --no-print-directory powercut N=6
step "demo of the contract" node contracts/script/demo.mjs
step "demo of two nodes" make --no-print-directory demo-run

echo
for name in "${failed[@]}"; do echo "failed: $name"; done
echo "$passed passed, ${#failed[@]} failed"
[ "${#failed[@]}" -eq 0 ]
