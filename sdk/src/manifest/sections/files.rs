//! `inputs`, `outputs` and `scratch`.

use super::{required, string};
use crate::manifest::read::{Fields, Reader, join, quoted};
use crate::manifest::types::{Input, InputSource, Output, Scratch};
use crate::manifest::units;
use crate::manifest::yaml::Node;
use crate::source::hub::HubPath;
use crate::source::s3::S3Access;

pub(super) fn inputs(reader: &mut Reader, fields: Fields<'_>) -> Vec<Input> {
    let Some(node) = fields.get("inputs") else {
        return Vec::new();
    };
    let advice = "write a list such as [ { uri: ./scene.json, mount: /in/scene.json } ]";
    let mut inputs = Vec::new();
    for (index, item) in reader.items("inputs", node, advice).iter().enumerate() {
        let path = format!("inputs[{index}]");
        let read = reader
            .fields(&path, item, &["uri", "sha256", "mount", "s3", "gateway"])
            .and_then(|fields| input(reader, fields, &path, index));
        // A harmless one in its place keeps the numbers of the others right.
        inputs.push(read.unwrap_or_else(|| Input {
            mount: format!("/unread-{index}"),
            gateway: None,
            s3: None,
            sha256: None,
            uri: InputSource::Local("unread".to_owned()),
        }));
    }
    inputs
}

fn input(reader: &mut Reader, fields: Fields<'_>, path: &str, index: usize) -> Option<Input> {
    let advice = "write an https://, hf://, s3:// or ipfs:// address, a path on this machine, or push";
    let uri = string(reader, fields, path, "uri", advice);
    let advice = "write where the file shall be in the container, such as /in/scene.json";
    let mount = string(reader, fields, path, "mount", advice);
    let sha256 = fields.get("sha256").and_then(|node| {
        let advice = "write the 64 hex digits that sha256sum prints, or leave it out";
        reader.text(&join(path, "sha256"), node, advice).map(str::to_owned)
    });
    let gateway = fields.get("gateway").and_then(|node| {
        let advice = "write the gateway's https:// address, or leave it out";
        reader.text(&join(path, "gateway"), node, advice).map(str::to_owned)
    });
    let s3 = fields.get("s3").and_then(|node| s3(reader, &join(path, "s3"), node));
    let mut mount = mount?;
    let source = InputSource::from(uri?);
    if is_folder(&source) {
        // Its files go below.
        mount.truncate(mount.trim_end_matches('/').len());
    } else if mount.len() > 1 && mount.ends_with('/') {
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
    Some(Input { mount, gateway, s3, sha256, uri: source })
}

/// Whether it is a folder of a hub, which becomes an input for each of its files.
fn is_folder(source: &InputSource) -> bool {
    matches!(source, InputSource::Hub(uri) if uri.parse::<HubPath>().is_ok_and(|at| at.is_folder()))
}

fn s3(reader: &mut Reader, path: &str, node: &Node) -> Option<S3Access> {
    let keys = ["endpoint", "region", "path_style", "access_key", "secret_key", "session_token"];
    let fields = reader.fields(path, node, &keys)?;
    let mut text = |key: &str, advice: &str| {
        let node = fields.get(key)?;
        reader.text(&join(path, key), node, advice).map(str::to_owned)
    };
    let secret = "write the name of an entry of secrets, such as S3_KEY";
    let endpoint = text("endpoint", "write the store's https:// address");
    let region = text("region", "write the store's region, such as eu-west-3");
    let access_key = text("access_key", secret);
    let (secret_key, session_token) = (text("secret_key", secret), text("session_token", secret));
    let styles = [("true", true), ("false", false)];
    let path_style = fields.get("path_style").and_then(|node| reader.choice(&join(path, "path_style"), node, &styles));
    Some(S3Access { endpoint, region, path_style, access_key, secret_key, session_token })
}

fn file_name(source: &InputSource) -> Option<&str> {
    let path = match source {
        InputSource::Push => return None,
        InputSource::Local(path) => path.as_str(),
        InputSource::Hub(uri) | InputSource::S3(uri) | InputSource::Ipfs(uri) => uri.as_str(),
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
    let Some(node) = fields.get("outputs") else {
        return Vec::new();
    };
    let mut outputs = Vec::new();
    for (index, item) in reader.items("outputs", node, "write a list such as [ { path: /out } ]").iter().enumerate() {
        let path = format!("outputs[{index}]");
        let read = reader
            .fields(&path, item, &["path", "push", "s3", "every", "restore"])
            .and_then(|fields| output(reader, fields, &path));
        // A harmless one in its place keeps the numbers of the others right.
        outputs.push(read.unwrap_or_else(|| Output {
            path: format!("/unread-outputs-{index}"),
            push: None,
            s3: None,
            every_s: None,
            restore: false,
        }));
    }
    outputs
}

fn output(reader: &mut Reader, fields: Fields<'_>, at: &str) -> Option<Output> {
    let path = string(reader, fields, at, "path", "write the folder that the job writes to, such as /out");
    let push = fields.get("push").and_then(|node| {
        let advice = "write where it is pushed, such as s3://bucket/prefix";
        reader.text(&join(at, "push"), node, advice).map(str::to_owned)
    });
    let s3 = fields.get("s3").and_then(|node| s3(reader, &join(at, "s3"), node));
    let every_s = fields.get("every").and_then(|node| {
        let advice = "write how often it is pushed while the job runs, such as 60s or 10m";
        reader.convert(&join(at, "every"), node, advice, units::seconds)
    });
    let choices = [("true", true), ("false", false)];
    let restore = fields.get("restore").and_then(|node| reader.choice(&join(at, "restore"), node, &choices));
    Some(Output { path: path?, push, s3, every_s, restore: restore.unwrap_or(false) })
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
