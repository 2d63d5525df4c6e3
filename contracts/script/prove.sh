#!/usr/bin/env bash
# Proves the contract's properties for all inputs: halmos on the compiled contract, SMTChecker on its
# abstract core. Prints each property with its time; any failure fails the run.
#
#   prove.sh            all of them
#   prove.sh --short    those that together take about two minutes
#   prove.sh --planted  plants a bug under each property, which must then be refuted
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -x ../.venv/bin/halmos ]; then
  ../scripts/setup.sh
fi
exec node script/prove.mjs "$@"
