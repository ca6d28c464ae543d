//! From the tree to the typed manifest, section by section. A value that cannot be read is reported and replaced by a
//! harmless one, so that everything else is still looked at.

mod files;
mod network;
mod ready;
mod resources;
mod restart;
mod services;
mod terms;

use super::error::{ManifestError, ManifestErrors};
use super::read::{Fields, Reader, join};
use super::types::{Manifest, Secret, SecretForm, SecretSource};
use super::yaml::{self, Node, Value};
use super::{MAX_YAML_BYTES, Vocabulary, check, registry_auth, units};
use crate::image::ImageReference;
use gridlease_core::limits;
use std::collections::BTreeMap;

const KEYS: [&str; 25] = [
    "version",
    "name",
    "image",
    "registry_auth",
    "command",
    "args",
    "env",
    "secrets",
    "inputs",
    "outputs",
    "scratch",
    "resources",
    "placement",
    "price",
    "duration",
    "attempts",
    "ports",
    "ready",
    "restart",
    "stdin",
    "tty",
    "array",
    "verify",
    "network",
    "services",
];

impl Manifest {
    /// Reads a manifest from YAML. `file_name` is for the messages only; nothing is read from disk.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the text, each with key, line, column and what is allowed. A text that
    /// is not YAML gives the one error at which reading stopped.
    pub fn from_yaml(text: &str, file_name: &str) -> Result<Self, ManifestErrors> {
        Self::from_yaml_with(text, file_name, &Vocabulary::market())
    }

    /// As [`Manifest::from_yaml`], with another vocabulary than the market's own.
    ///
    /// # Errors
    /// As [`Manifest::from_yaml`].
    pub fn from_yaml_with(text: &str, file_name: &str, vocabulary: &Vocabulary) -> Result<Self, ManifestErrors> {
        let fatal = |error: ManifestError| ManifestErrors { file: file_name.to_owned(), errors: vec![error] };
        if text.len() > MAX_YAML_BYTES {
            return Err(fatal(ManifestError {
                key: String::new(),
                line: 0,
                column: 0,
                problem: format!("the manifest is {} bytes long", text.len()),
                advice: format!("at most {MAX_YAML_BYTES} are allowed"),
            }));
        }
        let root = yaml::parse(text).map_err(fatal)?;
        let mut reader = Reader::default();
        let manifest = manifest(&mut reader, &root);
        if let Some(manifest) = &manifest {
            reader.add_problems(check::problems(manifest, vocabulary));
        }
        reader.finish(file_name)?;
        manifest.ok_or_else(|| ManifestErrors { file: file_name.to_owned(), errors: Vec::new() })
    }
}

fn manifest(reader: &mut Reader, root: &Node) -> Option<Manifest> {
    let fields = reader.fields("", root, &KEYS)?;
    Some(Manifest {
        version: number(reader, fields, "", "version", None, 1),
        name: string(reader, fields, "", "name", "write a short name for the job").unwrap_or_else(|| "x".to_owned()),
        image: image(reader, fields, ""),
        registry_auth: registry_auth::read(reader, fields),
        command: words(reader, fields, "", "command", "write a list such as [\"python\", \"render.py\"]"),
        args: words(reader, fields, "", "args", "write a list such as [\"--frames\", \"24\"]"),
        env: env(reader, fields, ""),
        secrets: secrets(reader, fields),
        inputs: files::inputs(reader, fields),
        outputs: files::outputs(reader, fields),
        scratch: files::scratch(reader, fields),
        resources: resources::resources(reader, fields),
        placement: terms::placement(reader, fields),
        price: terms::price(reader, fields),
        duration: terms::duration(reader, fields),
        attempts: number(reader, fields, "", "attempts", Some(u32::from(limits::DEFAULT_ATTEMPTS)), 1),
        ports: terms::ports(reader, fields),
        ready: ready::ready(reader, fields),
        restart: restart::restart(reader, fields, ""),
        stdin: flag(reader, fields, "", "stdin"),
        tty: flag(reader, fields, "", "tty"),
        array: terms::array(reader, fields),
        verify: terms::verify(reader, fields),
        network: network::network(reader, fields),
        services: services::services(reader, fields),
    })
}

