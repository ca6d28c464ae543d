#!/usr/bin/env bash
# fuzz/run.sh TARGET SECONDS: builds the fuzz targets with the project's own (stable) compiler and runs one of them.
# What it learns is kept in fuzz/corpus, inputs that break something in fuzz/artifacts.
set -euo pipefail
target=${1:?accounts, instructions or market_rules}
seconds=${2:-60}
cd "$(dirname "$0")"
mkdir -p "corpus/$target" artifacts
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
RUSTC_WRAPPER=$PWD/instrument.sh cargo build --release --quiet
# Every instruction to begin with: its place in the IDL, nothing changed, nothing added, and arguments that begin with a one.
if [ "$target" = instructions ]; then
  for place in $(seq 0 95); do
    { printf "\\x$(printf %02x "$place")\\x00\\x00\\x01\\x01"; head -c 600 /dev/zero; } > "corpus/$target/seed-$place"
  done
fi
# The programs print to standard output (mask 1); libFuzzer tells what it does on standard error.
exec "$CARGO_TARGET_DIR/release/$target" "corpus/$target" -artifact_prefix=artifacts/ \
  -close_fd_mask=1 -max_len=4096 -max_total_time="$seconds" -print_final_stats=1
