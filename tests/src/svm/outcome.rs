//! What a transaction did, or why it was refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use gridlease_core::RuleError;
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::error::RULE_BASE;
use gridlease_sdk::event::{EVENT_TAG, Event, MarketEvent, StakingEvent, decode};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM};
use litesvm::types::{FailedTransactionMetadata, TransactionMetadata};
use solana_instruction::error::InstructionError;
use solana_pubkey::Pubkey;
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;

/// A transaction that went through.
pub struct Done {
    /// Compute units of the whole transaction.
    pub cu: u64,
    /// Its size on the wire.
    pub bytes: usize,
    /// Lamports of its fee.
    pub fee: u64,
    /// What the programs logged.
    pub logs: Vec<String>,
    /// The programs' events, in their order.
    pub events: Vec<Event>,
    /// The same events as they went over the wire: the program, and the data of the inner instruction.
    pub wire_events: Vec<(Pubkey, Vec<u8>)>,
}

impl Done {
    pub(super) fn new(meta: TransactionMetadata, keys: &[Pubkey], bytes: usize) -> Self {
        let inner = meta.inner_instructions.into_iter().flatten();
        let wire = inner.filter_map(|inner| {
            let program = keys.get(usize::from(inner.instruction.program_id_index))?;
            Some((*program, inner.instruction.data))
        });
        let (mut events, mut wire_events) = (Vec::new(), Vec::new());
        for (program, data) in wire {
            events.extend(decode(&program, &data));
            if data.starts_with(EVENT_TAG) && (program == MARKET || program == STAKING) {
                wire_events.push((program, data));
            }
        }
        Self { cu: meta.compute_units_consumed, bytes, fee: meta.fee, events, wire_events, logs: meta.logs }
    }

    /// The names of the events, in their order.
    #[must_use]
    pub fn told(&self) -> Vec<&'static str> {
        self.events.iter().map(name).collect()
    }

    /// The market's events, in their order.
    pub fn market(&self) -> impl Iterator<Item = &MarketEvent> {
        self.events.iter().filter_map(|event| match event {
            Event::Market(event) => Some(event),
            Event::Staking(_) => None,
        })
    }

    /// The staking program's events, in their order.
    pub fn staking(&self) -> impl Iterator<Item = &StakingEvent> {
        self.events.iter().filter_map(|event| match event {
            Event::Staking(event) => Some(event),
            Event::Market(_) => None,
        })
    }
}

/// The name of an event.
#[must_use]
pub fn name(event: &Event) -> &'static str {
    match event {
        Event::Market(event) => event.name(),
        Event::Staking(event) => event.name(),
    }
}

/// A transaction that was refused. It shows as the program that refused and the name of its reason: "market NotBuyer",
/// "market WindowOpen" (a rule), "staking WrongVault", "market ConstraintSeeds" (one of Anchor's), "token 17".
pub struct Refused {
    /// Which instruction failed; `None` where the transaction itself was bad.
    pub instruction: Option<u8>,
    /// The program that refused: the innermost one.
    pub program: Option<Pubkey>,
    /// Its error code.
    pub code: Option<u32>,
    /// What the runtime says.
    pub error: TransactionError,
    /// What the programs logged.
    pub logs: Vec<String>,
}

impl Refused {
    pub(super) fn new(failed: FailedTransactionMetadata, keys: &[Pubkey]) -> Self {
        let (instruction, code) = match &failed.err {
            TransactionError::InstructionError(at, InstructionError::Custom(code)) => (Some(*at), Some(*code)),
            TransactionError::InstructionError(at, _) => (Some(*at), None),
            _ => (None, None),
        };
        // The first program to fail is the innermost one; the others only pass its error on.
        let program = failed.meta.logs.iter().find_map(|line| {
            let rest = line.strip_prefix("Program ")?;
            let (program, what) = rest.split_once(' ')?;
            let program = program.parse::<Pubkey>().ok()?;
            (what.starts_with("failed") && keys.contains(&program)).then_some(program)
        });
        let refused = Self { instruction, program, code, error: failed.err, logs: failed.meta.logs };
        refused.assert_said();
        refused
    }

