//! Direct looks at accounts that a list has left out.

use rand::seq::SliceRandom as _;
use solana_account::Account;
use solana_pubkey::Pubkey;

use super::Target;
use crate::rpc::{Client, RpcError, fetch::AtSlot};

/// Most accounts that are looked at after one list. A list that is empty by mistake must not cost thousands of requests;
/// what is left over stays known, and has its chance after the next list.
const MOST: usize = 2_000;

/// What a look has brought.
pub(super) type Look = Result<AtSlot<Vec<(Pubkey, Option<Account>)>>, RpcError>;

/// Looks at `missing`, no earlier than at `slot`. Of very many, chance chooses, so that each has its turn.
/// An account that `target` does not choose any more counts as gone.
pub(super) async fn look(client: &Client, target: &Target, mut missing: Vec<Pubkey>, slot: Option<u64>) -> Look {
    if missing.len() > MOST {
        missing.shuffle(&mut rand::rng());
        missing.truncate(MOST);
    }
    let AtSlot { slot, value } = client.accounts_at(&missing, slot).await?;
    let value =
        missing.into_iter().zip(value.into_iter().map(|account| account.and_then(|account| chosen(target, account))));
    Ok(AtSlot { slot, value: value.collect() })
}

fn chosen(target: &Target, mut account: Account) -> Option<Account> {
    if let Target::Program(query) = target {
        if !query.chooses(&account) {
            return None;
        }
        query.cut(&mut account.data);
    }
    Some(account)
}
