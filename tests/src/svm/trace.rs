//! Which instructions of the built programs the tests run, and how often: `cargo xtask coverage` asks for it by naming a folder.
//!
//! The counts are written to that folder, one file a process: a line `> PROGRAM INSTRUCTION CALLS` for each instruction that
//! was called (its discriminator in hex), and behind it `SLOT COUNT` for each slot of the program's code that it ran. A call
//! that another program made counts for itself alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gridlease_sdk::address::{MARKET, STAKING};
use litesvm::{InvocationInspectCallback, LiteSVM};
use solana_program_runtime::invoke_context::InvokeContext;
use solana_pubkey::Pubkey;
use solana_transaction::sanitized::SanitizedTransaction;

/// Names the folder.
pub const TRACE_DIR_VAR: &str = "GRIDLEASE_TRACE_DIR";

/// How often the counts are written while tests run.
const PAUSE: Duration = Duration::from_secs(10);

/// A test VM, which counts where it is asked to.
pub(super) fn vm() -> LiteSVM {
    let Some(folder) = std::env::var_os(TRACE_DIR_VAR) else { return LiteSVM::new() };
    let mut svm = LiteSVM::new_debuggable(true);
    svm.set_invocation_inspect_callback(Counter::new(folder.into()));
    svm
}

/// What one instruction of a program ran.
#[derive(Default)]
struct Ran {
    calls: u64,
    slots: BTreeMap<u32, u64>,
}

/// What all VMs of this process ran.
#[derive(Default)]
struct Counts {
    ran: BTreeMap<(Pubkey, [u8; 8]), Ran>,
    vms: usize,
    written: Option<Instant>,
}

static COUNTS: Mutex<Counts> = Mutex::new(Counts { ran: BTreeMap::new(), vms: 0, written: None });

impl Counts {
    fn text(&self) -> String {
        let mut text = String::new();
        for ((program, instruction), ran) in &self.ran {
            let name = if *program == MARKET { "market" } else { "staking" };
            writeln!(text, "> {name} {} {}", hex::encode(instruction), ran.calls).unwrap();
            for (slot, count) in &ran.slots {
                writeln!(text, "{slot} {count}").unwrap();
            }
        }
        text
    }
}

/// Counts for one VM and all its copies.
struct Counter {
    folder: PathBuf,
}

impl Counter {
    fn new(folder: PathBuf) -> Self {
        COUNTS.lock().unwrap_or_else(PoisonError::into_inner).vms += 1;
        Self { folder }
    }
}

impl Drop for Counter {
    /// Writes where this is the last VM that there is, and now and then before: nothing tells that a process of tests ends.
    fn drop(&mut self) {
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        counts.vms -= 1;
        if counts.vms == 0 || counts.written.is_none_or(|at| at.elapsed() > PAUSE) {
            std::fs::create_dir_all(&self.folder).unwrap();
            let file = self.folder.join(format!("{}.counts", std::process::id()));
            std::fs::write(file, counts.text()).unwrap();
            counts.written = Some(Instant::now());
        }
    }
}

impl InvocationInspectCallback for Counter {
    fn before_invocation(&self, _: &LiteSVM, _: &SanitizedTransaction, _: &[u16], _: &mut InvokeContext, _: bool) {}

    fn after_invocation(&self, _: &LiteSVM, _: &SanitizedTransaction, _: &[u16], context: &InvokeContext, _: bool) {
        context.iterate_vm_traces(&|instruction, _, registers| {
            let Some(program) = instruction.get_program_key().ok().filter(|key| [MARKET, STAKING].contains(key)) else {
                return;
            };
            let called = instruction.get_instruction_data().first_chunk().copied().unwrap_or_default();
            let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
            let ran = counts.ran.entry((*program, called)).or_default();
            ran.calls += 1;
            // The last of the registers is the program counter, in slots of eight bytes.
            for slot in registers.iter().filter_map(|registers| u32::try_from(registers[11]).ok()) {
                *ran.slots.entry(slot).or_default() += 1;
            }
        });
    }
}
