//! What the tests ran of the built programs, as `tests/src/svm/trace.rs` writes it down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// What one instruction of a program ran.
#[derive(Debug, Default, PartialEq)]
pub struct Ran {
    /// How often it was called.
    pub calls: u64,
    /// Slots of code, with how often each was executed.
    pub slots: BTreeMap<u32, u64>,
}

/// By program and by the discriminator of the instruction in hex.
#[derive(Debug, Default, PartialEq)]
pub struct Traced(BTreeMap<(String, String), Ran>);

impl Traced {
    /// Reads all counts in a folder.
    ///
    /// # Errors
    /// A file cannot be read, or there is none.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut all = Self::default();
        let files =
            fs::read_dir(folder).with_context(|| format!("the tests left no counts in {}", folder.display()))?;
        for file in files {
            let path = file.with_context(|| format!("cannot list {}", folder.display()))?.path();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            all.take(&text).with_context(|| format!("{} is not as the tests write it", path.display()))?;
        }
        ensure!(!all.0.is_empty(), "the tests ran none of the programs' instructions");
        Ok(all)
    }

    fn take(&mut self, text: &str) -> Result<()> {
        let mut ran = None;
        for line in text.lines() {
            let wrong = || format!("line `{line}`");
            if let Some(head) = line.strip_prefix("> ") {
                let fields: Vec<_> = head.split(' ').collect();
                let [program, instruction, calls] = fields[..] else { anyhow::bail!(wrong()) };
                let entry = self.0.entry((program.to_owned(), instruction.to_owned())).or_default();
                entry.calls += calls.parse::<u64>().with_context(wrong)?;
                ran = Some(entry);
            } else {
                let (slot, count) = line.split_once(' ').with_context(wrong)?;
                let (slot, count) = (slot.parse().with_context(wrong)?, count.parse::<u64>().with_context(wrong)?);
                *ran.as_mut().with_context(wrong)?.slots.entry(slot).or_default() += count;
            }
        }
        Ok(())
    }

    /// Everything that was run of a program: slots, with how often each was executed.
    pub fn program(&self, name: &str) -> BTreeMap<u32, u64> {
        let mut all = BTreeMap::new();
        for ran in self.0.iter().filter(|((program, _), _)| program == name).map(|(_, ran)| ran) {
            for (slot, count) in &ran.slots {
                *all.entry(*slot).or_default() += count;
            }
        }
        all
    }

    /// What one instruction ran.
    pub fn instruction(&self, program: &str, discriminator: &str) -> Option<&Ran> {
        self.0.get(&(program.to_owned(), discriminator.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_several_processes_are_added() {
        let mut traced = Traced::default();
        traced.take("> market aa 2\n1 2\n5 1\n> market bb 1\n1 1\n").unwrap();
        traced.take("> market aa 1\n1 1\n> staking aa 1\n9 9\n").unwrap();
        assert_eq!(traced.program("market"), BTreeMap::from([(1, 4), (5, 1)]));
        assert_eq!(traced.instruction("market", "aa").unwrap().calls, 3);
        assert_eq!(traced.instruction("market", "cc"), None);
    }

    #[test]
    fn counts_that_are_not_as_written_are_refused() {
        for text in ["1 2\n", "> market aa\n", "> market aa x\n", "> market aa 1\n1\n"] {
            assert!(Traced::default().take(text).is_err(), "{text}");
        }
    }
}
