//! What stands around the programs: memory laid out as the runtime does it, the sysvars, calls from one program to another,
//! and what the runtime refuses before a call, after an instruction and at the end of a transaction.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Once;

use anchor_lang::prelude::{AccountInfo, Clock, ProgramError, Rent};
use anchor_lang::solana_program::instruction::Instruction;
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM};
use solana_pubkey::Pubkey;
use solana_sysvar::program_stubs::{SyscallStubs, set_syscall_stubs};

use super::memory::serialize;
use super::scene::{Given, Scene};
use super::{system, token};

/// Done, or refused.
pub type Done = Result<(), ProgramError>;
/// Accounts that live as long as the buffer of one instruction.
type Infos = Vec<AccountInfo<'static>>;

/// How deep calls may nest.
const DEPTH: usize = 5;

/// An account as the runtime saw it last.
struct Seen {
    lamports: u64,
    owner: Pubkey,
    data: Vec<u8>,
}

/// One program that is running, and the accounts that it was given.
struct Frame {
    program: Pubkey,
    infos: Infos,
}

thread_local! {
    static CLOCK: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    static SEEN: RefCell<BTreeMap<Pubkey, Seen>> = const { RefCell::new(BTreeMap::new()) };
    /// A call that fails ends the transaction, whatever its caller makes of that.
    static ENDED: Cell<bool> = const { Cell::new(false) };
}

struct Stubs;

impl SyscallStubs for Stubs {
    fn sol_log(&self, _message: &str) {}
    fn sol_log_data(&self, _fields: &[&[u8]]) {}
    fn sol_get_clock_sysvar(&self, to: *mut u8) -> u64 {
        let (slot, unix_timestamp) = CLOCK.get();
        // SAFETY: the caller passes the address of a `Clock`.
        unsafe { *to.cast::<Clock>() = Clock { slot, unix_timestamp, ..Clock::default() } };
        0
    }
    fn sol_get_rent_sysvar(&self, to: *mut u8) -> u64 {
        // SAFETY: the caller passes the address of a `Rent`.
        unsafe { *to.cast::<Rent>() = Rent::default() };
        0
    }
    fn sol_get_stack_height(&self) -> u64 {
        FRAMES.with_borrow(Vec::len) as u64
    }
    fn sol_invoke_signed(&self, instruction: &Instruction, infos: &[AccountInfo], seeds: &[&[&[u8]]]) -> Done {
        let done = invoke(instruction, infos, seeds);
        if done.is_err() {
            ENDED.set(true);
        }
        done
    }
}

/// Runs an instruction; returns its accounts as they are afterwards, each once, or why it was refused.
pub fn run(scene: &Scene) -> Result<Vec<Given>, ProgramError> {
    static STUBS: Once = Once::new();
    STUBS.call_once(|| drop(set_syscall_stubs(Box::new(Stubs))));
    let mut buffer = serialize(&scene.program, &scene.accounts, &scene.data);
    // SAFETY: the buffer is laid out as the runtime does it, and outlives the accounts.
    let (program, infos, call): (&'static Pubkey, Infos, &'static [u8]) =
        unsafe { solana_program_entrypoint::deserialize(buffer.as_mut_ptr().cast()) };
    CLOCK.set((scene.slot, scene.unix_timestamp));
    ENDED.set(false);
    FRAMES.with_borrow_mut(Vec::clear);
    SEEN.with_borrow_mut(|seen| *seen = infos.iter().map(|info| (*info.key, look(info))).collect());
    let done = within(*program, infos.clone(), call).and_then(|()| end(&scene.accounts, &infos));
    let after = done.map(|()| scene.accounts.iter().zip(&infos).map(|(was, is)| now(was, is)).collect());
    free(&infos);
    after
}

/// Programs forget references, as nothing is freed in the runtime; here it must be, or the memory would not last.
fn free(infos: &Infos) {
    for info in infos {
        // As many as are left where an account stands in the list more than once.
        let same = || infos.iter().filter(|other| Rc::ptr_eq(&other.data, &info.data));
        release(&info.lamports, same().count());
        release(&info.data, same().count());
    }
}

fn release<T>(kept: &Rc<T>, count: usize) {
    while Rc::strong_count(kept) > count {
        // SAFETY: all others that count were forgotten; nobody can reach them any more.
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(kept)) };
    }
}

fn look(info: &AccountInfo) -> Seen {
    // SAFETY: the runtime reads memory, whatever the program has borrowed of it; nobody writes meanwhile.
    let (lamports, data) = unsafe { (**info.lamports.as_ptr(), (*info.data.as_ptr()).to_vec()) };
    Seen { lamports, owner: *info.owner, data }
}

fn now(was: &Given, info: &AccountInfo) -> Given {
    let Seen { lamports, owner, data } = look(info);
    // Without lamports it is gone.
    let (owner, data) = if lamports == 0 { (SYSTEM_PROGRAM, Vec::new()) } else { (owner, data) };
    Given { owner, lamports, data, ..*was }
}

