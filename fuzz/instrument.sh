#!/usr/bin/env bash
# rustc for the fuzz targets: counts the edges and tells libFuzzer of the comparisons in this project's own crates, and
# leaves those of others as they are. These are the flags that cargo-fuzz gives a nightly compiler; the stable one takes them too.
rustc=$1
shift
name=
target=
previous=
for argument in "$@"; do
  [ "$previous" = --crate-name ] && name=$argument
  [ "$previous" = --target ] && target=$argument
  previous=$argument
done
# What is built for a build script has no target, and nothing to tell libFuzzer.
case $target:$name in
  :*) exec "$rustc" "$@" ;;
  *:gridlease_core | *:gridlease_sdk | *:gridlease_interface | *:market_interface | *:staking_interface | *:program_common | \
    *:market | *:staking | *:accounts | *:instructions | *:stories)
    exec "$rustc" "$@" --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
      -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
      -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
  *) exec "$rustc" "$@" ;;
esac
