//! A token program that takes orders and moves nothing: what the programs would do if the one they trust broke its word.

use gridlease_sdk::instruction::TOKEN_PROGRAM;
use solana_pubkey::{Pubkey, pubkey};

use super::World;

/// The first memo program, which the test VM brings along: it takes any data that is UTF-8 (as an order to move fewer than
/// 128 atoms is) and does nothing with any account.
const MEMO: Pubkey = pubkey!("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo");

impl World {
    /// Puts a program in the token program's place that does nothing and says that all is well.
    pub fn put_idle_token_program(&mut self) {
        let memo = self.svm.get_account(&MEMO).unwrap();
        self.svm.add_program_with_loader(TOKEN_PROGRAM, &memo.data, memo.owner).unwrap();
    }
}
