//! Where built programs are looked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[test]
fn the_programs_folder_is_taken_from_the_environment() {
    const MARK: &str = "GRIDLEASE_MIGRATIONS_TEST_PROGRAMS";
    if std::env::var_os(MARK).is_some() {
        let error = gridlease_migrations::find_program("market").unwrap_err();
        println!("{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.json");
    std::fs::write(&record, "{}").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["the_programs_folder_is_taken_from_the_environment", "--exact", "--nocapture"])
        .env(MARK, "1")
        .env(gridlease_migrations::PROGRAMS_DIR_VAR, folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains(&*record.to_string_lossy()), "{printed}");
}
