//! A program that a migration brings onto the chain, and what it needs for that.

use gridlease_sdk::address;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::context::Context;
use crate::error::MigrateError;
use crate::first;
use crate::loader::{self, Buffer, Deployed, Standing};
use crate::program::Program;

/// A program of the market's.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub id: Pubkey,
    /// Its configuration. Where that is written, the program has begun to live.
    config: Pubkey,
    /// What for.
    purpose: Purpose,
}

/// What a program is brought onto the chain for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// There is none yet.
    Found,
    /// Accounts of the first layout are there, which only the bytes at hand can migrate.
    Upgrade,
}

/// What the program needs.
pub enum Need {
    /// Nothing.
    Nothing(String),
    /// These bytes.
    Bytes {
        /// The program's.
        so: Vec<u8>,
        /// The buffer in which they are written down.
        buffer: Buffer,
        /// What stands at the program's address.
        standing: Standing,
    },
}

impl Target {
    /// Both programs, to be founded.
    pub fn founded() -> [Self; 2] {
        Self::both(Purpose::Found)
    }

    /// Both programs, to be upgraded.
    pub fn upgraded() -> [Self; 2] {
        Self::both(Purpose::Upgrade)
    }

    /// The market calls the staking program, which therefore comes first.
    fn both(purpose: Purpose) -> [Self; 2] {
        let staking = Self { name: "staking", id: address::STAKING, config: address::staking_config(), purpose };
        [staking, Self { name: "market", id: address::MARKET, config: address::market_config(), purpose }]
    }

    /// `step` cannot start, for this reason.
    pub fn refuse(&self, step: &str, reason: String) -> MigrateError {
        MigrateError::Precondition { step: format!("{}: {step}", self.name), reason }
    }

    /// What the program needs, by what stands at its address.
    ///
    /// # Errors
    /// [`MigrateError::Precondition`] where it cannot have it, or the read's.
    pub async fn need(&self, step: &str, context: &Context<'_>) -> Result<Need, MigrateError> {
        match self.purpose {
            Purpose::Found => self.founding(step, context).await,
            Purpose::Upgrade => self.upgrade(step, context).await,
        }
    }

    async fn founding(&self, step: &str, context: &Context<'_>) -> Result<Need, MigrateError> {
        let standing = loader::standing(context.client, &self.id).await?;
        if let Standing::Deployed(found) = &standing
            && context.client.lamports(&self.config).await? > 0
        {
            // It lives: which bytes it runs is the business of later migrations.
            return Ok(Need::Nothing(format!("{} is deployed and configured, program hash {}", self.id, found.hash())));
        }
        let program = context.program(self.name)?;
        match standing {
            Standing::Deployed(found) if found.is(&program.so) => Ok(stands(self, &found)),
            Standing::Deployed(found) => Err(self.refuse(step, other_bytes(self, &found, &program))),
            Standing::Foreign { owner } => Err(self.refuse(
                step,
                format!(
                    "the address {} holds an account of {owner} that is no program of the upgradeable loader; build the \
                     programs with other addresses",
                    self.id
                ),
            )),
            Standing::Absent | Standing::Reserved => bytes(program, standing, context, self),
        }
    }

    async fn upgrade(&self, step: &str, context: &Context<'_>) -> Result<Need, MigrateError> {
        let standing = loader::standing(context.client, &self.id).await?;
        let Standing::Deployed(found) = &standing else {
            return Ok(Need::Nothing(format!("nothing is deployed at {}", self.id)));
        };
        let program = context.program(self.name);
        if program.as_ref().is_ok_and(|program| found.is(&program.so)) {
            return Ok(stands(self, found));
        }
        if !first::is_any_left(context.client).await? {
            return Ok(Need::Nothing(format!("no account of the first layout is left, program hash {}", found.hash())));
        }
        let (program, key) = (program?, context.signer.pubkey());
        match found.authority {
            Some(authority) if authority == key => bytes(program, standing, context, self),
            Some(authority) => Err(self.refuse(
                step,
                format!(
                    "{} runs a program with hash {}, {} has {}, and only {authority} can upgrade it; sign with that key \
                     (--keypair), or name the folder with the bytes that are deployed (--programs)",
                    self.id,
                    found.hash(),
                    program.path.display(),
                    loader::program_hash(&program.so)
                ),
            )),
            None => Err(self.refuse(
                step,
                format!("the program at {} is final: nobody can upgrade it, and its accounts stay as they are", self.id),
            )),
        }
    }
}

fn stands(target: &Target, found: &Deployed) -> Need {
    Need::Nothing(format!("{} is deployed, program hash {}", target.id, found.hash()))
}

fn bytes(program: Program, standing: Standing, context: &Context<'_>, target: &Target) -> Result<Need, MigrateError> {
    let buffer = Buffer::of(&context.signer.pubkey(), &program.so).map_err(MigrateError::send(target.name))?;
    Ok(Need::Bytes { so: program.so, buffer, standing })
}

fn other_bytes(target: &Target, found: &Deployed, program: &Program) -> String {
    format!(
        "{} runs a program with hash {}, {} has {}, and nothing is configured; name the folder with the bytes that are deployed \
         (--programs), or upgrade them with `solana program deploy` first",
        target.id,
        found.hash(),
        program.path.display(),
        loader::program_hash(&program.so)
    )
}
