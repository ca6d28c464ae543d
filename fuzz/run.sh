#!/usr/bin/env bash
# fuzz/run.sh TARGET SECONDS: builds the fuzz targets with the project's own (stable) compiler and runs one of them.
# What it learns is kept in fuzz/corpus, inputs that break something in fuzz/artifacts.
set -euo pipefail
target=${1:?accounts, instructions or stories}
seconds=${2:-60}
case $target in
  accounts | instructions | stories) ;;
  *) echo "fuzz/run.sh: no target is called $target: accounts, instructions or stories" >&2; exit 2 ;;
esac
cd "$(dirname "$0")"
mkdir -p "corpus/$target" artifacts
# What the instructions are tried on: the scenes of the negative matrix, by the workspace's own build.
if [ "$target" = instructions ]; then
  export GRIDLEASE_SCENES=$PWD/scenes.json
  (cd .. && GRIDLEASE_WRITE_SCENES=$GRIDLEASE_SCENES cargo test --locked --quiet --workspace --test matrix -- --ignored --exact scenes::the_scenes_are_written_for_the_fuzzer)
fi
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
# By its name, so that the compiler's wrapper can tell what is fuzzed from what build scripts need.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_WRAPPER=$PWD/instrument.sh cargo build --release --quiet --target "$host"
# Every scene to begin with as it is, with room for four changes.
if [ "$target" = instructions ]; then
  for place in $(seq 0 $(($(grep -o '"name"' scenes.json | wc -l) - 1))); do
    { printf "\\x$(printf %02x $((place % 256)))\\x$(printf %02x $((place / 256)))"; head -c 48 /dev/zero; } > "corpus/$target/seed-$place"
  done
fi
# Every kind of account to begin with, as long as the longest four of them that are read together.
if [ "$target" = accounts ]; then
  for kind in $(seq 0 20); do
    { printf "\\x$(printf %02x "$kind")"; head -c 2600 /dev/zero; } > "corpus/$target/seed-$kind"
  done
fi
# Long stories to begin with, told by chance: short ones see little of the market.
if [ "$target" = stories ]; then
  for story in $(seq 0 31); do
    head -c 3000 /dev/urandom > "corpus/$target/seed-$story"
  done
fi
# Bytes of the longest input: as much as is read.
longest=4096
[ "$target" = instructions ] && longest=386
# The programs print to standard output (mask 1); libFuzzer tells what it does on standard error.
exec "$CARGO_TARGET_DIR/$host/release/$target" "corpus/$target" -artifact_prefix=artifacts/ \
  -close_fd_mask=1 -max_len=$longest -max_total_time="$seconds" -print_final_stats=1
