//! `inputs`, `outputs` and `scratch`.

use super::{required, string};
use crate::manifest::read::{Fields, Reader, join, quoted};
use crate::manifest::types::{Input, InputSource, Output, Scratch};

pub(super) fn inputs(reader: &mut Reader, fields: Fields<'_>) -> Vec<Input> {
    let Some(node) = fields.get("inputs") else {
        return Vec::new();
    };
    let advice = "write a list such as [ { uri: ./scene.json, mount: /in/scene.json } ]";
    let mut inputs = Vec::new();
    for (index, item) in reader.items("inputs", node, advice).iter().enumerate() {
        let path = format!("inputs[{index}]");
        let read = reader
            .fields(&path, item, &["uri", "sha256", "mount"])
            .and_then(|fields| input(reader, fields, &path, index));
        // A harmless one in its place keeps the numbers of the others right.
        inputs.push(read.unwrap_or_else(|| Input {
            mount: format!("/unread-{index}"),
            sha256: None,
            uri: InputSource::Local("unread".to_owned()),
        }));
    }
    inputs
}

fn input(reader: &mut Reader, fields: Fields<'_>, path: &str, index: usize) -> Option<Input> {
    let advice = "write an https:// address, a path on this machine, or push";
    let uri = string(reader, fields, path, "uri", advice);
    let advice = "write where the file shall be in the container, such as /in/scene.json";
    let mount = string(reader, fields, path, "mount", advice);
    let sha256 = fields.get("sha256").and_then(|node| {
        let advice = "write the 64 hex digits that sha256sum prints, or leave it out";
        reader.text(&join(path, "sha256"), node, advice).map(str::to_owned)
    });
    let uri = uri?;
    let mut mount = mount?;
    let source = match uri.as_str() {
        "push" => InputSource::Push,
        text if text.contains("://") => InputSource::Https(uri),
        _ => InputSource::Local(uri),
    };
    if mount.len() > 1 && mount.ends_with('/') {
        match file_name(&source) {
            Some(name) => mount.push_str(name),
            None => {
                let at = required(reader, fields, path, "mount", "").map_or(fields.at(), |n| n.at);
                reader.report(
                    &format!("inputs[{index}].mount"),
                    at,
                    format!("{} is a folder, and the uri names no file", quoted(&mount)),
                    "write the file's whole path in the container",
                );
                return None;
            }
        }
    }
    Some(Input { mount, sha256, uri: source })
}

fn file_name(source: &InputSource) -> Option<&str> {
    let path = match source {
        InputSource::Push => return None,
        InputSource::Local(path) => path.as_str(),
        InputSource::Https(uri) => {
            let (_, rest) = uri.split_once("://")?;
            let rest = rest.split(['?', '#']).next()?;
            rest.split_once('/')?.1
        }
    };
    let name = path.rsplit('/').next()?;
    (!matches!(name, "" | "." | "..")).then_some(name)
}

pub(super) fn outputs(reader: &mut Reader, fields: Fields<'_>) -> Vec<Output> {
    let folders = folders(reader, fields, "", "outputs", "write the folder that the job writes to, such as /out");
    folders.into_iter().map(|path| Output { path }).collect()
}

pub(super) fn scratch(reader: &mut Reader, fields: Fields<'_>) -> Vec<Scratch> {
    let advice = "write a folder that the job needs to write to, such as /root/.cache";
    folders(reader, fields, "", "scratch", advice).into_iter().map(|path| Scratch { path }).collect()
}

/// The paths of a list of folders, each written as `{ path: … }`.
pub(super) fn folders(reader: &mut Reader, fields: Fields<'_>, parent: &str, key: &str, advice: &str) -> Vec<String> {
    let Some(node) = fields.get(key) else {
        return Vec::new();
    };
    let (list, mut folders) = (join(parent, key), Vec::new());
    for (index, item) in reader.items(&list, node, "write a list such as [ { path: /out } ]").iter().enumerate() {
        let path = format!("{list}[{index}]");
        let read =
            reader.fields(&path, item, &["path"]).and_then(|fields| string(reader, fields, &path, "path", advice));
        // A harmless one in its place keeps the numbers of the others right.
        folders.push(read.unwrap_or_else(|| format!("/unread-{key}-{index}")));
    }
    folders
}
