#!/usr/bin/env bash
# Cuts the power under the journal N times, half of them on ext4 and half on XFS.
#
# usage: powercut.sh [N] [seed]      (CONTROL=1 leaves the journal's fdatasync out and expects losses)
#
# Needs root and a loop device; without them it says so, counts what it skipped and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cuts=${1:-6}
seed=${2:-$RANDOM}
half=$(((cuts + 1) / 2))

skip() {
    echo "powercut: skipped $cuts cuts: $1"
    exit 0
}

[ "$(id -u)" = 0 ] || skip "not root"
[ -e /dev/loop-control ] || skip "no loop devices"
if ! command -v xfs_io mkfs.xfs mkfs.ext4 >/dev/null; then
    # Already there on a second run, so this does nothing then.
    apt-get install -y -qq xfsprogs e2fsprogs >/dev/null 2>&1 || skip "xfsprogs cannot be installed"
fi
probe=$(mktemp)
truncate -s 1M "$probe"
if loop=$(losetup --find --show "$probe" 2>/dev/null); then
    losetup -d "$loop"
    rm -f "$probe"
else
    rm -f "$probe"
    skip "loop devices cannot be used here"
fi

cargo build --quiet -p lockstep-powercut
harness=${CARGO_TARGET_DIR:-target}/debug/lockstep-powercut
flags=()
[ "${CONTROL:-0}" = 1 ] && flags+=(--without-sync)
status=0
"$harness" rounds ext4 "$half" "$seed" "${flags[@]}" || status=1
"$harness" rounds xfs "$((cuts - half))" "$((seed + 1))" "${flags[@]}" || status=1
exit $status
