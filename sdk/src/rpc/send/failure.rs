//! What a failed transaction says about itself, read from its error and its logs.

use std::fmt;

use solana_instruction::error::InstructionError;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_transaction_error::TransactionError;

use super::{ErrorNamer, Prepared, bounded};
use gridlease_interface::program_log::in_words;

/// Longest detail repeated in a message, in characters.
const MAX_DETAIL: usize = 300;

/// A transaction that a program, or the network's rules, refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFailure {
    /// The network's error.
    pub error: TransactionError,
    /// The transaction, if it landed as failed (then its fee was paid); `None` if nothing was sent.
    pub signature: Option<Signature>,
    /// The fee that was paid in lamports, priority included, where it landed as failed and the ledger tells.
    pub fee: Option<u64>,
    /// Who was to pay the fee.
    pub payer: Pubkey,
    /// Which of the caller's instructions failed, counted from 0.
    pub instruction: Option<usize>,
    /// The program that refused; where one called another, the inner one.
    pub program: Option<Pubkey>,
    /// The program's own error code.
    pub code: Option<u32>,
    /// The name of that code, where the [`ErrorNamer`] knows it.
    pub name: Option<String>,
    /// What the programs logged, at most 512 lines.
    pub logs: Vec<String>,
}

impl ProgramFailure {
    pub(super) fn new(
        error: TransactionError,
        logs: Vec<String>,
        prepared: &Prepared,
        landed: bool,
        namer: ErrorNamer,
    ) -> Self {
        let logs = bounded(logs);
        let mut instruction = None;
        let mut program = None;
        let mut code = None;
        if let TransactionError::InstructionError(index, cause) = &error {
            let index = usize::from(*index);
            instruction = index.checked_sub(prepared.added());
            program = failing_program(&logs).or_else(|| prepared.program_of(index));
            if let InstructionError::Custom(number) = cause {
                code = Some(*number);
            }
        }
        let name = program.zip(code).and_then(|(program, code)| namer(&program, code));
        Self {
            error,
            signature: landed.then(|| prepared.signature()),
            fee: None,
            payer: prepared.payer(),
            instruction,
            program,
            code,
            name,
            logs,
        }
    }

    /// The last thing that the failing program said, if it said something.
    pub fn detail(&self) -> Option<&str> {
        let failed = self.logs.iter().position(|line| failure_of(line).is_some());
        self.logs[..failed.unwrap_or(self.logs.len())]
            .iter()
            .rev()
            .find(|line| !is_bookkeeping(line))
            .map(|line| line.strip_prefix("Program log: ").unwrap_or(line))
    }
}

impl std::error::Error for ProgramFailure {}

impl fmt::Display for ProgramFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.instruction) {
            (TransactionError::InstructionError(_, cause), Some(index)) => {
                write!(f, "instruction {index} was refused")?;
                if let Some(program) = self.program {
                    write!(f, " by program {program}")?;
                }
                match (&self.name, self.code) {
                    (Some(name), Some(code)) => write!(f, ": {name} (code {code})")?,
                    (None, Some(code)) => write!(f, ": error code {code}")?,
                    _ => write!(f, ": {cause}")?,
                }
            }
            (error, _) => write!(f, "the transaction was refused: {error}")?,
        }
        let compared: Vec<_> = self.logs.iter().filter_map(|line| in_words(line)).collect();
        if !compared.is_empty() {
            write!(f, " ({})", compared.join("; "))?;
        } else if self.name.is_none()
            && let Some(detail) = self.detail()
        {
            let detail: String = detail.chars().take(MAX_DETAIL).collect();
            write!(f, " ({detail})")?;
        }
        if lacks_sol(&self.error) {
            write!(f, "; the fee payer {} has too little SOL: fund it first", self.payer)?;
        }
        match self.signature {
            Some(signature) => write!(f, "; it landed as failed: {signature}"),
            None => write!(f, "; nothing was sent"),
        }
    }
}

