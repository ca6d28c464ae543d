//! Whole instructions at the programs' own entry, compiled for this machine: every instruction in a scene in which it succeeds,
//! but for what the fuzzer changes in its accounts, its data and the time. Calls to the system program, to SPL Token and
//! between the two programs are carried out, and what the runtime would refuse is refused. Nothing may panic, and an instruction
//! that succeeds must leave the books in order.
//!
//! The scenes are those of the negative matrix, so a new instruction is fuzzed as soon as it has its fixture there.
#![no_main]

#[path = "instructions/books.rs"]
mod books;
mod bytes;
#[path = "instructions/change.rs"]
mod change;
mod idl;
#[path = "instructions/links.rs"]
mod links;
#[path = "instructions/memory.rs"]
mod memory;
#[path = "instructions/runtime.rs"]
mod runtime;
#[path = "instructions/scene.rs"]
mod scene;
#[path = "instructions/system.rs"]
mod system;
#[path = "instructions/token.rs"]
mod token;

use bytes::Bytes;
use scene::SCENES;

/// Every scene must succeed as it is.
fn begin() {
    let mut refused = Vec::new();
    for number in 0..SCENES.len() as u16 {
        let scene = change::chosen(Bytes(&number.to_le_bytes()));
        match runtime::run(&scene) {
            Ok(after) => books::check(&scene, &after),
            Err(error) => refused.push(format!("{} is refused as it is: {error}", scene.name)),
        }
    }
    eprintln!("{} of {} scenes succeed as they are", SCENES.len() - refused.len(), SCENES.len());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| {
    let scene = change::chosen(Bytes(data));
    if let Ok(after) = runtime::run(&scene) {
        books::check(&scene, &after);
    }
});
