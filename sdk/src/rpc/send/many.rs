//! Many small transactions of which each may land or not, such as the pieces of a program: handed over once, not followed.

use futures_util::StreamExt as _;
use solana_instruction::Instruction;
use solana_rpc_client_api::config::RpcSendTransactionConfig;

use super::prepare::{sign, signing_keys, unsigned};
use super::{AnySigner, SendError, SendOptions};
use crate::rpc::{Client, RpcError};

/// Requests under way at the same time.
const CONCURRENCY: usize = 16;

/// What became of the requests.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// How many the RPC took. They may land or not.
    pub taken: usize,
    /// Why the last of the others was not taken, if there are others.
    pub refusal: Option<RpcError>,
}

impl Client {
    /// Hands each of `instructions` over as a transaction of its own, paid and signed by `payer` alone, and returns when the
    /// RPC has answered for all. Which of them land only the accounts that they write can tell, so they must be such that
    /// landing twice, late or in another order does no harm.
    ///
    /// The first is simulated; limit, price and blockhash of all are its own, so all must need about the same.
    ///
    /// # Errors
    /// [`SendError`] where the first cannot be made or its simulation fails; nothing was sent then.
    pub async fn hand_over(
        &self,
        instructions: &[Instruction],
        payer: &AnySigner,
        options: &SendOptions,
    ) -> Result<HandedOver, SendError> {
        let Some(first) = instructions.first() else { return Ok(HandedOver::default()) };
        let first = self.prepare(std::slice::from_ref(first), payer, &[], options).await?;
        let (units, price) = (first.compute_unit_limit(), first.compute_unit_price());
        let blockhash = *first.transaction().message.recent_blockhash();
        let payer_key = first.payer();
        let mut transactions = Vec::with_capacity(instructions.len());
        for instruction in instructions {
            let mut transaction = unsigned(&payer_key, std::slice::from_ref(instruction), units, price)?;
            transaction.message.set_recent_blockhash(blockhash);
            let keys = signing_keys(&transaction.message, payer, &payer_key, &[])?;
            sign(&mut transaction, &keys)?;
            transactions.push(transaction);
        }
        let config = RpcSendTransactionConfig { skip_preflight: true, ..RpcSendTransactionConfig::default() };
        let answers = futures_util::stream::iter(transactions)
            .map(|transaction| async move {
                self.once(
                    "sending a transaction",
                    self.config.request_timeout,
                    self.rpc.send_transaction_with_config(&transaction, config),
                )
                .await
            })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        let mut outcome = HandedOver::default();
        for answer in answers {
            match answer {
                Ok(_) => outcome.taken += 1,
                Err(error) => outcome.refusal = Some(error),
            }
        }
        Ok(outcome)
    }
}

/// Most bytes of data that a transaction of one instruction like `instruction` has room for; its own data is not counted.
///
/// # Errors
/// [`SendError::Invalid`], [`SendError::TooLarge`] where there is no room at all.
pub fn room_for_data(instruction: &Instruction, payer: &AnySigner) -> Result<usize, SendError> {
    let key = payer.try_pubkey().map_err(|error| SendError::Invalid { reason: error.to_string() })?;
    let empty = Instruction { data: Vec::new(), ..instruction.clone() };
    let transaction = unsigned(&key, &[empty], super::MAX_COMPUTE_UNITS, 1)?;
    let bytes = super::prepare::size(&transaction);
    // The length of the data takes a second byte from 128 on.
    super::MAX_TRANSACTION_BYTES.checked_sub(bytes + 1).ok_or(SendError::TooLarge { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_instruction::AccountMeta;
    use solana_keypair::Keypair;
    use solana_pubkey::Pubkey;
    use solana_signer::Signer as _;

    #[test]
    fn the_room_is_used_to_the_last_byte() {
        let payer = Keypair::new();
        let metas =
            vec![AccountMeta::new(Pubkey::new_unique(), false), AccountMeta::new_readonly(payer.pubkey(), true)];
        let with =
            |bytes: usize| Instruction::new_with_bytes(Pubkey::new_from_array([9; 32]), &vec![7; bytes], metas.clone());
        let room = room_for_data(&with(0), &payer).unwrap();
        let bytes = |data| crate::rpc::send::prepare::size(&unsigned(&payer.pubkey(), &[with(data)], 1, 1).unwrap());
        assert_eq!(bytes(room), crate::rpc::send::MAX_TRANSACTION_BYTES);
        assert!(room > 900, "{room}");
    }
}