fn image(reader: &mut Reader, fields: Fields<'_>, parent: &str) -> String {
    let advice = "write registry/name:tag or registry/name@sha256:…";
    let harmless = || "x".to_owned();
    let Some(node) = required(reader, fields, parent, "image", advice) else {
        return harmless();
    };
    let parsed = reader.convert(&join(parent, "image"), node, advice, |text| {
        text.parse::<ImageReference>().map_err(|error| (error.to_string(), advice.to_owned()))
    });
    parsed.map_or_else(harmless, |reference| reference.pinned().unwrap_or_else(|| reference.to_string()))
}

fn env(reader: &mut Reader, fields: Fields<'_>, parent: &str) -> BTreeMap<String, String> {
    let path = join(parent, "env");
    let mut env = BTreeMap::new();
    let advice = "write a mapping such as { STEPS: \"30\" }";
    let Some(map) = fields.get("env").and_then(|node| reader.open_map(&path, node, advice)) else {
        return env;
    };
    for entry in map.entries() {
        let key = join(&path, &entry.key);
        let advice = "write a text; for an empty one write \"\"";
        if let Some(text) = reader.text(&key, &entry.value, advice) {
            env.insert(entry.key.clone(), text.to_owned());
        }
    }
    env
}

fn secrets(reader: &mut Reader, fields: Fields<'_>) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    let advice = "write a mapping such as { HF_TOKEN: { from: env } }";
    let Some(map) = fields.get("secrets").and_then(|node| reader.open_map("secrets", node, advice)) else {
        return secrets;
    };
    for entry in map.entries() {
        let key = join("secrets", &entry.key);
        if let Value::Scalar { .. } = entry.value.value {
            reader.report(
                &key,
                entry.value.at,
                "is a single value",
                "a secret's value must not stand in the manifest; write { from: env }",
            );
            continue;
        }
        let Some(secret) = reader.fields(&key, &entry.value, &["from", "as"]) else {
            continue;
        };
        let forms = [("file", SecretForm::File), ("env", SecretForm::Env)];
        let form = secret.get("as").and_then(|node| reader.choice(&join(&key, "as"), node, &forms));
        let advice = "write { from: env }";
        if let Some(node) = required(reader, secret, &key, "from", advice) {
            let choices = [("env", SecretSource::Env)];
            if let Some(from) = reader.choice(&join(&key, "from"), node, &choices) {
                secrets.insert(entry.key.clone(), Secret { from, form: form.unwrap_or_default() });
            }
        }
    }
    secrets
}

/// The value of a key that must be there.
pub(super) fn required<'n>(
    reader: &mut Reader,
    fields: Fields<'n>,
    parent: &str,
    key: &str,
    advice: &str,
) -> Option<&'n Node> {
    let found = fields.get(key);
    if found.is_none() {
        reader.report(&join(parent, key), fields.at(), "is missing", advice);
    }
    found
}

/// The text of a key that must be there.
pub(super) fn string(reader: &mut Reader, fields: Fields<'_>, parent: &str, key: &str, advice: &str) -> Option<String> {
    let node = required(reader, fields, parent, key, advice)?;
    reader.text(&join(parent, key), node, advice).map(str::to_owned)
}

/// A whole number; `default` where the key is not there, or an error if there is none. `harmless` stands for what could
/// not be read.
fn number(
    reader: &mut Reader,
    fields: Fields<'_>,
    parent: &str,
    key: &str,
    default: Option<u32>,
    harmless: u32,
) -> u32 {
    let advice = "write a whole number";
    let node = match default {
        Some(default) => match fields.get(key) {
            Some(node) => node,
            None => return default,
        },
        None => match required(reader, fields, parent, key, advice) {
            Some(node) => node,
            None => return harmless,
        },
    };
    reader.convert(&join(parent, key), node, advice, units::whole).unwrap_or(harmless)
}

/// True or false; false where the key is not there.
fn flag(reader: &mut Reader, fields: Fields<'_>, parent: &str, key: &str) -> bool {
    let choices = [("true", true), ("false", false)];
    fields.get(key).and_then(|node| reader.choice(&join(parent, key), node, &choices)).unwrap_or(false)
}

/// A list of texts; empty where the key is not there.
fn words(reader: &mut Reader, fields: Fields<'_>, parent: &str, key: &str, advice: &str) -> Vec<String> {
    let Some(node) = fields.get(key) else {
        return Vec::new();
    };
    let path = join(parent, key);
    let mut words = Vec::new();
    for (index, item) in reader.items(&path, node, advice).iter().enumerate() {
        let item_path = format!("{path}[{index}]");
        // Something must stand at the index, so that later checks name the right one.
        let word = reader.text(&item_path, item, advice).unwrap_or_default();
        words.push(word.to_owned());
    }
    words
}
