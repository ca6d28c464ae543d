//! Outputs that are pushed to a store, as a manifest says it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

use gridlease_sdk::manifest::Manifest;

fn read(rest: &str) -> Result<Manifest, String> {
    let yaml = format!(
        "version: 1\nname: a\nimage: r.io/a@sha256:{}\nprice: {{ max: 1 }}\nduration: {{ max: 1h }}\n{rest}\n",
        "ab".repeat(32)
    );
    Manifest::from_yaml(&yaml, "job.yaml").map_err(|errors| errors.to_string())
}

const SECRETS: &str = "secrets: { ID: { from: env }, KEY: { from: env } }\n";
const S3: &str = "s3: { endpoint: \"https://store.example\", access_key: ID, secret_key: KEY }";

#[test]
fn an_output_that_is_pushed_stands_in_the_canonical_form_and_one_that_is_not_stands_as_before() {
    let plain = read("outputs: [ { path: /out } ]").unwrap();
    let text = String::from_utf8(plain.canonical().unwrap()).unwrap();
    assert!(text.contains(r#""outputs":[{"path":"/out"}]"#), "{text}");

    let rest =
        format!("{SECRETS}outputs: [ {{ path: /ckpt, push: s3://bucket/run, {S3}, every: 60s, restore: true }} ]");
    let pushed = read(&rest).unwrap();
    assert_eq!((pushed.outputs[0].every_s, pushed.outputs[0].restore), (Some(60), true));
    let canonical = pushed.canonical().unwrap();
    let text = String::from_utf8(canonical.clone()).unwrap();
    let wanted = concat!(
        r#""outputs":[{"every_s":60,"path":"/ckpt","push":"s3://bucket/run","restore":true,"#,
        r#""s3":{"access_key":"ID","endpoint":"https://store.example","secret_key":"KEY"}}]"#
    );
    assert!(text.contains(wanted), "{text}");
    assert_eq!(Manifest::from_canonical(&canonical).unwrap(), pushed);
    let off = format!("{SECRETS}outputs: [ {{ path: /ckpt, push: s3://bucket/run, {S3}, restore: false }} ]");
    let text = String::from_utf8(read(&off).unwrap().canonical().unwrap()).unwrap();
    assert!(!text.contains("restore") && !text.contains("every"), "{text}");
}

#[test]
fn what_is_wrong_with_an_output_that_is_pushed_is_said_by_its_key() {
    let output = |of: &str| format!("{SECRETS}outputs: [ {{ path: /ckpt, {of} }} ]");
    for (rest, told) in [
        (output("every: 60s"), "outputs[0].every: is given for an output that is not pushed"),
        (output("restore: true"), "outputs[0].restore: is given for an output that is not pushed"),
        (output(S3), "outputs[0].s3: is given for an output that is not pushed"),
        (output(&format!("push: /elsewhere, {S3}")), "outputs[0].push: \"/elsewhere\" is no place in a store"),
        (output(&format!("push: s3://B/x, {S3}")), "outputs[0].push: \"s3://B/x\" is no place in a store"),
        (output(&format!("push: s3://bucket/../x, {S3}")), "outputs[0].push: "),
        (output("push: s3://bucket/x"), "outputs[0].s3: is missing"),
        (output("push: s3://bucket/x, s3: { region: eu-west-3 }"), "outputs[0].s3: has no access_key"),
        (
            output("push: s3://bucket/x, s3: { access_key: ID, secret_key: OTHER }"),
            "outputs[0].s3.secret_key: \"OTHER\" is not among secrets",
        ),
        (
            output("push: s3://bucket/x, s3: { endpoint: \"http://store.example\", access_key: ID, secret_key: KEY }"),
            "outputs[0].s3.endpoint: is not https",
        ),
        (output(&format!("push: s3://bucket/x, {S3}, every: 5s")), "outputs[0].every: is 5s"),
        (output(&format!("push: s3://bucket/x, {S3}, every: 2days")), "outputs[0].every: is "),
        (output(&format!("push: s3://bucket/x, {S3}, every: 60")), "outputs[0].every: "),
        (output(&format!("push: s3://bucket/x, {S3}, evry: 60s")), "did you mean `every`?"),
        (
            format!(
                "{SECRETS}outputs: [ {{ path: /a, push: s3://bucket/x, {S3} }}, {{ path: /b, push: s3://bucket/x/, {S3} }} ]"
            ),
            "outputs[1].push: is also that of outputs[0]",
        ),
    ] {
        let error = read(&rest).unwrap_err();
        assert!(error.contains(told), "{rest}: {error}");
    }
}
