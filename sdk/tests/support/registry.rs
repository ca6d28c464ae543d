//! The distribution registry (`docker-registry`), started on a free port with its data in a temporary folder.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

pub struct Registry {
    pub port: u16,
    process: Child,
    _data: TempDir,
    http: reqwest::Client,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Registry {
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// One that shows nothing without this login.
    pub async fn private(username: &str, password: &str, bcrypt: &str) -> Self {
        Self::with(Some((username, password, bcrypt))).await
    }

    async fn with(login: Option<(&str, &str, &str)>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = super::free_port();
        let config = data.path().join("config.yml");
        let mut text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: \"127.0.0.1:{port}\" }}\n",
            data.path().join("data").display()
        );
        let mut headers = HeaderMap::new();
        if let Some((username, password, bcrypt)) = login {
            let users = data.path().join("users");
            std::fs::write(&users, format!("{username}:{bcrypt}\n")).unwrap();
            text.push_str(&format!("auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n", users.display()));
            let pair = STANDARD.encode(format!("{username}:{password}"));
            headers.insert("authorization", format!("Basic {pair}").parse().unwrap());
        }
        std::fs::write(&config, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry must be installed: apt-get install docker-registry");
        let http = reqwest::Client::builder().no_proxy().default_headers(headers).build().unwrap();
        let registry = Self { port, process, _data: data, http };
        for _ in 0..200 {
            let ready = registry.http.get(registry.url("")).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return registry;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the registry did not start within 10 s");
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/v2/{path}", self.port)
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let start = self.http.post(self.url(&format!("{repository}/blobs/uploads/")));
        let started = start.send().await.unwrap();
        assert_eq!(started.status(), 202);
        let location = started.headers()["location"].to_str().unwrap();
        let digest = digest_of(content);
        let separator = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{separator}digest={digest}");
        let put = self.http.put(target).body(content.to_vec());
        assert_eq!(put.send().await.unwrap().status(), 201);
        digest
    }

    /// Puts a manifest under a tag or digest and returns its digest.
    pub async fn push_document(&self, repository: &str, name: &str, kind: &str, document: &Value) -> String {
        let body = serde_json::to_vec(document).unwrap();
        let digest = digest_of(&body);
        let name = if name.is_empty() { &digest } else { name };
        let put =
            self.http.put(self.url(&format!("{repository}/manifests/{name}"))).header("content-type", kind).body(body);
        let answer = put.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        digest
    }

    /// Pushes an image of one layer, under a tag or (empty) its digest only; returns digest, size of what is pulled and
    /// size of the manifest.
    pub async fn push_image(&self, repository: &str, tag: &str, kind: &str, layer: &[u8]) -> (String, u64, u64) {
        self.push_image_for("amd64", repository, tag, kind, layer).await
    }

    /// The same for another kind of machine.
    pub async fn push_image_for(
        &self,
        architecture: &str,
        repository: &str,
        tag: &str,
        kind: &str,
        layer: &[u8],
    ) -> (String, u64, u64) {
        let config = serde_json::to_vec(
            &json!({"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": []}}),
        )
        .unwrap();
        let layer_kind = "application/vnd.oci.image.layer.v1.tar";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": self.push_blob(repository, &config).await},
            "layers": [{"mediaType": layer_kind, "size": layer.len(), "digest": self.push_blob(repository, layer).await}],
        });
        let digest = self.push_document(repository, tag, kind, &manifest).await;
        let own = serde_json::to_vec(&manifest).unwrap().len() as u64;
        (digest, own + (config.len() + layer.len()) as u64, own)
    }
}
