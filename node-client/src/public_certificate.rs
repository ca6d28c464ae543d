//! The certificate that browsers see at the names of public ports. Its files are an ACME client's, which replaces them every some weeks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::api::Names;

/// How often it is looked whether the files are others.
const LOOK: Duration = Duration::from_secs(60);

/// Why a certificate for public ports cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PublicCertificateError {
    /// A file.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The pair does not fit together.
    #[error("the certificate {} and its key do not fit together: {reason}", path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is for other names.
    #[error("the certificate {} is not for *.{domain}: browsers would refuse it at every public port; get one for that name", path.display())]
    OtherName {
        /// The certificate's file.
        path: PathBuf,
        /// The domain.
        domain: String,
    },
}

/// The names of public ports, and the certificate that is shown for them.
#[derive(Debug)]
pub struct PublicCertificate {
    names: Arc<Names>,
    files: [PathBuf; 2],
    shown: RwLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    pair: Arc<CertifiedKey>,
    written: [Option<SystemTime>; 2],
}

impl PublicCertificate {
    /// Reads the pair: a chain that begins with the certificate, and its key, both PEM.
    ///
    /// # Errors
    /// [`PublicCertificateError`].
    pub fn load(names: Names, certificate: &Path, key: &Path) -> Result<Self, PublicCertificateError> {
        let files = [certificate.to_owned(), key.to_owned()];
        let shown = RwLock::new(Shown { written: written(&files), pair: read(&names, &files)? });
        Ok(Self { names: Arc::new(names), files, shown })
    }

    /// The names that it is for.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// Reads the pair again where the files are others. What cannot be used is told, and the one of before stays. Blocks on the
    /// file system.
    pub fn look(&self) {
        let found = written(&self.files);
        if found == self.shown.read().unwrap_or_else(PoisonError::into_inner).written {
            return;
        }
        let read = read(&self.names, &self.files);
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(pair) => {
                *shown = Shown { pair, written: found };
                tracing::info!("a new certificate is shown at the names of public ports");
            }
            // Looked at again: the two files are not written at one moment.
            Err(error) => tracing::warn!(%error, "the certificate of public ports stays as it was"),
        }
    }

    /// Looks for as long as it is polled.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let this = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }
}

fn written(files: &[PathBuf; 2]) -> [Option<SystemTime>; 2] {
    files.each_ref().map(|path| path.metadata().and_then(|found| found.modified()).ok())
}

fn read(names: &Names, files: &[PathBuf; 2]) -> Result<Arc<CertifiedKey>, PublicCertificateError> {
    let [certificate, key] = files;
    let bad = |path: &PathBuf, reason: String| PublicCertificateError::File { path: path.clone(), reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| bad(certificate, error.to_string()))?;
    let first = chain.first().ok_or_else(|| bad(certificate, "there is no certificate in it".to_owned()))?;
    let parsed = ParsedCertificate::try_from(first).map_err(|error| bad(certificate, error.to_string()))?;
    let other = || PublicCertificateError::OtherName { path: certificate.clone(), domain: names.domain().to_owned() };
    let some = ServerName::try_from(format!("some-port.{}", names.domain())).map_err(|_| other())?;
    verify_server_name(&parsed, &some).map_err(|_| other())?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
    let pair =
        |error: rustls::Error| PublicCertificateError::Pair { path: certificate.clone(), reason: error.to_string() };
    Ok(Arc::new(CertifiedKey::from_der(chain.clone(), secret, &default_provider()).map_err(pair)?))
}

/// Shows a visitor of a public port's name its certificate, and everybody else the node's own.
#[derive(Debug)]
pub(crate) struct ByName {
    /// The node's own.
    pub own: Arc<CertifiedKey>,
    /// That of public ports.
    pub public: Arc<PublicCertificate>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let public = hello.server_name().is_some_and(|name| self.public.names.label_of(name).is_some());
        if !public {
            return Some(Arc::clone(&self.own));
        }
        Some(Arc::clone(&self.public.shown.read().unwrap_or_else(PoisonError::into_inner).pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(dir: &Path, name: &str) -> [PathBuf; 2] {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = [dir.join("cert.pem"), dir.join("key.pem")];
        std::fs::write(&files[0], made.cert.pem()).unwrap();
        std::fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
        files
    }

    fn names() -> Names {
        Names::new("jobs.example.com").unwrap()
    }

    #[test]
    fn a_certificate_for_other_names_or_of_another_key_is_refused_with_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let load = |files: &[PathBuf; 2]| PublicCertificate::load(names(), &files[0], &files[1]);
        load(&pair(dir.path(), "*.jobs.example.com")).unwrap();
        for other in ["jobs.example.com", "*.example.com"] {
            let error = load(&pair(dir.path(), other)).unwrap_err();
            assert!(error.to_string().contains("is not for *.jobs.example.com"), "{error}");
        }
        let files = pair(dir.path(), "*.jobs.example.com");
        let key = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap().signing_key.serialize_pem();
        std::fs::write(&files[1], key).unwrap();
        assert!(matches!(load(&files), Err(PublicCertificateError::Pair { .. })));
        std::fs::write(&files[0], "").unwrap();
        assert!(load(&files).unwrap_err().to_string().contains("cert.pem"));
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = pair(dir.path(), "*.jobs.example.com");
        let public = PublicCertificate::load(names(), &files[0], &files[1]).unwrap();
        let shown = || public.shown.read().unwrap().pair.cert[0].clone();
        let later = |path: &Path, seconds| {
            let at = SystemTime::now() + Duration::from_secs(seconds);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        };
        let first = shown();
        pair(dir.path(), "*.jobs.example.com");
        later(&files[0], 10);
        public.look();
        let second = shown();
        assert_ne!(first, second);
        std::fs::write(&files[1], "junk").unwrap();
        later(&files[1], 20);
        public.look();
        assert_eq!(shown(), second);
    }
}
