//! What a buyer is told of a failure: a sentence of this file, with at most what the buyer itself wrote in it.
//!
//! An engine's, a registry's or the system's own words can hold what the owner's network answered, or where the owner
//! keeps what. They go to the operator's log only, bounded and with control characters escaped ([`plain`]).

use crate::disk::{DiskError, ImageError};
use crate::driver::DriverError;
use crate::inputs::InputError;
use crate::lease::WorkError;
use crate::logs::LogError;
use crate::net::NetError;
use crate::outputs::OutputsError;
use crate::state_dir::StateDirError;
use crate::store::StoreError;

/// Most characters of a sentence for a buyer.
const MAX_CHARS: usize = 512;

const OWN_FILES: &str = "the node could not use its own files";
const ENGINE: &str = "the node's container engine failed";

/// An error of which a buyer may read something.
pub trait ForBuyer {
    /// The sentence for the buyer. No path of the host, and no word of an engine, a registry or the system is in it.
    fn for_buyer(&self) -> String;
}

/// At most `most` characters of `text`, with those escaped that would move a reader's cursor or turn its text around.
#[must_use]
pub fn plain(text: &str, most: usize) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut told = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            told.push('…');
            break;
        }
        if c.is_control() || turns(c) {
            told.extend(c.escape_default());
        } else {
            told.push(c);
        }
    }
    told
}

fn sentence(text: &str) -> String {
    plain(text, MAX_CHARS)
}

impl ForBuyer for WorkError {
    fn for_buyer(&self) -> String {
        match self {
            Self::Store(e) => e.for_buyer(),
            Self::Driver(e) => e.for_buyer(),
            Self::Input(e) => e.for_buyer(),
            Self::Files(e) => e.for_buyer(),
            // Its words are this crate's, and the manifest's.
            Self::Push(e) => sentence(&format!("what was pushed before cannot be restored: {e}")),
            Self::Log(e) => e.for_buyer(),
            Self::Outputs(e) => e.for_buyer(),
            Self::Disk(e) => e.for_buyer(),
            Self::Net(NetError::NotOffered) => "network: this node gives containers none".to_owned(),
            Self::Net(_) => "the node could not set up the network that the job asks for".to_owned(),
            Self::Manifest { reason, .. } => sentence(&format!("the manifest cannot be used: {reason}")),
            Self::SoldUnknown | Self::SecretsGone => self.to_string(),
            Self::NotLocal(_) => "the node took a step that is not its own".to_owned(),
            Self::Shutdown => "the node is shutting down".to_owned(),
        }
    }
}

impl ForBuyer for StoreError {
    fn for_buyer(&self) -> String {
        OWN_FILES.to_owned()
    }
}

impl ForBuyer for StateDirError {
    fn for_buyer(&self) -> String {
        OWN_FILES.to_owned()
    }
}

impl ForBuyer for OutputsError {
    fn for_buyer(&self) -> String {
        OWN_FILES.to_owned()
    }
}

impl ForBuyer for DiskError {
    fn for_buyer(&self) -> String {
        match self {
            Self::File(e) => e.for_buyer(),
            Self::Image(ImageError::NoRoom { .. }) => "the node has no room on its disk for the job".to_owned(),
            Self::Image(_) => OWN_FILES.to_owned(),
        }
    }
}

impl ForBuyer for LogError {
    fn for_buyer(&self) -> String {
        match self {
            Self::Driver(e) => e.for_buyer(),
            Self::Io { .. } | Self::Line { .. } => OWN_FILES.to_owned(),
            Self::Shutdown => "the node is shutting down".to_owned(),
        }
    }
}

impl ForBuyer for InputError {
    fn for_buyer(&self) -> String {
        match self {
            Self::File(e) => e.for_buyer(),
            // Names and hashes are the manifest's, and the reasons are this crate's own words.
            Self::Bad { .. } | Self::TooLarge { .. } | Self::NoRoom { .. } | Self::HashMismatch { .. } => {
                sentence(&self.to_string())
            }
            Self::Transfer { name, .. } => sentence(&format!(
                "input {name} could not be fetched: its server cannot be reached, fails or breaks off"
            )),
        }
    }
}

impl ForBuyer for DriverError {
    fn for_buyer(&self) -> String {
        match self {
            Self::NotInstalled { .. }
            | Self::NotRunning { .. }
            | Self::NoPermission { .. }
            | Self::Remote { .. }
            | Self::PodmanWithGpu { .. }
            | Self::NameTaken { .. }
            | Self::NoSuchContainer { .. }
            | Self::NotStarted { .. }
            | Self::Engine { .. } => ENGINE.to_owned(),
            Self::NotRunningContainer { .. } => "the lease's container does not run".to_owned(),
            Self::NotListening { .. } => sentence(&self.to_string()),
            Self::Unreachable { .. } => "the node cannot enter the container's network".to_owned(),
            Self::NoGpuRuntime { .. } => "the node could not give its GPU to the container".to_owned(),
            Self::ImageNotFound { image, .. } => sentence(&format!(
                "the registry does not show image {image} to this job; check its name and digest, and `registry_auth` where it is private"
            )),
            Self::RegistryUnreachable { image, .. } => {
                sentence(&format!("the registry of image {image} cannot be reached from the node"))
            }
            Self::RateLimited { image, .. } => sentence(&format!(
                "Docker Hub, asked for image {image}, answers this node no more for a while; another may have it"
            )),
            Self::NoSpace { image, .. } => sentence(&format!("the node has no room for image {image}")),
            Self::RegistryNotAllowed { image, .. } => sentence(&format!(
                "the registry of image {image} is not on the public internet, and this node pulls from nowhere else; \
                 push the image to a public registry"
            )),
            // Every word is the buyer's own or this crate's.
            Self::PullStalled { .. } | Self::ImageTooLarge { .. } | Self::ImageUnfit { .. } => {
                sentence(&self.to_string())
            }
            Self::DigestMismatch { image, .. } => {
                sentence(&format!("another image came than {image}; its registry is faulty"))
            }
            Self::BadSpec { .. } => {
                "the container cannot be made as the manifest says; check its mounts, environment and resources"
                    .to_owned()
            }
            Self::StartFailed { reason } => format!("the container did not start: {}", start_fault(reason)),
        }
    }
}

