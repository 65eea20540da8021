#!/bin/sh
# Prints the path of the reference peer, building it when there is none (minutes, once).
#
# OCKAM_PEER   a built peer: used as it is.
# OCKAM_CACHE  where builds are kept; default ~/.cache/ockam. A build is found again by the hash of its sources and lock file.
set -eu
if [ -n "${OCKAM_PEER:-}" ]; then
  [ -x "$OCKAM_PEER" ] || { echo "OCKAM_PEER=$OCKAM_PEER is not a program" >&2; exit 1; }
  printf '%s\n' "$OCKAM_PEER"
  exit 0
fi
here=$(cd "$(dirname "$0")/peer" && pwd)
cache=${OCKAM_CACHE:-$HOME/.cache/ockam}
hash_of() { if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi; }
key=$(cd "$here" && find Cargo.toml Cargo.lock src -type f | LC_ALL=C sort | while read -r f; do echo "$f"; cat "$f"; done | hash_of | cut -c1-16)
peer=$cache/peer-$key/ockam-peer
if [ ! -x "$peer" ]; then
  command -v cargo >/dev/null 2>&1 || { echo "The reference peer needs Rust: install cargo (https://rustup.rs) or set OCKAM_PEER." >&2; exit 3; }
  echo "Building the reference peer into $cache (minutes, once) ..." >&2
  mkdir -p "$cache/peer-$key"
  CARGO_TARGET_DIR="$cache/target" cargo build --release --locked --manifest-path "$here/Cargo.toml" </dev/null >&2
  # Copied under another name and moved: a second build of the same peer never sees half a program.
  cp "$cache/target/release/ockam-peer" "$peer.$$"
  mv "$peer.$$" "$peer"
fi
printf '%s\n' "$peer"
