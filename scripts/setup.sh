#!/usr/bin/env bash
# Installs what the project needs beside Rust, Node.js, Python 3 and a C compiler. Pinned; a second run
# does nothing. What needs root or Debian is left out elsewhere, and said so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "setup: $*"; }

# Fresh means: the stamp holds the hash of the file that decides what is installed.
is_fresh() { [ -f "$2" ] && [ "$(cat "$2")" = "$(sha256sum "$1" | cut -d' ' -f1)" ]; }
stamp() { sha256sum "$1" | cut -d' ' -f1 > "$2"; }

need() { command -v "$1" > /dev/null || { say "$1 is missing: $2" >&2; exit 1; }; }
need cargo "install Rust 1.95 or newer"
need node "install Node.js 20 or newer"
need npm "it comes with Node.js"
need python3 "install Python 3.11 or newer"
need cc "install a C compiler"

if ! is_fresh contracts/package-lock.json contracts/node_modules/.stamp; then
  say "npm packages of contracts/ (forge, anvil, cast, solc, viem)"
  # Not `npm ci`: it demands the forge of every platform in the lock, and registries do not all have it.
  (cd contracts && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error)
  stamp contracts/package-lock.json contracts/node_modules/.stamp
fi

if ! is_fresh tests/devnet/genesis/package-lock.json tests/devnet/genesis/node_modules/.stamp; then
  say "npm package of tests/devnet/genesis/ (the real OP Stack contracts)"
  (cd tests/devnet/genesis && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  stamp tests/devnet/genesis/package-lock.json tests/devnet/genesis/node_modules/.stamp
fi

# Arbitrum's contracts and SDK, for its local network.
scripts/devnet-arbitrum.sh

if [ -f contracts/requirements.txt ] && ! is_fresh contracts/requirements.txt .venv/.stamp; then
  say "Python packages (halmos)"
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r contracts/requirements.txt
  stamp contracts/requirements.txt .venv/.stamp
fi

# Debian package, and a command it brings.
debian() {
  local package="$1" tool="$2" what="$3"
  command -v "$tool" > /dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    say "Debian package $package ($what)"
    apt-get -qq update > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$package" > /dev/null
  else
    say "$tool is missing and can't be installed without root on Debian: $what will be skipped"
  fi
}
debian xfsprogs xfs_io "power-cut tests"
debian strace strace "fsync fault injection"
say "ready"
