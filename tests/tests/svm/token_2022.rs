//! Mints of Token-2022, made by that very program, one for each extension that could take, stop or tax money: all refused.

use gridlease_sdk::instruction::{provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::node_args;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::TOKEN_2022;

/// Bytes of a mint before its extensions: as many as a token account has, and a byte that tells the two apart.
const BASE: usize = 166;
/// `InitializeMint2` of Token-2022.
const INITIALIZE_MINT: u8 = 20;
/// `InitializeAccount3` of Token-2022.
const INITIALIZE_ACCOUNT: u8 = 18;

/// Name of an extension, bytes that it takes in the mint, the data of the instruction that sets it.
fn extensions(key: &Pubkey) -> Vec<(&'static str, usize, Vec<u8>)> {
    let key = key.as_ref();
    let some = [&[1], key].concat();
    vec![
        (
            "transfer fee",
            108,
            [&[26, 0], some.as_slice(), &some, &500u16.to_le_bytes(), &u64::MAX.to_le_bytes()].concat(),
        ),
        ("mint close authority", 32, [&[25], some.as_slice()].concat()),
        ("confidential transfer", 65, [&[27, 0], key, &[1], &[0; 32]].concat()),
        ("default account state: frozen", 1, vec![28, 0, 2]),
        ("not transferable", 0, vec![32]),
        ("interest", 52, [&[33, 0], key, &100i16.to_le_bytes()].concat()),
        ("permanent delegate", 32, [&[35], key].concat()),
        ("transfer hook", 64, [&[36, 0], key, key].concat()),
        ("scaled amounts", 56, [&[43, 0], key, &2f64.to_le_bytes()].concat()),
        ("pausable", 33, [&[44, 0], key].concat()),
    ]
}

/// Makes a mint with 6 decimals; `None` for no extension.
fn mint(w: &mut World, extension: Option<(usize, Vec<u8>)>) -> Pubkey {
    let (payer, mint, freezer) = (w.payer.insecure_clone(), w.key(), w.mint_authority.pubkey());
    let address = mint.pubkey();
    let space = extension.as_ref().map_or(82, |(bytes, _)| BASE + 4 + bytes);
    let create = solana_system_interface::instruction::create_account(
        &payer.pubkey(),
        &address,
        w.rent(space),
        space as u64,
        &TOKEN_2022,
    );
    let on_mint = |data| Instruction { program_id: TOKEN_2022, accounts: vec![AccountMeta::new(address, false)], data };
    let key = freezer.as_ref();
    let initialize = on_mint([&[INITIALIZE_MINT, 6], key, &[1], key].concat());
    let instructions: Vec<_> =
        [Some(create), extension.map(|(_, data)| on_mint(data)), Some(initialize)].into_iter().flatten().collect();
    w.ok(&instructions, &[&mint]);
    address
}

/// A token account of `owner` for a Token-2022 `mint`, with room for what the mint's extensions add to it.
fn account(w: &mut World, mint: &Pubkey, owner: &Pubkey) -> Pubkey {
    let (payer, account) = (w.payer.insecure_clone(), w.key());
    let address = account.pubkey();
    let space = 165;
    let create = solana_system_interface::instruction::create_account(
        &payer.pubkey(),
        &address,
        w.rent(space),
        space as u64,
        &TOKEN_2022,
    );
    let accounts = vec![AccountMeta::new(address, false), AccountMeta::new_readonly(*mint, false)];
    let data = [&[INITIALIZE_ACCOUNT], owner.as_ref()].concat();
    w.ok(&[create, Instruction { program_id: TOKEN_2022, accounts, data }], &[&account]);
    address
}

#[test]
fn a_market_takes_no_mint_of_token_2022_whatever_its_extensions() {
    let mut w = World::bare();
    let admin = w.admin.insecure_clone();
    let (key, treasury, insurance) = (admin.pubkey(), w.treasury, w.insurance);
    let all = extensions(&w.mint_authority.pubkey());
    let mints =
        std::iter::once(("none", None)).chain(all.into_iter().map(|(name, size, data)| (name, Some((size, data)))));
    for (name, extension) in mints {
        let mint = mint(&mut w, extension);
        let market = purse::init_config(&key, &mint, &treasury);
        assert_eq!(w.refuse(market, &[&admin]), "market AccountOwnedByWrongProgram", "{name}");
        let staking = stake::init_config(&key, &mint, &insurance);
        assert_eq!(w.refuse(staking, &[&admin]), "staking AccountOwnedByWrongProgram", "{name}");
    }
}

#[test]
fn a_running_market_takes_no_account_and_no_mint_of_token_2022() {
    let mut w = World::new();
    let (owner, _) = w.wallet(0);
    let key = owner.pubkey();
    for (name, size, data) in extensions(&w.mint_authority.pubkey()) {
        let mint = mint(&mut w, Some((size, data)));
        let open = purse::open(&key, &mint);
        assert_eq!(w.refuse(open, &[&owner]), "market AccountOwnedByWrongProgram", "{name}");
        let bond = stake::open_bond(&key, &mint);
        assert_eq!(w.refuse(bond, &[&owner]), "staking AccountOwnedByWrongProgram", "{name}");
    }
    let plain = mint(&mut w, None);
    let account = account(&mut w, &plain, &key);
    let register = provider::register(&key, &account, node_args(&key));
    assert_eq!(w.refuse(register, &[&owner]), "market AccountOwnedByWrongProgram");
    let buyer = w.buyer(0);
    let deposit = purse::deposit(&key, &buyer.key.pubkey(), &account, 1);
    assert_eq!(w.refuse(deposit, &[&owner]), "market AccountOwnedByWrongProgram");
}
