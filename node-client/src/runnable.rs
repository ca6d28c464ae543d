//! May this manifest be run? One answer for the push, where the buyer still hears it, and for the start.

use std::fmt;

use gridlease_sdk::manifest::requirement::{Unfit, refusals};
use gridlease_sdk::manifest::{CanonicalError, Manifest};

use crate::driver::{ImageRef, can_enter_networks};
use crate::secrets;
use crate::sold::{self, Sold, Unsold};

/// Why a node does not run a manifest.
#[derive(Debug, thiserror::Error)]
pub enum NotRunnable {
    /// It is no manifest in canonical form.
    #[error("the manifest cannot be used: {0}")]
    Unreadable(#[from] CanonicalError),
    /// It asks for what the node does not do. Each part is named by its key.
    #[error("the node does not run this manifest: {}", List(.0))]
    Unfit(Vec<Unfit>),
    /// It asks for more than was sold.
    #[error("the node does not run this manifest: {0}")]
    Unsold(#[from] Unsold),
}

struct List<'a>(&'a [Unfit]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, unfit) in self.0.iter().enumerate() {
            write!(f, "{}{unfit}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Reads a manifest as a buyer hands it over, and says whether this node runs it for what was `sold` (`None`: not known
/// yet; the start then waits for it).
///
/// # Errors
/// [`NotRunnable`].
pub fn read(bytes: &[u8], sold: Option<&Sold>) -> Result<Manifest, NotRunnable> {
    let manifest = Manifest::from_canonical(bytes)?;
    check(&manifest)?;
    if let Some(sold) = sold {
        sold::check(&manifest, sold)?;
    }
    Ok(manifest)
}

/// Whether a node runs this manifest: a job runs as written or not at all.
///
/// # Errors
/// [`NotRunnable::Unfit`] with everything that stands against it.
pub fn check(manifest: &Manifest) -> Result<(), NotRunnable> {
    let mut found = refusals(manifest);
    if let Err(error) = ImageRef::parse(&manifest.image) {
        found.push(Unfit { key: "image", problem: error.to_string() });
    }
    if !manifest.sealed_sources().is_empty()
        && let Err(reason) = secrets::usable()
    {
        found.push(Unfit { key: "secrets", problem: reason.to_owned() });
    }
    if !manifest.ports.is_empty() && !can_enter_networks() {
        let problem =
            "this node does not run as root, and so cannot reach a container's ports; post the job to another provider";
        found.push(Unfit { key: "ports", problem: problem.to_owned() });
    }
    for service in manifest.services.values() {
        if let Err(error) = ImageRef::parse(&service.image) {
            found.push(Unfit { key: "services", problem: error.to_string() });
        }
    }
    if manifest.services.values().any(|service| service.port.is_some()) && !can_enter_networks() {
        let problem = "this node does not run as root, and so cannot see whether a service is up; leave out its port, or post the job to another provider";
        found.push(Unfit { key: "services", problem: problem.to_owned() });
    }
    if found.is_empty() { Ok(()) } else { Err(NotRunnable::Unfit(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(more: &str) -> Vec<u8> {
        let yaml = format!(
            "version: 1\nname: j\nimage: a.example/b@sha256:{}\nresources: {{ cpu: 1, memory: 1GiB, disk: 1GiB }}\n\
             price: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n{more}",
            "ab".repeat(32)
        );
        Manifest::from_yaml(&yaml, "job.yaml").unwrap().canonical().unwrap()
    }

    #[test]
    fn what_the_node_can_run_is_read() {
        assert_eq!(read(&canonical(""), None).unwrap().name, "j");
    }

    #[test]
    fn issue9_14_everything_that_would_not_be_honoured_is_named_by_its_key() {
        let all = canonical("array: { count: 2 }\nattempts: 2\nverify: { class: none, replicas: 2 }\n");
        let told = read(&all, None).unwrap_err().to_string();
        for key in ["array: ", "verify.replicas: "] {
            assert!(told.contains(key), "{told}");
        }
    }

    #[test]
    fn threat_05_a_network_that_was_not_sold_is_refused_at_the_push_by_its_key() {
        let without = Sold::as_written(&Manifest::from_canonical(&canonical("")).unwrap()).unwrap();
        for network in ["egress", "{ allow: [hub.example] }"] {
            let bytes = canonical(&format!("network: {network}\n"));
            let told = read(&bytes, Some(&without)).unwrap_err().to_string();
            assert!(told.contains("network and other flags: the manifest says egress"), "{told}");
            let with = Sold::as_written(&Manifest::from_canonical(&bytes).unwrap()).unwrap();
            read(&bytes, Some(&with)).unwrap();
            read(&canonical(""), Some(&with)).unwrap();
        }
    }

    #[test]
    fn bytes_that_are_no_canonical_manifest_are_told_so() {
        for bytes in [&b"{}"[..], b"", b"\xff", &[canonical("").as_slice(), b" "].concat()] {
            assert!(matches!(read(bytes, None), Err(NotRunnable::Unreadable(_))));
        }
    }

    #[test]
    fn what_was_not_sold_is_refused_at_the_push_and_what_was_is_taken() {
        let bytes = canonical("");
        let mut sold = Sold::as_written(&Manifest::from_canonical(&bytes).unwrap()).unwrap();
        assert!(read(&bytes, Some(&sold)).is_ok());
        sold.max_duration_s = 60;
        let told = read(&bytes, Some(&sold)).unwrap_err();
        assert!(matches!(&told, NotRunnable::Unsold(_)) && told.to_string().contains("duration.max"), "{told}");
    }
}
