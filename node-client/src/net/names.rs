//! What the node calls things that the whole machine sees. Several nodes can share a machine, so all of them carry the node's mark.

use solana_pubkey::Pubkey;

fn start(key: &Pubkey, chars: usize) -> String {
    let address = key.to_string();
    // An address is never shorter than 32 characters, all of them ASCII.
    address.get(..chars).unwrap_or(&address).to_owned()
}

/// The node's table in nftables, of family `inet`.
pub(super) fn table(node: &Pubkey) -> String {
    format!("gridlease_{}", start(node, 8))
}

/// How the bridges of the node's leases begin.
pub(super) fn prefix(node: &Pubkey) -> String {
    format!("gl{}", start(node, 3))
}

/// What tells a lease's things apart from those of the node's other ones.
pub(super) fn mark(lease: &Pubkey) -> String {
    start(lease, 10)
}

/// A lease's bridge: 15 characters, which is all that the kernel takes.
pub(super) fn bridge(node: &Pubkey, lease: &Pubkey) -> String {
    prefix(node) + &mark(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_tell_nodes_and_leases_apart() {
        let key = |n: u8| Pubkey::new_from_array([n; 32]);
        for (node, lease) in [(key(1), key(2)), (key(0), key(255)), (key(200), key(0))] {
            assert_eq!(bridge(&node, &lease).len(), 15);
            assert!(bridge(&node, &lease).starts_with(&prefix(&node)));
            assert_ne!(bridge(&node, &lease), bridge(&lease, &node));
        }
        assert_ne!(table(&key(1)), table(&key(2)));
    }
}
