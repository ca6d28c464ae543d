//! The words of an interface description: what the programs' doc comments cannot say in place, and what must not be missing.

use anchor_lang_idl_spec::{Idl, IdlDefinedFields, IdlField, IdlInstruction, IdlInstructionAccountItem, IdlTypeDefTy};

/// What the macro for events adds to the accounts of an instruction, undocumented.
const BY_EVENT_MACRO: [(&str, &str); 2] = [
    ("event_authority", "The PDA by which this program signs its events."),
    ("program", "This program, which calls itself to tell an event."),
];

/// Puts words where the programs' code has no place for them.
///
/// Rust allows no doc comment on a parameter, so an instruction's own has a line "- `name`: words" for each argument, which
/// moves there. References to items of the code ("See [`Name`].") are of no use to who has only the description.
pub fn complete(idl: &mut Idl) {
    for instruction in &mut idl.instructions {
        complete_instruction(instruction);
    }
}

fn complete_instruction(instruction: &mut IdlInstruction) {
    let IdlInstruction { docs, args, accounts, .. } = instruction;
    docs.retain(|line| {
        let of = |arg: &IdlField| line.strip_prefix(&format!("- `{}`: ", arg.name)).map(capitalised);
        let Some((arg, words)) = args.iter_mut().find_map(|arg| of(arg).map(|words| (arg, words))) else { return true };
        arg.docs = vec![words];
        false
    });
    while docs.last().is_some_and(String::is_empty) {
        docs.pop();
    }
    for line in docs {
        if let Some((before, _)) = line.split_once(" See [`") {
            *line = before.to_owned();
        }
    }
    for account in accounts {
        if let IdlInstructionAccountItem::Single(account) = account
            && account.docs.is_empty()
            && let Some((_, words)) = BY_EVENT_MACRO.iter().find(|(name, _)| *name == account.name)
        {
            account.docs = vec![(*words).to_owned()];
        }
    }
}

/// A sentence begins with a capital letter.
fn capitalised(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).collect()
}

/// Everything that has no words: as "instruction `deposit`, argument `amount`".
pub fn undocumented(idl: &Idl) -> Vec<String> {
    let mut missing = Vec::new();
    let mut need = |docs: &[String], what: String| {
        if docs.iter().all(String::is_empty) {
            missing.push(what);
        } else if let Some(line) = docs.iter().find(|line| line.contains("[`")) {
            missing.push(format!("{what} (it refers to the code: \"{line}\")"));
        }
    };
    need(&idl.docs, "the program".to_owned());
    for instruction in &idl.instructions {
        let name = format!("instruction `{}`", instruction.name);
        need(&instruction.docs, name.clone());
        for arg in &instruction.args {
            need(&arg.docs, format!("{name}, argument `{}`", arg.name));
        }
        for account in &instruction.accounts {
            match account {
                IdlInstructionAccountItem::Single(account) => {
                    need(&account.docs, format!("{name}, account `{}`", account.name));
                }
                // A group has no place for words; the programs have none.
                IdlInstructionAccountItem::Composite(group) => {
                    need(&[], format!("{name}, group of accounts `{}`", group.name));
                }
            }
        }
    }
    // Accounts and events are types; every other type is a part of one or of an argument.
    for ty in &idl.types {
        need(&ty.docs, format!("type `{}`", ty.name));
        if let IdlTypeDefTy::Struct { fields: Some(IdlDefinedFields::Named(fields)) } = &ty.ty {
            for field in fields {
                need(&field.docs, format!("type `{}`, field `{}`", ty.name, field.name));
            }
        }
    }
    let types: Vec<_> = idl.types.iter().map(|ty| ty.name.as_str()).collect();
    let accounts = idl.accounts.iter().map(|account| ("account", &account.name));
    let events = idl.events.iter().map(|event| ("event", &event.name));
    for (kind, name) in accounts.chain(events).filter(|(_, name)| !types.contains(&name.as_str())) {
        need(&[], format!("{kind} `{name}` (it has no type)"));
    }
    for error in &idl.errors {
        let words = error.msg.clone().into_iter().collect::<Vec<_>>();
        need(&words, format!("error {} `{}`", error.code, error.name));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idl() -> Idl {
        let text = r#"{
            "address": "", "metadata": { "name": "m", "version": "0.1.0", "spec": "0.1.0" }, "docs": ["A program."],
            "instructions": [{
                "name": "act", "discriminator": [1], "docs": ["Acts. See [`Act`].", "", "- `amount`: in atoms."],
                "accounts": [{ "name": "owner", "docs": ["Signs."] }, { "name": "event_authority" }, { "name": "program" }],
                "args": [{ "name": "amount", "type": "u64" }] }],
            "accounts": [{ "name": "Purse", "discriminator": [1] }],
            "events": [{ "name": "Paid", "discriminator": [2] }],
            "errors": [{ "code": 6000, "name": "Late", "msg": "too late" }],
            "types": [
                { "name": "Purse", "docs": ["Money."], "type": { "kind": "struct", "fields": [
                    { "name": "free", "docs": ["Atoms."], "type": "u64" }] } },
                { "name": "Paid", "docs": ["Paid."], "type": { "kind": "struct", "fields": [] } }] }"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn words_about_arguments_move_to_them_and_references_to_code_go() {
        let mut idl = idl();
        complete(&mut idl);
        assert_eq!(idl.instructions[0].docs, ["Acts."]);
        assert_eq!(idl.instructions[0].args[0].docs, ["In atoms."]);
        assert_eq!(undocumented(&idl), Vec::<String>::new());
    }

    #[test]
    fn whatever_lacks_words_is_named() {
        let mut whole = idl();
        complete(&mut whole);
        let lacking = |edit: fn(&mut Idl)| {
            let mut idl = whole.clone();
            edit(&mut idl);
            undocumented(&idl).join("; ")
        };
        assert_eq!(lacking(|idl| idl.docs.clear()), "the program");
        assert_eq!(lacking(|idl| idl.instructions[0].docs = vec![String::new()]), "instruction `act`");
        assert_eq!(lacking(|idl| idl.instructions[0].args[0].docs.clear()), "instruction `act`, argument `amount`");
        let of_account = lacking(|idl| {
            let IdlInstructionAccountItem::Single(account) = &mut idl.instructions[0].accounts[0] else { return };
            account.docs.clear();
        });
        assert_eq!(of_account, "instruction `act`, account `owner`");
        assert_eq!(lacking(|idl| idl.types[1].docs.clear()), "type `Paid`");
        assert_eq!(lacking(|idl| drop(idl.types.pop())), "event `Paid` (it has no type)");
        assert_eq!(lacking(|idl| idl.errors[0].msg = None), "error 6000 `Late`");
        let of_field = lacking(|idl| {
            let IdlTypeDefTy::Struct { fields: Some(IdlDefinedFields::Named(fields)) } = &mut idl.types[0].ty else {
                return;
            };
            fields[0].docs = vec!["See [`crate::Purse`].".to_owned()];
        });
        assert!(of_field.starts_with("type `Purse`, field `free` (it refers to the code"), "{of_field}");
    }

    #[test]
    fn everything_in_the_committed_descriptions_has_words() {
        for text in [include_str!("../../../idl/market.json"), include_str!("../../../idl/staking.json")] {
            let idl: Idl = serde_json::from_str(text).unwrap();
            assert!(idl.instructions.len() > 20 && idl.errors.len() > 80);
            assert_eq!(undocumented(&idl), Vec::<String>::new(), "in the description of {}", idl.metadata.name);
        }
    }
}
