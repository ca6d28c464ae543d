//! Machines of a provider, read alike: its record, which is the first one, and the accounts of all others.

use core::fmt;
use core::mem::offset_of;
use core::str::FromStr;

use gridlease_core::Atoms;
use gridlease_core::machine::Machine as Rules;
use solana_pubkey::Pubkey;

use crate::account::{DecodeError, Kind as _, Machine, Offer, Provider, endpoint_url, offset};
use crate::address;
use crate::market::ReadError;
use crate::rpc::Client;

/// Byte offset of a machine's provider record.
pub const MACHINE_PROVIDER_AT: usize = offset(offset_of!(Machine, provider));

/// What the first machine is called where others have a number.
const FIRST: &str = "first";

/// Which machine of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MachineNumber {
    /// The one that the provider's record is. It has no account and no number of its own.
    First,
    /// One with an account of its own.
    Further(u32),
}

impl MachineNumber {
    /// Its address below the provider record `provider`.
    pub fn address(self, provider: &Pubkey) -> Pubkey {
        match self {
            Self::First => *provider,
            Self::Further(number) => address::machine(provider, number),
        }
    }
}

impl fmt::Display for MachineNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str(FIRST),
            Self::Further(number) => number.fmt(f),
        }
    }
}

impl FromStr for MachineNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == FIRST {
            return Ok(Self::First);
        }
        text.parse()
            .map(Self::Further)
            .map_err(|_| format!("it is no machine: write its number, or {FIRST:?} for the one that the record is"))
    }
}

/// A machine of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMachine {
    /// Its address: the provider record's for the first one. Offers name it, and requests to its node are signed for it.
    pub address: Pubkey,
    /// Which one.
    pub number: MachineNumber,
    /// The provider record.
    pub provider: Pubkey,
    /// Hot key of its node.
    pub node_key: Pubkey,
    /// SHA-256 of its node's certificate (DER).
    pub cert_fingerprint: [u8; 32],
    /// X25519 key for sealed secrets; zero for none.
    pub x25519: [u8; 32],
    /// URL of its node's API.
    pub endpoint: String,
    /// Its limit of stake, what of that its offers have, and whether it is retired.
    pub rules: Rules,
    /// Who gets the rent of its account; none for the first one.
    pub payer: Option<Pubkey>,
}

impl ProviderMachine {
    /// The first machine of the provider whose record is at `address`.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] where the endpoint is not text.
    pub fn first(address: Pubkey, record: &Provider) -> Result<Self, DecodeError> {
        Ok(Self {
            address,
            number: MachineNumber::First,
            provider: address,
            node_key: record.node_key,
            cert_fingerprint: record.cert_fingerprint,
            x25519: record.x25519,
            endpoint: endpoint_url(&address, record)?.to_owned(),
            rules: record.own_machine(),
            payer: None,
        })
    }

    /// The machine whose account is at `address`.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] where the endpoint is not text.
    pub fn further(address: Pubkey, machine: &Machine) -> Result<Self, DecodeError> {
        let damaged = DecodeError::Damaged { address, kind: Machine::KIND, what: "the endpoint is not UTF-8" };
        Ok(Self {
            address,
            number: MachineNumber::Further(machine.number),
            provider: machine.provider,
            node_key: machine.node_key,
            cert_fingerprint: machine.cert_fingerprint,
            x25519: machine.x25519,
            endpoint: machine.endpoint_url().ok_or(damaged)?.to_owned(),
            rules: machine.rules(),
            payer: Some(machine.payer),
        })
    }

    /// The account that an instruction names beside the provider record; none for the first machine.
    pub fn account(&self) -> Option<Pubkey> {
        matches!(self.number, MachineNumber::Further(_)).then_some(self.address)
    }

    /// Is this offer its own?
    pub fn has(&self, offer: &Offer) -> bool {
        // An offer of the first edition names no machine: there was one only.
        let unnamed = offer.machine == Pubkey::default() && self.number == MachineNumber::First;
        offer.provider == self.provider && (offer.machine == self.address || unnamed)
    }

