#!/usr/bin/env bash
# Runs forge, anvil or cast from the pinned npm packages: `tool.sh forge test`.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-amd64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  Darwin-x86_64) platform=darwin-amd64 ;;
  *) echo "no forge for $(uname -s) $(uname -m) on npm" >&2; exit 1 ;;
esac
name="$1"; shift
binary="$here/../node_modules/@foundry-rs/$name-$platform/bin/$name"
if [ ! -x "$binary" ]; then
  echo "$name is not installed: run 'make setup'" >&2
  exit 1
fi
exec "$binary" "$@"
