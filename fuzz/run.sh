#!/usr/bin/env bash
# fuzz/run.sh TARGET SECONDS: builds the fuzz targets with the project's own (stable) compiler and runs one of them.
# What it learns is kept in fuzz/corpus, inputs that break something in fuzz/artifacts.
set -euo pipefail
target=${1:?accounts, instructions or market_rules}
seconds=${2:-60}
cd "$(dirname "$0")"
mkdir -p "corpus/$target" artifacts
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
RUSTC_WRAPPER=$PWD/instrument.sh cargo build --release --locked --quiet
exec "$CARGO_TARGET_DIR/release/$target" "corpus/$target" -artifact_prefix=artifacts/ \
  -max_len=4096 -max_total_time="$seconds" -print_final_stats=1
