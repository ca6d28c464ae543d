//! Programs, put on the network by its own means.

use solana_account::Account;
use solana_pubkey::Pubkey;

use crate::{Localnet, LocalnetError};

/// The loader's own bound on a program (10 MiB).
const MAX_PROGRAM_BYTES: u64 = 10 * 1024 * 1024;
/// An ELF file begins so.
const ELF_MAGIC: &[u8] = b"\x7fELF";
/// Bytes of a program account of the upgradeable loader.
const PROGRAM_ACCOUNT_BYTES: usize = 36;
/// The upgradeable loader.
const UPGRADEABLE_LOADER: Pubkey = solana_sdk_ids::bpf_loader_upgradeable::ID;

impl Localnet {
    /// Deploys the ELF file `so` at `id`, whatever the owner of that address wants: no key is asked for. Returns once
    /// the network has loaded it. Deploying the same bytes again changes nothing.
    ///
    /// # Errors
    /// `so` is empty, too large (10 MiB) or no ELF file, the loader rejects it, or `id` holds another account.
    pub async fn deploy_program(&self, id: &Pubkey, so: &[u8]) -> Result<(), LocalnetError> {
        const DOING: &str = "deploying a program";
        let program = *id;
        let failed = |reason: String| LocalnetError::Deploy { program, reason };
        if !so.starts_with(ELF_MAGIC) {
            return Err(failed(format!("its {} bytes are no ELF file", so.len())));
        }
        if so.len() as u64 > MAX_PROGRAM_BYTES {
            return Err(failed(format!("it has {} bytes, more than the loader's {MAX_PROGRAM_BYTES}", so.len())));
        }
        let so = so.to_vec();
        self.engine(DOING)?
            .with_svm(DOING, move |svm| async move {
                // The same call that the write-program cheat makes, without 60 kB pieces in hex: each piece would
                // be compiled on the way.
                svm.write_program(program, None, 0, &so, &None).await.map_err(|error| error.to_string())?;
                svm.with_svm_writer(|svm| load(svm, program, &so))
            })
            .await?
            .map_err(failed)
    }

    /// Reserves the address `id` for a program, as its keypair would: an empty program account of the upgradeable loader.
    /// Then anyone can deploy there through the loader, as on a real cluster, without that keypair. Does nothing where the
    /// account is there already.
    ///
    /// # Errors
    /// `id` holds another account, or the network has stopped.
    pub async fn reserve_program(&self, id: &Pubkey) -> Result<(), LocalnetError> {
        const DOING: &str = "reserving a program's address";
        let program = *id;
        let rent = self.rpc.get_minimum_balance_for_rent_exemption(PROGRAM_ACCOUNT_BYTES).await;
        let lamports = rent.map_err(|error| LocalnetError::rpc(DOING, error))?;
        let reserved = Account {
            lamports,
            data: vec![0; PROGRAM_ACCOUNT_BYTES],
            owner: UPGRADEABLE_LOADER,
            executable: false,
            rent_epoch: u64::MAX,
        };
        self.engine(DOING)?
            .with_svm(DOING, move |svm| async move { svm.with_svm_writer(|svm| reserve(svm, program, reserved)) })
            .await?
            .map_err(|reason| LocalnetError::Deploy { program, reason })
    }
}

fn reserve(
    svm: &mut surfpool_core::surfnet::svm::SurfnetSvm,
    program: Pubkey,
    reserved: Account,
) -> Result<(), String> {
    match svm.get_account(&program).map_err(|error| error.to_string())? {
        Some(found) if found.owner == UPGRADEABLE_LOADER => Ok(()),
        Some(found) => Err(format!("its address holds an account of {}", found.owner)),
        None => svm.set_account(&program, reserved).map_err(|error| error.to_string()),
    }
}

/// Loads the written program again and looks at the result. The cheat does so too, but it swallows the loader's
/// refusal and leaves a placeholder that does nothing in the program's place.
fn load(svm: &mut surfpool_core::surfnet::svm::SurfnetSvm, program: Pubkey, so: &[u8]) -> Result<(), String> {
    let account = svm.get_account(&program).map_err(|error| error.to_string())?.ok_or("its account was not created")?;
    if !account.executable {
        return Err("its account is not executable".to_owned());
    }
    // An upgradeable program's account is a tag (u32) and the address of its data.
    let data_address = account
        .data
        .get(4..36)
        .and_then(|bytes| Pubkey::try_from(bytes).ok())
        .ok_or("its account names no program data")?;
    let data =
        svm.get_account(&data_address).map_err(|error| error.to_string())?.ok_or("its program data was not created")?;
    if !data.data.ends_with(so) {
        return Err("a longer program was deployed at this address before; deploy to a fresh network".to_owned());
    }
    svm.set_account(&program, account).map_err(|error| format!("the loader refuses it: {error}"))
}
