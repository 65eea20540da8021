#!/bin/sh
# Prints the path of the reference peer: OCKAM_PEER when set, else one built (once) into a cache outside the clone.
set -eu
if [ -n "${OCKAM_PEER:-}" ]; then
  printf '%s\n' "$OCKAM_PEER"
  exit 0
fi
here=$(cd "$(dirname "$0")" && pwd)
target="${XDG_CACHE_HOME:-$HOME/.cache}/ockam-peer/target"
command -v cargo >/dev/null || {
  echo "The reference peer needs Rust: install cargo (https://rustup.rs) or set OCKAM_PEER to a built peer." >&2
  exit 1
}
CARGO_TARGET_DIR="$target" cargo build --quiet --release --locked --manifest-path "$here/peer/Cargo.toml" >&2
printf '%s\n' "$target/release/ockam-peer"
