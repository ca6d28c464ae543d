//! Which machine of its provider a node is, and whether that is registered as the node stands.

use gridlease_sdk::account::Provider;
use gridlease_sdk::machine::{MachineNumber, ProviderMachine};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{NodeConfig, NodeError};
use crate::api::Names;
use crate::tls::Identity;

/// The machine of `config`'s provider that this node is, registered as the node stands.
///
/// # Errors
/// [`NodeError`] where there is none, or where it is registered otherwise.
pub(super) async fn find(config: &NodeConfig, provider: &Pubkey) -> Result<ProviderMachine, NodeError> {
    let record: Option<Provider> = config.client.find(provider).await?;
    record.ok_or(NodeError::NotRegistered(config.authority))?;
    let machines = config.client.machines_of(provider).await?;
    choose(machines, config.machine, &config.node_key.pubkey())
}

/// The machine that was stated, or the one that names `own` as its node key.
pub(super) fn choose(
    machines: Vec<ProviderMachine>,
    stated: Option<MachineNumber>,
    own: &Pubkey,
) -> Result<ProviderMachine, NodeError> {
    let named = |machines: &[ProviderMachine]| {
        let words: Vec<String> = machines.iter().map(|one| format!("{}: {}", one.number, one.node_key)).collect();
        words.join(", ")
    };
    let wrong_key = |machine: &ProviderMachine| NodeError::OtherNodeKey {
        machine: Named(machine.number),
        recorded: machine.node_key,
        own: *own,
    };
    if let Some(number) = stated {
        let Some(machine) = machines.iter().find(|machine| machine.number == number) else {
            return Err(NodeError::NoSuchMachine { number, machines: named(&machines) });
        };
        return if machine.node_key == *own { Ok(machine.clone()) } else { Err(wrong_key(machine)) };
    }
    let mine: Vec<&ProviderMachine> = machines.iter().filter(|machine| machine.node_key == *own).collect();
    // A key may have served a machine that is retired by now.
    let live: Vec<&ProviderMachine> = mine.iter().copied().filter(|machine| !machine.rules.retired).collect();
    match (live.as_slice(), mine.as_slice(), machines.as_slice()) {
        ([one], ..) | ([], [one], _) => Ok((*one).clone()),
        ([], [], [only]) => Err(wrong_key(only)),
        ([], [], _) => Err(NodeError::NoMachine { own: *own, machines: named(&machines) }),
        _ => Err(NodeError::SeveralMachines { own: *own, machines: named(&machines) }),
    }
}

/// Checks that buyers who go by what the machine registered find this node and trust it.
///
/// # Errors
/// [`NodeError`] that names what differs.
pub(super) fn check(config: &NodeConfig, identity: &Identity, machine: &ProviderMachine) -> Result<(), NodeError> {
    let named = Named(machine.number);
    if machine.cert_fingerprint != identity.fingerprint() {
        let (recorded, own) = (hex::encode(machine.cert_fingerprint), hex::encode(identity.fingerprint()));
        return Err(NodeError::OtherCertificate { machine: named, recorded, own });
    }
    let recorded = machine.endpoint.clone();
    if let Some(names) = config.public.as_ref().map(|public| public.names())
        && takes(&names, &recorded)
    {
        let domain = names.domain().to_owned();
        return Err(NodeError::OwnNameIsPublic { machine: named, recorded, domain });
    }
    match &config.public_url {
        // That address is forwarded to this node, whatever its port.
        Some(url) if recorded.trim_end_matches('/') == url.trim_end_matches('/') => Ok(()),
        Some(url) => Err(NodeError::OtherUrl { machine: named, recorded, url: url.clone() }),
        None => {
            let port = config.listen.port();
            let recorded_port = url::Url::parse(&recorded).ok().and_then(|url| url.port_or_known_default());
            let same = recorded_port == Some(port);
            if same { Ok(()) } else { Err(NodeError::OtherEndpoint { machine: named, recorded, port }) }
        }
    }
}

