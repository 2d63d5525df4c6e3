#!/usr/bin/env bash
# Installs Arbitrum's contracts and its SDK for the local network, as pinned; a second run does nothing. They
# are used by tests only: the contracts' licence (BUSL-1.1) does not let us ship them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/devnet/arbitrum"
lock="$(sha256sum package-lock.json | cut -d' ' -f1)"
if [ ! -f node_modules/.stamp ] || [ "$(cat node_modules/.stamp)" != "$lock" ]; then
  echo "setup: npm packages of tests/devnet/arbitrum (contracts and SDK of Arbitrum)"
  npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error
  echo "$lock" > node_modules/.stamp
fi