    /// The stake that a new offer of it could be allotted.
    pub fn room(&self) -> Atoms {
        if self.rules.retired { Atoms::ZERO } else { self.rules.limit.saturating_sub(self.rules.allotted) }
    }
}

impl Client {
    /// The machines of a provider record, the first one first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn machines_of(&self, provider: &Pubkey) -> Result<Vec<ProviderMachine>, ReadError> {
        let record: Provider = self.get(provider).await?;
        let mut machines = vec![ProviderMachine::first(*provider, &record)?];
        if record.machines > 0 {
            for (address, machine) in self.all::<Machine>(&[(MACHINE_PROVIDER_AT, provider.as_ref())]).await? {
                machines.push(ProviderMachine::further(address, &machine)?);
            }
        }
        machines.sort_by_key(|machine| machine.number);
        Ok(machines)
    }

    /// Machine `number` of a provider record.
    ///
    /// # Errors
    /// [`ReadError`]; missing where there is none.
    pub async fn machine(&self, provider: &Pubkey, number: MachineNumber) -> Result<ProviderMachine, ReadError> {
        let address = number.address(provider);
        match number {
            MachineNumber::First => Ok(ProviderMachine::first(address, &self.get(&address).await?)?),
            MachineNumber::Further(_) => Ok(ProviderMachine::further(address, &self.get(&address).await?)?),
        }
    }

    /// The machine behind an offer.
    ///
    /// # Errors
    /// [`ReadError`]; missing where it is closed.
    pub async fn machine_of(&self, offer: &Offer) -> Result<ProviderMachine, ReadError> {
        if offer.machine == offer.provider || offer.machine == Pubkey::default() {
            return self.machine(&offer.provider, MachineNumber::First).await;
        }
        Ok(ProviderMachine::further(offer.machine, &self.get(&offer.machine).await?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable as _;

    #[test]
    fn r32_a_machine_is_named_by_its_number_or_as_the_first() {
        for (text, number) in [("first", MachineNumber::First), ("0", MachineNumber::Further(0))] {
            assert_eq!(text.parse(), Ok(number));
            assert_eq!(number.to_string(), text);
        }
        for wrong in ["", "First", "-1", "4294967296", "1 "] {
            assert!(wrong.parse::<MachineNumber>().unwrap_err().contains("number"), "{wrong:?}");
        }
        let record = Pubkey::new_from_array([7; 32]);
        assert_eq!(MachineNumber::First.address(&record), record);
        assert_eq!(MachineNumber::Further(3).address(&record), address::machine(&record, 3));
    }

    #[test]
    fn r32_an_offer_belongs_to_one_machine_and_one_of_the_first_edition_to_the_first() {
        let record = Pubkey::new_from_array([7; 32]);
        let first = ProviderMachine::first(record, &Provider::zeroed()).unwrap();
        let account = Machine { provider: record, number: 3, ..Machine::zeroed() };
        let third = ProviderMachine::further(address::machine(&record, 3), &account).unwrap();
        let offer = |machine| Offer { provider: record, machine, ..Offer::zeroed() };
        for (machine, is_first, is_third) in
            [(record, true, false), (Pubkey::default(), true, false), (third.address, false, true)]
        {
            assert_eq!((first.has(&offer(machine)), third.has(&offer(machine))), (is_first, is_third), "{machine}");
        }
        let stranger = Offer { machine: record, ..Offer::zeroed() };
        assert!(!first.has(&stranger), "another provider's");
        assert_eq!((first.account(), third.account()), (None, Some(third.address)));
    }

    #[test]
    fn r32_a_retired_machine_has_room_for_nothing() {
        let mut account = Machine { stake_limit: 9, allotted: 4, ..Machine::zeroed() };
        let room = |account: &Machine| ProviderMachine::further(Pubkey::default(), account).unwrap().room();
        assert_eq!(room(&account), Atoms(5));
        account.set_rules(&account.rules().retire());
        assert_eq!(room(&account), Atoms::ZERO);
    }
}