/// Whether what is for the node itself would go to a job's port.
fn takes(names: &Names, endpoint: &str) -> bool {
    let url = url::Url::parse(endpoint).ok();
    url.as_ref().and_then(url::Url::host_str).is_some_and(|host| names.label_of(host).is_some())
}

/// A machine, in an error's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named(pub MachineNumber);

impl Named {
    /// The command with which its owner changes what it registered.
    pub(super) fn update(self) -> String {
        match self.0 {
            MachineNumber::First => "gridlease provider update".to_owned(),
            MachineNumber::Further(number) => format!("gridlease provider machine update {number}"),
        }
    }
}

impl core::fmt::Display for Named {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            MachineNumber::First => f.write_str("the provider record"),
            MachineNumber::Further(number) => write!(f, "machine {number} of the provider"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_core::machine::Machine as Rules;

    fn key(byte: u8) -> Pubkey {
        Pubkey::new_from_array([byte; 32])
    }

    fn machine(number: MachineNumber, node_key: u8, retired: bool) -> ProviderMachine {
        ProviderMachine {
            address: number.address(&key(1)),
            number,
            provider: key(1),
            node_key: key(node_key),
            cert_fingerprint: [0; 32],
            x25519: [0; 32],
            endpoint: String::new(),
            rules: Rules { retired, ..Rules::default() },
            payer: None,
        }
    }

    fn three() -> Vec<ProviderMachine> {
        vec![
            machine(MachineNumber::First, 10, false),
            machine(MachineNumber::Further(1), 11, false),
            machine(MachineNumber::Further(2), 12, true),
        ]
    }

    #[test]
    fn a_node_is_not_named_below_the_domain_of_its_public_ports() {
        let names = Names::new("jobs.example.com").unwrap();
        for taken in
            ["https://gpu.jobs.example.com:8443", "https://GPU.Jobs.example.com", "https://a.b.jobs.example.com./"]
        {
            assert!(takes(&names, taken), "{taken}");
        }
        for free in ["https://jobs.example.com", "https://gpu.example.com:8443", "https://10.0.0.1:8443"] {
            assert!(!takes(&names, free), "{free}");
        }
    }

    #[test]
    fn r32_a_node_is_the_machine_that_names_its_key() {
        for (own, number) in
            [(10, MachineNumber::First), (11, MachineNumber::Further(1)), (12, MachineNumber::Further(2))]
        {
            assert_eq!(choose(three(), None, &key(own)).unwrap().number, number);
            assert_eq!(choose(three(), Some(number), &key(own)).unwrap().number, number);
        }
        let reused = [three(), vec![machine(MachineNumber::Further(3), 12, false)]].concat();
        assert_eq!(choose(reused.clone(), None, &key(12)).unwrap().number, MachineNumber::Further(3), "the live one");
        let retired = choose(reused, Some(MachineNumber::Further(2)), &key(12)).unwrap();
        assert!(retired.rules.retired, "what was stated holds");
    }

    #[test]
    fn r32_a_key_that_no_machine_names_is_told_which_are_there_and_what_the_owner_types() {
        let unknown = choose(three(), None, &key(99)).unwrap_err().to_string();
        for part in ["first: ", "1: ", &key(11).to_string(), "provider machine add --node-key", &key(99).to_string()] {
            assert!(unknown.contains(part), "no {part:?} in: {unknown}");
        }
        let only = choose(vec![machine(MachineNumber::First, 10, false)], None, &key(99)).unwrap_err().to_string();
        assert!(only.contains("the provider record names node key") && only.contains("provider update"), "{only}");
        let other = choose(three(), Some(MachineNumber::Further(1)), &key(10)).unwrap_err().to_string();
        assert!(other.contains("machine 1 of the provider names") && other.contains("machine update 1"), "{other}");
        let none = choose(three(), Some(MachineNumber::Further(7)), &key(10)).unwrap_err().to_string();
        assert!(none.contains("no machine 7") && none.contains("first: "), "{none}");
        let twins = [three(), vec![machine(MachineNumber::Further(3), 11, false)]].concat();
        let several = choose(twins, None, &key(11)).unwrap_err().to_string();
        assert!(several.contains("several") && several.contains("--machine"), "{several}");
    }
}