/// What an engine's words about a start that failed mean for whoever wrote the job.
fn start_fault(engine: &str) -> &'static str {
    let text = engine.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["exec format error"]) {
        "its program is built for another kind of processor"
    } else if has(&["chdir", "cwd"]) {
        "the image's working directory cannot be entered"
    } else if has(&["permission denied"]) {
        "its program may not be executed"
    } else if has(&["executable file not found", "no such file or directory", "not a directory"]) {
        "the image does not have the program that its command names"
    } else {
        "the engine refused it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "SECRET of /the/host\u{1b}[2J";

    #[test]
    fn issue9_03_no_word_of_the_host_the_engine_or_a_registry_reaches_a_buyer() {
        let text = || SECRET.to_owned();
        let io = || std::io::Error::other(SECRET);
        let image = || "r.example/app@sha256:00".to_owned();
        let file = || StateDirError { what: "read", path: SECRET.into(), source: io() };
        let driver = [
            DriverError::NotInstalled { socket: text() },
            DriverError::NotRunning { socket: text(), reason: text() },
            DriverError::NoPermission { socket: text() },
            DriverError::Remote { host: text() },
            DriverError::PodmanWithGpu { socket: text() },
            DriverError::NoGpuRuntime { reason: text() },
            DriverError::ImageNotFound { image: image(), reason: text() },
            DriverError::RegistryUnreachable { image: image(), reason: text() },
            DriverError::RegistryNotAllowed { image: image(), reason: text() },
            DriverError::RateLimited { image: image(), reason: text() },
            DriverError::NoSpace { image: image(), reason: text() },
            DriverError::DigestMismatch { image: image(), found: text() },
            DriverError::BadSpec { reason: text() },
            DriverError::StartFailed { reason: text() },
            DriverError::NameTaken { name: text() },
            DriverError::NoSuchContainer { id: text() },
            DriverError::NotStarted { id: text() },
            DriverError::NotRunningContainer { id: text() },
            DriverError::Unreachable { reason: text() },
            DriverError::Engine { what: "start", reason: text() },
        ];
        let mut errors: Vec<WorkError> = driver.iter().cloned().map(WorkError::from).collect();
        errors.extend(driver.into_iter().map(|e| LogError::from(e).into()));
        errors.extend([
            WorkError::Files(file()),
            InputError::File(file()).into(),
            InputError::Transfer { name: "seed".to_owned(), reason: text() }.into(),
            LogError::Io { what: "open", path: SECRET.into(), source: io() }.into(),
            LogError::Line { path: SECRET.into(), reason: text() }.into(),
            OutputsError::File(file()).into(),
            DiskError::File(file()).into(),
            DiskError::Image(ImageError::Tool { tool: "mount", reason: text() }).into(),
            DiskError::Image(ImageError::NoRoom { path: SECRET.into(), bytes: 1 }).into(),
            OutputsError::Damaged { path: SECRET.into(), reason: text() }.into(),
            StoreError::Broken { path: SECRET.into(), reason: text() }.into(),
            StoreError::InUse { path: SECRET.into() }.into(),
            WorkError::Manifest { path: SECRET.into(), reason: "it is gone".to_owned() },
            NetError::Firewall { what: "set its rules", reason: text() }.into(),
            NetError::NotOffered.into(),
            WorkError::NotLocal(text()),
        ]);
        for error in errors {
            let told = error.for_buyer();
            assert!(!told.contains("SECRET") && !told.contains("/the/host"), "{error:?}: {told}");
            assert!(!told.is_empty() && !told.chars().any(char::is_control), "{error:?}: {told:?}");
        }
    }

    #[test]
    fn what_keeps_a_program_from_starting_is_told_by_its_kind() {
        let told = |reason: &str| DriverError::StartFailed { reason: reason.to_owned() }.for_buyer();
        assert!(told("exec: \"x\": stat /x: no such file or directory: unknown").contains("does not have the program"));
        assert!(told("exec /x: permission denied").contains("may not be executed"));
        assert!(told("exec /x: exec format error").contains("another kind of processor"));
        assert!(told("anything else").contains("the engine refused it"));
    }

    #[test]
    fn text_from_outside_is_cut_and_cannot_move_the_cursor_or_turn_around() {
        assert_eq!(plain("a\u{1b}]0;x\n\u{202e}b", 99), "a\\u{1b}]0;x\\n\\u{202e}b");
        assert_eq!(plain("äöü", 2), "äö…");
        assert_eq!(plain("äöü", 3), "äöü");
    }
}
