//! The built programs say whom to tell of a hole, in the form that the tools of others look for.

use std::collections::BTreeMap;

use gridlease_tests::svm::program;

const BEGIN: &[u8] = b"=======BEGIN SECURITY.TXT V1=======\0";
const END: &[u8] = b"=======END SECURITY.TXT V1=======\0";

/// The fields between the marks, as `query-security-txt` reads them: name and value by turns, each ended by a zero.
fn fields(so: &[u8]) -> BTreeMap<String, String> {
    let place = |mark: &[u8]| {
        let mut places = so.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark).map(|(at, _)| at);
        let first = places.next().unwrap();
        assert_eq!(places.next(), None, "and only once");
        first
    };
    let text = std::str::from_utf8(&so[place(BEGIN) + BEGIN.len()..place(END)]).unwrap();
    let mut parts = text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned);
    let mut fields = BTreeMap::new();
    while let Some(name) = parts.next() {
        let value = parts.next().unwrap_or_else(|| panic!("{name} has no value"));
        assert_eq!(fields.insert(name.clone(), value), None, "{name} twice");
    }
    fields
}

#[test]
fn both_programs_name_themselves_and_whom_to_tell_of_a_hole() {
    let [mut market, mut staking] = ["market", "staking"].map(|name| fields(program(name)));
    assert_eq!(market.remove("name").as_deref(), Some("Gridlease market"));
    assert_eq!(staking.remove("name").as_deref(), Some("Gridlease staking"));
    assert_eq!(market, staking, "what else they say is the same");
    // Those that the format requires.
    for field in ["project_url", "contacts", "policy"] {
        assert!(market.get(field).is_some_and(|value| !value.is_empty()), "{field}");
    }
    assert_eq!(market["source_release"], env!("CARGO_PKG_VERSION"));
    assert!(market["contacts"].contains(':'), "a contact is a kind, a colon, and the contact");
}