fn lacks_sol(error: &TransactionError) -> bool {
    matches!(
        error,
        TransactionError::AccountNotFound
            | TransactionError::InsufficientFundsForFee
            | TransactionError::InsufficientFundsForRent { account_index: 0 }
    )
}

/// The innermost program that failed: the first that the logs say has.
fn failing_program(logs: &[String]) -> Option<Pubkey> {
    logs.iter().find_map(|line| failure_of(line))
}

/// The program in a line like `Program KEY failed: …`.
fn failure_of(line: &str) -> Option<Pubkey> {
    let (key, _) = line.strip_prefix("Program ")?.split_once(" failed: ")?;
    key.parse().ok()
}

/// Lines of the runtime, not of a program.
fn is_bookkeeping(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("Program ") else {
        return line == "Log truncated";
    };
    if let Some(text) = rest.strip_prefix("log: ") {
        // Anchor names every instruction as it enters it.
        return text.starts_with("Instruction: ");
    }
    rest.starts_with("data: ")
        || rest.starts_with("return: ")
        || rest.contains(" invoke [")
        || rest.contains(" consumed ")
        || rest.ends_with(" success")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(logs: &[&str], error: TransactionError) -> ProgramFailure {
        ProgramFailure {
            error,
            signature: None,
            fee: None,
            payer: Pubkey::new_from_array([9; 32]),
            instruction: Some(1),
            program: None,
            code: None,
            name: None,
            logs: logs.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn of_nested_programs_the_inner_one_is_blamed_and_quoted() {
        let [outer, inner] = [1, 2].map(|byte| Pubkey::new_from_array([byte; 32]));
        let lines = [
            format!("Program {outer} invoke [1]"),
            "Program log: Instruction: Award".to_owned(),
            format!("Program {inner} invoke [2]"),
            "Program log: not enough stake".to_owned(),
            format!("Program {inner} consumed 300 of 9000 compute units"),
            format!("Program {inner} failed: custom program error: 0x1771"),
            format!("Program {outer} failed: custom program error: 0x1771"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let failure = failure(&lines, TransactionError::InstructionError(2, InstructionError::Custom(6001)));
        assert_eq!(failing_program(&failure.logs), Some(inner));
        assert_eq!(failure.detail(), Some("not enough stake"));
    }

    #[test]
    fn a_message_names_instruction_program_code_and_that_nothing_was_sent() {
        let mut failure = failure(
            &["Transfer: insufficient lamports 1, need 2"],
            TransactionError::InstructionError(3, InstructionError::Custom(1)),
        );
        failure.code = Some(1);
        failure.program = Some(Pubkey::default());
        assert_eq!(
            failure.to_string(),
            "instruction 1 was refused by program 11111111111111111111111111111111: error code 1 \
             (Transfer: insufficient lamports 1, need 2); nothing was sent"
        );
        failure.name = Some("NotEnough".to_owned());
        failure.signature = Some(Signature::default());
        let text = failure.to_string();
        assert!(text.contains("NotEnough (code 1); it landed as failed"), "{text}");
    }

    #[test]
    fn the_values_that_a_program_compared_are_told_beside_the_sentence_of_its_error() {
        let mut failure = failure(
            &["Program log: Instruction: PlaceBid", "Program log: unmet 2 required 24576 offered 16384"],
            TransactionError::InstructionError(3, InstructionError::Custom(6119)),
        );
        (failure.code, failure.name) = (Some(6119), Some("the offer does not satisfy the requirement".to_owned()));
        assert_eq!(
            failure.to_string(),
            "instruction 1 was refused: the offer does not satisfy the requirement (code 6119) \
             (GPU memory (MiB): the job needs 24576, the offer has 16384); nothing was sent"
        );
    }

    #[test]
    fn a_payer_without_sol_is_told_so() {
        let text = failure(&[], TransactionError::AccountNotFound).to_string();
        assert!(text.contains("too little SOL"), "{text}");
    }
}
