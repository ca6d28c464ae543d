//! The chain as the commands use it: typed reads whose errors name the network, and sending with the market's words.

use gridlease_core::Atoms;
use gridlease_sdk::account::{Config, Kind, Purse};
use gridlease_sdk::address;
use gridlease_sdk::market::ReadError;
use gridlease_sdk::rpc::{Client, Landed, SendOptions};
use serde::Serialize;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_program_pack::Pack as _;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use spl_token_interface::state::Account as TokenAccount;

use crate::amount::{Sol, Usdc};
use crate::error::CliError;

/// Lamports set aside for the fees of one command, priority included.
const FEES: u64 = 110_000;
/// Bytes of a token account.
pub const TOKEN_ACCOUNT_BYTES: usize = TokenAccount::LEN;

/// A transaction that landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Its signature, base58.
    pub signature: String,
    /// What it cost, where the RPC told.
    #[serde(rename = "fee_sol")]
    pub fee: Option<Sol>,
    /// Compute units, where the RPC told.
    pub compute_units: Option<u64>,
}

impl From<Landed> for Sent {
    fn from(landed: Landed) -> Self {
        Self { signature: landed.signature.to_string(), fee: landed.fee.map(Sol), compute_units: landed.units_consumed }
    }
}

/// A connection with everything that sending wants.
#[derive(Clone, Debug)]
pub struct Chain {
    client: Client,
    options: SendOptions,
}

impl Chain {
    /// Over `client`, with the programs' errors in words.
    pub fn new(client: Client) -> Self {
        Self { client, options: SendOptions { error_namer: gridlease_sdk::error::name, ..SendOptions::default() } }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The network, as it may be shown.
    pub fn cluster(&self) -> String {
        self.client.url().shown_rpc()
    }

    /// The account at `address`.
    ///
    /// # Errors
    /// [`CliError::Missing`] with `advice` where there is none, or the read's.
    pub async fn get<T: Kind>(&self, address: &Pubkey, advice: &str) -> Result<T, CliError> {
        let found = self.client.find(address).await?;
        found.ok_or_else(|| CliError::Missing {
            kind: T::KIND,
            address: *address,
            cluster: self.cluster(),
            advice: advice.to_owned(),
        })
    }

    /// The market's configuration.
    ///
    /// # Errors
    /// [`CliError::NoMarket`], or the read's.
    pub async fn config(&self) -> Result<Config, CliError> {
        match self.client.market_config().await {
            Ok(config) => Ok(config),
            Err(ReadError::Missing { .. }) => Err(CliError::NoMarket { cluster: self.cluster() }),
            Err(error) => Err(error.into()),
        }
    }

    /// The purse of `owner`.
    ///
    /// # Errors
    /// [`CliError::Missing`] where it is not open, or the read's.
    pub async fn purse(&self, owner: &Pubkey) -> Result<Purse, CliError> {
        self.get(&address::purse(owner), "open it with `gridlease purse open`, or name its owner's --keypair").await
    }

    /// Sends `instructions` in one transaction, paid by `payer`.
    ///
    /// # Errors
    /// [`CliError::Send`].
    pub async fn send(
        &self,
        doing: &'static str,
        instructions: &[Instruction],
        payer: &Keypair,
    ) -> Result<Sent, CliError> {
        // What expired can never land, so it may be made anew.
        let landed = self.client.send_with_retry(instructions, payer, &[], &self.options, 3).await;
        landed.map(Sent::from).map_err(CliError::send(doing))
    }

    /// Checks that `payer` can pay the rent of accounts of these sizes and the fees of a few transactions.
    ///
    /// # Errors
    /// [`CliError::ShortOfSol`], or the read's.
    pub async fn check_sol(&self, payer: &Keypair, accounts: &[usize], what: &str) -> Result<(), CliError> {
        let mut rent = 0;
        for bytes in accounts {
            rent += self.client.rent_exempt_lamports(*bytes).await?;
        }
        self.check_lamports(payer, rent, what).await
    }

    /// Checks that `payer` can pay so many lamports and the fees of a few transactions.
    ///
    /// # Errors
    /// [`CliError::ShortOfSol`], or the read's.
    pub async fn check_lamports(&self, payer: &Keypair, lamports: u64, what: &str) -> Result<(), CliError> {
        let need = lamports.saturating_add(FEES);
        let key = payer.pubkey();
        let have = self.client.lamports(&key).await?;
        if have >= need {
            return Ok(());
        }
        let (have, need, what, cluster) = (Sol(have), Sol(need), what.to_owned(), self.cluster());
        Err(CliError::ShortOfSol { key, have, need, what, cluster })
    }

    /// What `owner`'s own token account for the market's mint holds; zero where there is none.
    ///
    /// # Errors
    /// The read's.
    pub async fn wallet(&self, owner: &Pubkey, mint: &Pubkey) -> Result<Usdc, CliError> {
        let account = address::token_account(owner, mint);
        Ok(Usdc(self.client.token_balance(&account).await?.unwrap_or(0)))
    }

    /// Checks that `owner` holds `amount` of the market's USDC outside of the market.
    ///
    /// # Errors
    /// [`CliError::ShortOfUsdc`], or the read's.
    pub async fn check_wallet(&self, owner: &Pubkey, mint: &Pubkey, amount: Usdc, what: &str) -> Result<(), CliError> {
        let have = self.wallet(owner, mint).await?;
        if have >= amount {
            return Ok(());
        }
        let account = address::token_account(owner, mint);
        Err(CliError::ShortOfUsdc {
            whose: format!("{owner}"),
            have,
            detail: String::new(),
            what: what.to_owned(),
            need: amount,
            advice: format!("send USDC (mint {mint}) to its token account {account}"),
        })
    }

    /// Checks that `account` is a token account of `mint`.
    ///
    /// # Errors
    /// [`CliError::Usage`] that says what it is instead, or the read's.
    pub async fn check_token_account(&self, account: &Pubkey, mint: &Pubkey, what: &str) -> Result<(), CliError> {
        let found = self.client.account(account).await?.filter(|found| found.lamports > 0);
        let wrong = |is: String| {
            Err(CliError::Usage(format!(
                "{what} {account} {is}; give a token account of mint {mint}, the market's USDC"
            )))
        };
        let Some(found) = found else {
            return wrong(format!("does not exist on {}", self.cluster()));
        };
        if found.owner != spl_token_interface::ID {
            return wrong(format!("belongs to program {}, not to SPL Token", found.owner));
        }
        match TokenAccount::unpack(&found.data) {
            Ok(token) if token.mint == *mint => Ok(()),
            Ok(token) => wrong(format!("holds tokens of mint {}", token.mint)),
            Err(_) => wrong("is no token account".to_owned()),
        }
    }

    /// Checks that the purse of `owner` has `need` free.
    ///
    /// # Errors
    /// [`CliError::ShortOfUsdc`] with the exact shortfall.
    pub fn check_free(owner: &Pubkey, purse: &Purse, need: Atoms, what: &str) -> Result<(), CliError> {
        let free = Usdc::from(purse.free());
        let need = Usdc::from(need);
        if free >= need {
            return Ok(());
        }
        let missing = Usdc(need.0 - free.0);
        Err(CliError::ShortOfUsdc {
            whose: format!("the purse of {owner}"),
            have: free,
            detail: format!(
                " free (of {} in all, {} are reserved and {} owed as fees)",
                Usdc(purse.balance),
                Usdc(purse.reserved),
                Usdc(purse.fees_owed)
            ),
            what: what.to_owned(),
            need,
            advice: format!("run `gridlease purse deposit {missing}`"),
        })
    }
}
