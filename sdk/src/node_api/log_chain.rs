//! The hash chain over a lease's log.
//!
//! `chain[n] = SHA-256(chain[n-1] ‖ n as 8 bytes little-endian ‖ stream byte ‖ line bytes)`, and
//! `chain[-1]` is 32 zero bytes. The node posts the last value on chain when the lease finishes, so a
//! buyer who followed the log can prove that nothing was inserted, dropped or altered.

use super::{LogLine, LogStream};
use sha2::{Digest as _, Sha256};

/// State of the chain after some number of lines; the same type writes it and checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogChain {
    next_seq: u64,
    last: [u8; 32],
}

/// A line does not continue the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogChainError {
    /// A line is missing, repeated or out of order.
    #[error("the log jumps: line {expected} was due, the node sent line {found}")]
    Gap {
        /// Sequence number that was due.
        expected: u64,
        /// Sequence number that came.
        found: u64,
    },
    /// The line's chain value is not the hash of what came before it and the line.
    #[error("line {seq} of the log was altered: its hash does not continue the chain")]
    Altered {
        /// Sequence number of the line.
        seq: u64,
    },
    /// No more lines can be numbered.
    #[error("the log is full")]
    Full,
}

impl Default for LogChain {
    fn default() -> Self {
        Self::genesis()
    }
}

impl LogChain {
    /// The chain before the first line.
    pub const fn genesis() -> Self {
        Self { next_seq: 0, last: [0; 32] }
    }

    /// The chain as it was after line `next_seq - 1`, whose value is `last`.
    pub const fn resume(next_seq: u64, last: [u8; 32]) -> Self {
        Self { next_seq, last }
    }

    /// Sequence number of the next line, which is also the number of lines so far.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Value after the last line: the `log_hash` that is posted on chain.
    pub const fn last(&self) -> [u8; 32] {
        self.last
    }

    /// Adds a line and returns it numbered and hashed.
    ///
    /// # Errors
    /// [`LogChainError::Full`] after 2⁶⁴ − 1 lines.
    pub fn append(&mut self, ts_ms: u64, stream: LogStream, line: String) -> Result<LogLine, LogChainError> {
        let seq = self.next_seq;
        let following = seq.checked_add(1).ok_or(LogChainError::Full)?;
        self.last = link(&self.last, seq, stream, &line);
        self.next_seq = following;
        Ok(LogLine { seq, ts_ms, stream, line, chain: hex::encode(self.last) })
    }

    /// Checks that `line` is the next one and moves past it. On an error the chain is as it was.
    ///
    /// # Errors
    /// [`LogChainError::Gap`] or [`LogChainError::Altered`].
    pub fn verify(&mut self, line: &LogLine) -> Result<(), LogChainError> {
        if line.seq != self.next_seq {
            return Err(LogChainError::Gap { expected: self.next_seq, found: line.seq });
        }
        let following = line.seq.checked_add(1).ok_or(LogChainError::Full)?;
        let value = link(&self.last, line.seq, line.stream, &line.line);
        if hex::encode(value) != line.chain {
            return Err(LogChainError::Altered { seq: line.seq });
        }
        self.last = value;
        self.next_seq = following;
        Ok(())
    }
}

fn link(previous: &[u8; 32], seq: u64, stream: LogStream, line: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(previous)
        .chain_update(seq.to_le_bytes())
        .chain_update([stream.chain_byte()])
        .chain_update(line.as_bytes())
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_lines() -> Vec<LogLine> {
        let mut chain = LogChain::genesis();
        ["one", "", "größer"]
            .into_iter()
            .map(|text| chain.append(7, LogStream::Stdout, text.to_owned()).unwrap())
            .collect()
    }

    #[test]
    fn the_first_link_is_the_hash_of_zeros_number_stream_and_text() {
        let mut bytes = vec![0u8; 32];
        bytes.extend([0; 8]);
        bytes.push(1);
        bytes.extend(b"one");
        assert_eq!(
            three_lines()[0].chain,
            hex::encode(Sha256::digest(&bytes)),
            "the layout of a link is part of the protocol"
        );
    }

    #[test]
    fn a_log_that_was_written_verifies_and_ends_at_the_writers_value() {
        let mut reader = LogChain::genesis();
        let lines = three_lines();
        for line in &lines {
            reader.verify(line).unwrap();
        }
        assert_eq!(reader.next_seq(), 3);
        assert_eq!(hex::encode(reader.last()), lines[2].chain);
    }

    #[test]
    fn a_changed_text_or_stream_is_refused_and_leaves_the_reader_where_it_was() {
        let lines = three_lines();
        for change in [
            |line: &mut LogLine| line.line.push('!'),
            |line: &mut LogLine| line.stream = LogStream::Stderr,
            |line: &mut LogLine| line.chain = "00".repeat(32),
        ] {
            let mut reader = LogChain::genesis();
            reader.verify(&lines[0]).unwrap();
            let mut altered = lines[1].clone();
            change(&mut altered);
            assert_eq!(reader.verify(&altered), Err(LogChainError::Altered { seq: 1 }));
            reader.verify(&lines[1]).unwrap();
        }
    }

    #[test]
    fn a_dropped_or_repeated_line_is_refused() {
        let lines = three_lines();
        let mut reader = LogChain::genesis();
        reader.verify(&lines[0]).unwrap();
        assert_eq!(
            reader.verify(&lines[2]).unwrap_err().to_string(),
            "the log jumps: line 1 was due, the node sent line 2"
        );
        assert!(reader.verify(&lines[0]).is_err());
    }

    #[test]
    fn a_reader_that_resumes_from_a_cursor_accepts_the_rest() {
        let lines = three_lines();
        let mut reader = LogChain::genesis();
        reader.verify(&lines[0]).unwrap();
        let mut resumed = LogChain::resume(reader.next_seq(), reader.last());
        resumed.verify(&lines[1]).unwrap();
        resumed.verify(&lines[2]).unwrap();
    }
}
