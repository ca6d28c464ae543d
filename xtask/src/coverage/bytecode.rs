//! The instructions of a program, as far as it takes to compare two listings of them.

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSegment as _, SegmentFlags};

/// Bytes of a slot.
const SLOT: usize = 8;
/// Loads 64 bits, and takes two slots.
const LDDW: u8 = 0x18;
/// A copy within the lower half of a register.
const MOV32: u8 = 0xbc;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instruction {
    /// What it does.
    op: u8,
    /// Its registers, the target in the lower half.
    registers: u8,
    /// Where it begins, in slots.
    pub slot: u32,
}

impl Instruction {
    /// Decodes a listing.
    ///
    /// # Errors
    /// It ends in the middle of an instruction.
    pub fn listing(code: &[u8]) -> Result<Vec<Self>> {
        ensure!(code.len().is_multiple_of(SLOT), "the code ends in the middle of an instruction");
        let mut instructions = Vec::new();
        let mut slots = (0u32..).zip(code.chunks_exact(SLOT));
        while let Some((slot, &[op, registers, ..])) = slots.next() {
            instructions.push(Self { op, registers, slot });
            if op == LDDW {
                slots.next().context("the code ends in the middle of an instruction")?;
            }
        }
        Ok(instructions)
    }

    /// Is this what the linker made of `before`? It writes calls, returns and 32-bit arithmetic anew, and puts the frame
    /// pointer in the place of a register that the runtime does not have.
    pub fn is_made_of(&self, before: &Self) -> bool {
        if control(self.op) || control(before.op) {
            return control(self.op) && control(before.op);
        }
        let registers = [self.registers & 0xf, self.registers >> 4];
        let meant =
            [before.registers & 0xf, before.registers >> 4].map(|register| if register == 11 { 10 } else { register });
        registers == meant && widened(self.op) == widened(before.op)
    }

    /// Does it only clear the upper half of a register? The linker adds such.
    pub fn clears(&self) -> bool {
        self.op == MOV32 && self.registers & 0xf == self.registers >> 4
    }
}

/// Calls, system calls and returns: the object file and the bytecode number them otherwise.
fn control(op: u8) -> bool {
    matches!(op, 0x85 | 0x8d | 0x95 | 0x9d)
}

/// The 64-bit form of additions, subtractions, multiplications and copies of 32 bits.
fn widened(op: u8) -> u8 {
    match op {
        0x04 | 0x0c | 0x14 | 0x1c | 0x24 | 0x2c | MOV32 => op | 3,
        other => other,
    }
}

/// The code of a built program.
///
/// # Errors
/// It is no ELF file with one executable part.
pub fn code(so: &[u8]) -> Result<&[u8]> {
    /// The flag of parts that are executed.
    const EXECUTABLE: u32 = 1;
    let file = object::File::parse(so).context("the program is no ELF file")?;
    let code = file.segments().find(|part| match part.flags() {
        SegmentFlags::Elf { p_flags } => p_flags & EXECUTABLE != 0,
        _ => false,
    });
    code.context("the program has no code")?.data().context("the program's code cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing of instructions given by operation and registers.
    fn listing(code: &[(u8, u8)]) -> Vec<Instruction> {
        let bytes: Vec<u8> = code.iter().flat_map(|(op, registers)| [*op, *registers, 0, 0, 0, 0, 0, 0]).collect();
        Instruction::listing(&bytes).unwrap()
    }

    #[test]
    fn a_load_of_64_bits_takes_two_slots() {
        let slots: Vec<_> =
            listing(&[(0xb7, 1), (LDDW, 2), (0, 0), (0x95, 0)]).iter().map(|instruction| instruction.slot).collect();
        assert_eq!(slots, [0, 1, 3]);
        assert!(Instruction::listing(&[LDDW, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Instruction::listing(&[0; 9]).is_err());
    }

    #[test]
    fn what_the_linker_writes_anew_is_recognised_and_nothing_else() {
        let same = |made: u8, before: u8| listing(&[(made, 0x21)])[0].is_made_of(&listing(&[(before, 0x21)])[0]);
        for (made, before) in [(0xb7, 0xb7), (0x9d, 0x95), (0x95, 0x85), (0x07, 0x04), (0xbc, 0xbf)] {
            assert!(same(made, before), "{made:x} of {before:x}");
        }
        for (made, before) in [(0xb7, 0xbf), (0x9d, 0xb7), (0x15, 0x05)] {
            assert!(!same(made, before), "{made:x} of {before:x}");
        }
        let loads = listing(&[(0x79, 0xa1), (0x79, 0xb1), (0x79, 0x91)]);
        assert!(loads[0].is_made_of(&loads[1]), "a register that the runtime does not have");
        assert!(!loads[0].is_made_of(&loads[2]), "another register");
        assert!(listing(&[(MOV32, 0x33)])[0].clears() && !listing(&[(MOV32, 0x31)])[0].clears());
    }
}
