#!/bin/sh
# The linker that was meant, told to keep the debug information, and to write under another name: beside the bytecode stays the
# object file that it was made of, which the linker writes over otherwise.
out=
next=
for argument; do
  shift
  if [ -n "$next" ]; then
    out=$argument argument=$argument.o next=
  elif [ "$argument" = -o ]; then
    next=yes
  fi
  set -- "$@" "$argument"
done
"$CARGO_TARGET_SBF_SOLANA_LINKER" "$@" --btf && mv "$out.so" "$out"
