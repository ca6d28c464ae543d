//! Values out of the bytes that the fuzzer makes.

/// Reads from the front; zeros behind the end.
pub struct Bytes<'a>(pub &'a [u8]);

#[allow(dead_code, reason = "every target uses some")]
impl<'a> Bytes<'a> {
    /// Anything left?
    pub fn more(&self) -> bool {
        !self.0.is_empty()
    }

    /// The next bytes, as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next eight bytes as a number.
    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let head = self.take(8);
        bytes[..head.len()].copy_from_slice(head);
        u64::from_le_bytes(bytes)
    }

    /// A number of up to `bytes` bytes.
    pub fn short(&mut self, bytes: usize) -> u64 {
        let mut all = [0; 8];
        let head = self.take(bytes.min(8));
        all[..head.len()].copy_from_slice(head);
        u64::from_le_bytes(all)
    }
}
