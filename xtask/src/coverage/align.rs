//! Which instruction of the bytecode was made of which of the object file, whose debug information tells its line.
//!
//! The linker takes functions out that nobody calls, and puts instructions in that clear the upper half of a register;
//! everything else stays in its order.

use anyhow::{Result, ensure};

use super::bytecode::Instruction;

/// For each instruction of `made` the place in `before` of the one that it was made of; `None` for one that the linker put
/// in. `starts` are the places in `before` at which functions begin.
///
/// # Errors
/// Some of the bytecode is of no function of the object file.
pub fn align(made: &[Instruction], before: &[Instruction], starts: &[usize]) -> Result<Vec<Option<usize>>> {
    let mut origins = Vec::with_capacity(made.len());
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(before.len());
        let rest = made.get(origins.len()..).unwrap_or_default();
        if let Some(function) = function(rest, before.get(*start..end).unwrap_or_default()) {
            origins.extend(function.into_iter().map(|place| place.map(|place| start + place)));
        }
    }
    ensure!(
        origins.len() == made.len(),
        "{} of {} instructions of the bytecode cannot be told from the object file that it was made of",
        made.len() - origins.len(),
        made.len()
    );
    Ok(origins)
}

/// The origins of the instructions at the front of `made`, if they are those of this function.
fn function(made: &[Instruction], before: &[Instruction]) -> Option<Vec<Option<usize>>> {
    let mut origins = Vec::new();
    for (place, instruction) in before.iter().enumerate() {
        // What could be of the function is taken for it: an instruction that was put in follows the one that it corrects.
        while !made.get(origins.len())?.is_made_of(instruction) {
            if !made.get(origins.len())?.clears() || place == 0 {
                return None;
            }
            origins.push(None);
        }
        origins.push(Some(place));
    }
    // One may have been put in behind the last, too; none begins a function.
    Some(origins)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing: `m` copies, `c` clears, `r` returns, other letters are instructions of their own.
    fn listing(text: &str) -> Vec<Instruction> {
        let bytes: Vec<u8> = text
            .bytes()
            .flat_map(|letter| {
                let (op, registers) = match letter {
                    b'm' => (0xbf, 0x21),
                    b'c' => (0xbc, 0x11),
                    b'r' => (0x95, 0),
                    other => (other, 0),
                };
                [op, registers, 0, 0, 0, 0, 0, 0]
            })
            .collect();
        Instruction::listing(&bytes).unwrap()
    }

    #[test]
    fn functions_that_were_taken_out_and_instructions_that_were_put_in_are_found() {
        let before = listing("aarbmrabr");
        let origins = align(&listing("aarabcr"), &before, &[0, 3, 6]).unwrap();
        assert_eq!(origins, [Some(0), Some(1), Some(2), Some(6), Some(7), None, Some(8)]);
    }

    #[test]
    fn bytecode_of_another_program_is_refused() {
        let error = align(&listing("aarbbr"), &listing("aar"), &[0]).unwrap_err().to_string();
        assert!(error.starts_with("3 of 6 instructions"), "{error}");
    }
}
