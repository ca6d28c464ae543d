//! The fuzzer's bytes as the numbers that stories choose by.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes that are read once, from the front; zeros behind the end. Clones read on where the others stopped.
#[derive(Clone, Debug)]
pub struct Source {
    bytes: Rc<[u8]>,
    at: Rc<Cell<usize>>,
}

impl Source {
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), at: Rc::default() }
    }

    /// Anything left?
    pub fn more(&self) -> bool {
        self.at.get() < self.bytes.len()
    }

    /// A number of `count` bytes, at most eight.
    fn take(&mut self, count: usize) -> u64 {
        let mut all = [0; 8];
        let left = self.bytes.get(self.at.get()..).unwrap_or_default();
        for (to, from) in all.iter_mut().zip(left).take(count) {
            *to = *from;
        }
        self.at.set(self.at.get() + count);
        u64::from_le_bytes(all)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.take(8)
    }

    /// A number below `end`; 0 where that is 0. It takes no more bytes than `end` is long.
    pub fn below(&mut self, end: u64) -> u64 {
        let Some(last) = end.checked_sub(1) else { return 0 };
        let bits = u64::BITS - last.leading_zeros();
        self.take(bits.div_ceil(8) as usize) % end
    }
}