    /// Whatever a program of ours refuses, it says in the log as Anchor does: name, number and sentence of the IDL. Foreign
    /// clients show people nothing else.
    fn assert_said(&self) {
        let declared = self.program.zip(self.code).and_then(|error| Some((error.1, own_errors().get(&error)?)));
        let Some((code, Declared { name, sentence })) = declared else { return };
        let form = format!("Error Code: {name}. Error Number: {code}. Error Message: {sentence}.");
        let said = self.logs.iter().any(|line| line.starts_with("Program log: AnchorError ") && line.ends_with(&form));
        assert!(said, "the log does not say \"{form}\": {self:?}");
    }

    fn reason(&self, code: u32) -> String {
        if let Some(name) = self.program.and_then(|program| error_name(&program, code)) {
            return name;
        }
        // Anchor writes the name of its own errors into the log.
        let named =
            self.logs.iter().find_map(|line| line.split_once("Error Code: ")?.1.split_once('.').map(|(name, _)| name));
        named.map_or_else(|| code.to_string(), str::to_owned)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(program) = self.program else { return write!(f, "{:?}", self.error) };
        let program = match program {
            MARKET => "market".to_owned(),
            STAKING => "staking".to_owned(),
            TOKEN_PROGRAM => "token".to_owned(),
            SYSTEM_PROGRAM => "system".to_owned(),
            other => other.to_string(),
        };
        match (self.code, &self.error) {
            (Some(code), _) => write!(f, "{program} {}", self.reason(code)),
            (None, TransactionError::InstructionError(_, error)) => write!(f, "{program} {error:?}"),
            (None, error) => write!(f, "{program} {error:?}"),
        }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{self} in instruction {:?}", self.instruction)?;
        self.logs.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// An error as an IDL has it.
struct Declared {
    name: String,
    sentence: String,
}

/// Every error of the IDLs by number: the programs' own, and the rules'.
fn own_errors() -> &'static BTreeMap<(Pubkey, u32), Declared> {
    static ERRORS: OnceLock<BTreeMap<(Pubkey, u32), Declared>> = OnceLock::new();
    ERRORS.get_or_init(|| {
        let idls =
            [(MARKET, include_str!("../../../idl/market.json")), (STAKING, include_str!("../../../idl/staking.json"))];
        let errors = idls.into_iter().flat_map(|(program, idl)| {
            let idl: serde_json::Value = serde_json::from_str(idl).unwrap();
            let errors = idl["errors"].as_array().unwrap().clone();
            errors.into_iter().map(move |error| {
                let code = u32::try_from(error["code"].as_u64().unwrap()).unwrap();
                let word = |key: &str| error[key].as_str().unwrap().to_owned();
                ((program, code), Declared { name: word("name"), sentence: word("msg") })
            })
        });
        errors.collect()
    })
}

/// The name of error `code` of one of our programs: a rule's, or the program's own.
#[must_use]
pub fn error_name(program: &Pubkey, code: u32) -> Option<String> {
    let ours = *program == MARKET || *program == STAKING;
    let rule = code.checked_sub(RULE_BASE).and_then(RuleError::from_code).filter(|_| ours);
    rule.map(|rule| format!("{rule:?}")).or_else(|| own_errors().get(&(*program, code)).map(|own| own.name.clone()))
}

/// Every error of a program's own (not of a rule), by name.
#[must_use]
pub fn errors_of(program: &Pubkey) -> Vec<&'static str> {
    let own = own_errors().iter().filter(|((owner, code), _)| owner == program && *code < RULE_BASE);
    own.map(|(_, own)| own.name.as_str()).collect()
}

/// Bytes of a transaction on the wire. Counts and lengths below 128 take one byte, others two.
#[must_use]
pub fn wire_size(transaction: &Transaction) -> usize {
    let short = |length: usize| if length < 128 { 1 } else { 2 };
    let message = &transaction.message;
    let signers = usize::from(message.header.num_required_signatures);
    let instructions: usize = message
        .instructions
        .iter()
        .map(|ix| 1 + short(ix.accounts.len()) + ix.accounts.len() + short(ix.data.len()) + ix.data.len())
        .sum();
    let keys = message.account_keys.len();
    1 + 64 * signers + 3 + short(keys) + 32 * keys + 32 + 1 + instructions
}