/// Runs one of the two programs.
fn within(program: Pubkey, infos: Infos, call: &[u8]) -> Done {
    // SAFETY: both outlive the program, which keeps nothing.
    let (kept, call): (&'static [AccountInfo<'static>], &'static [u8]) = unsafe {
        (
            core::slice::from_raw_parts(infos.as_ptr(), infos.len()),
            core::slice::from_raw_parts(call.as_ptr(), call.len()),
        )
    };
    FRAMES.with_borrow_mut(|frames| frames.push(Frame { program, infos: infos.clone() }));
    let done = if program == MARKET {
        market::entrypoint::process(&MARKET, kept, call)
    } else {
        staking::entrypoint::process(&STAKING, kept, call)
    };
    let done =
        done.and_then(|()| if ENDED.get() { Err(ProgramError::InvalidArgument) } else { check(&program, &infos) });
    FRAMES.with_borrow_mut(|frames| drop(frames.pop()));
    done
}

/// Refuses what a program may not change: lamports that are not its own to spend, data and owner of accounts that are not its
/// own, and anything that is only read.
fn check(program: &Pubkey, infos: &[AccountInfo]) -> Done {
    SEEN.with_borrow_mut(|all| {
        for info in infos {
            let (now, seen) = (look(info), all.get(info.key).ok_or(ProgramError::NotEnoughAccountKeys)?);
            let own = seen.owner == *program;
            let same = now.lamports == seen.lamports && now.owner == seen.owner && now.data == seen.data;
            if !same && !info.is_writable {
                return Err(ProgramError::Immutable);
            }
            let moved = now.owner != seen.owner;
            let foreign = now.lamports < seen.lamports || now.data != seen.data || moved;
            if !own && foreign {
                return Err(ProgramError::IllegalOwner);
            }
            if moved && now.data.iter().any(|byte| *byte != 0) {
                return Err(ProgramError::IllegalOwner);
            }
            all.insert(*info.key, now);
        }
        Ok(())
    })
}

/// What the runtime asks at the end of a transaction: whoever has lamports must have as many as its rent, or be as poor as before.
fn end(before: &[Given], infos: &[AccountInfo]) -> Done {
    for (was, is) in before.iter().zip(infos).filter(|(was, _)| was.writable) {
        let (lamports, length) = (is.lamports(), is.data_len());
        let rent = Rent::default();
        let exempt = lamports == 0 || rent.is_exempt(lamports, length);
        let was_poor = was.lamports > 0 && !rent.is_exempt(was.lamports, was.data.len());
        if !(exempt || was_poor && was.data.len() == length && lamports <= was.lamports) {
            return Err(ProgramError::AccountNotRentExempt);
        }
    }
    Ok(())
}

/// A call from one program to another, or to itself.
fn invoke(instruction: &Instruction, infos: &[AccountInfo], seeds: &[&[&[u8]]]) -> Done {
    let to = instruction.program_id;
    let (caller, given, depth, above, known) = FRAMES.with_borrow(|frames| {
        let (first, last) = (&frames[0], &frames[frames.len() - 1]);
        // Only the caller itself may be called again.
        let above = frames[..frames.len() - 1].iter().any(|frame| frame.program == to);
        let known = first.program == to || first.infos.iter().any(|info| *info.key == to);
        (last.program, last.infos.clone(), frames.len(), above && last.program != to, known)
    });
    check(&caller, &given)?;
    if !known || above || depth >= DEPTH {
        return Err(ProgramError::IncorrectProgramId);
    }
    let signers = seeds.iter().map(|seeds| Pubkey::create_program_address(seeds, &caller));
    let signers: Vec<Pubkey> = signers.collect::<Result<_, _>>().map_err(|_| ProgramError::InvalidSeeds)?;
    let mut callee = Infos::new();
    for meta in &instruction.accounts {
        let account = given.iter().find(|info| *info.key == meta.pubkey).ok_or(ProgramError::NotEnoughAccountKeys)?;
        let passed = infos.iter().any(|info| *info.key == meta.pubkey);
        if !passed && !account.executable {
            return Err(ProgramError::NotEnoughAccountKeys);
        }
        let is_signer = account.is_signer || signers.contains(&meta.pubkey);
        if meta.is_writable && !account.is_writable || meta.is_signer && !is_signer {
            return Err(ProgramError::MissingRequiredSignature);
        }
        // Here both sides share the memory: a callee would fail at what its caller has borrowed.
        if meta.is_writable {
            let _ = (account.try_borrow_mut_lamports()?, account.try_borrow_mut_data()?);
        }
        let _ = (account.try_borrow_lamports()?, account.try_borrow_data()?);
        let same = || instruction.accounts.iter().filter(|other| other.pubkey == meta.pubkey);
        let mut account = account.clone();
        account.is_signer = same().any(|meta| meta.is_signer);
        account.is_writable = same().any(|meta| meta.is_writable);
        callee.push(account);
    }
    if to == MARKET || to == STAKING {
        return within(to, callee, &instruction.data);
    }
    match to {
        SYSTEM_PROGRAM => system::process(&callee, &instruction.data)?,
        TOKEN_PROGRAM => token::process(&callee, &instruction.data)?,
        _ => return Err(ProgramError::IncorrectProgramId),
    }
    SEEN.with_borrow_mut(|seen| seen.extend(callee.iter().map(|info| (*info.key, look(info)))));
    Ok(())
}

/// As a program of the runtime's own changes lamports.
pub fn set_lamports(info: &AccountInfo, lamports: u64) -> Done {
    if info.lamports() != lamports {
        if !info.is_writable {
            return Err(ProgramError::Immutable);
        }
        **info.try_borrow_mut_lamports()? = lamports;
    }
    Ok(())
}
