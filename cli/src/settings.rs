//! Where the network is, who signs, and where things are kept; each from the first place that says so:
//! flag, environment, Gridlease's configuration file, Solana's, default.

use std::fmt;
use std::path::{Path, PathBuf};

use gridlease_sdk::rpc::{ClusterUrl, UrlError};
use serde::{Deserialize, Serialize};

/// Environment variable for the RPC address.
pub const URL_VAR: &str = "GRIDLEASE_URL";
/// Environment variable for the websocket address.
pub const WS_VAR: &str = "GRIDLEASE_WS";
/// Environment variable for the keypair file.
pub const KEYPAIR_VAR: &str = "GRIDLEASE_KEYPAIR";
/// Environment variable for the configuration file.
pub const CONFIG_VAR: &str = "GRIDLEASE_CONFIG";
/// Environment variable for the folder of the jobs posted from here.
pub const STATE_VAR: &str = "GRIDLEASE_STATE_DIR";
/// Where nothing else is said.
const DEFAULT_URL: &str = "localhost";
/// Largest configuration file that is read.
const MAX_FILE: usize = 64 * 1024;

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--url`.
    pub url: Option<String>,
    /// `--ws`.
    pub ws: Option<String>,
    /// `--keypair`.
    pub keypair: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
}

/// The folders of this user.
#[derive(Clone, Debug)]
pub struct Home {
    /// For configuration files, `~/.config`.
    pub config: PathBuf,
    /// For data, `~/.local/share`.
    pub data: PathBuf,
    /// The home folder itself.
    pub home: PathBuf,
}

impl Home {
    /// Those of the user who runs this.
    ///
    /// # Errors
    /// [`SettingsError::NoHome`].
    pub fn of_this_user() -> Result<Self, SettingsError> {
        let base = directories::BaseDirs::new().ok_or(SettingsError::NoHome)?;
        Ok(Self {
            config: base.config_dir().to_owned(),
            data: base.data_dir().to_owned(),
            home: base.home_dir().to_owned(),
        })
    }
}

/// Which place spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A flag of this command.
    Flag,
    /// An environment variable.
    Environment,
    /// Gridlease's configuration file.
    ConfigFile,
    /// The configuration of Solana's command line.
    SolanaConfig,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::ConfigFile => "configuration file",
            Self::SolanaConfig => "Solana's configuration",
            Self::Default => "default",
        })
    }
}

/// A value and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who gave it.
    pub source: Source,
}

/// What holds for this command.
#[derive(Clone, Debug)]
pub struct Settings {
    /// RPC address or moniker. It may contain a key: show it through [`Settings::cluster`] only.
    pub url: Sourced<String>,
    /// Websocket address, where it does not follow from the RPC address.
    pub ws: Option<Sourced<String>>,
    /// The keypair file.
    pub keypair: Sourced<PathBuf>,
    /// Folder in which the jobs posted from here are remembered.
    pub state_dir: Sourced<PathBuf>,
    /// Gridlease's configuration file, whether it exists or not.
    pub config_file: PathBuf,
}

/// What a configuration file may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// RPC address or moniker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Websocket address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws: Option<String>,
    /// Keypair file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypair: Option<PathBuf>,
    /// Folder of the jobs posted from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The system does not say where the home folder is.
    #[error("this user has no home folder; set HOME, or give --config, --keypair and --state-dir")]
    NoHome,
    /// A configuration file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration file is not what it should be.
    #[error("{}: {reason}; allowed are url, ws, keypair and state_dir, each with a text in quotes", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address is none.
    #[error("{error} (from: {origin})")]
    Url {
        /// What is wrong.
        error: UrlError,
        /// Who gave it.
        origin: Source,
    },
    /// There is no such key.
    #[error("{key:?} is no setting; allowed are url, ws, keypair and state-dir")]
    UnknownKey {
        /// The key.
        key: String,
    },
}

impl Settings {
    /// Decides. `env` returns an environment variable that is set and not empty.
    ///
    /// # Errors
    /// [`SettingsError`], for a configuration file that is named but cannot be read, or is damaged.
    pub fn resolve(
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<String>,
        home: Option<&Home>,
    ) -> Result<Self, SettingsError> {
        let named = flags.config.clone().or_else(|| env(CONFIG_VAR).map(PathBuf::from));
        let config_file = match (&named, home) {
            (Some(path), _) => path.clone(),
            (None, Some(home)) => home.config.join("gridlease").join("config.toml"),
            (None, None) => return Err(SettingsError::NoHome),
        };
        let file = ConfigFile::read(&config_file)?.unwrap_or_default();
        let solana = home.map(|home| SolanaConfig::read(&home.config)).unwrap_or_default();

        let pick = |flag: Option<String>, var: &str, file: Option<String>, solana: Option<String>| {
            let candidates = [
                (flag, Source::Flag),
                (env(var), Source::Environment),
                (file, Source::ConfigFile),
                (solana, Source::SolanaConfig),
            ];
            candidates.into_iter().find_map(|(value, source)| Some(Sourced { value: value?, source }))
        };
        let text = |path: Option<PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
        let url = pick(flags.url.clone(), URL_VAR, file.url, solana.url)
            .unwrap_or(Sourced { value: DEFAULT_URL.to_owned(), source: Source::Default });
        // A websocket address belongs to an RPC address: one from further down would be that of another network.
        let ws = pick(flags.ws.clone(), WS_VAR, file.ws, solana.ws).filter(|ws| ws.source.rank() <= url.source.rank());
        let keypair = pick(text(flags.keypair.clone()), KEYPAIR_VAR, text(file.keypair), solana.keypair);
        let keypair = match (keypair, home) {
            (Some(given), _) => Sourced { value: expand(&given.value, home), source: given.source },
            (None, Some(home)) => {
                Sourced { value: home.config.join("solana").join("id.json"), source: Source::Default }
            }
            (None, None) => return Err(SettingsError::NoHome),
        };
        let state = pick(text(flags.state_dir.clone()), STATE_VAR, text(file.state_dir), None);
        let state_dir = match (state, home) {
            (Some(given), _) => Sourced { value: expand(&given.value, home), source: given.source },
            (None, Some(home)) => Sourced { value: home.data.join("gridlease"), source: Source::Default },
            (None, None) => return Err(SettingsError::NoHome),
        };
        Ok(Self { url, ws, keypair, state_dir, config_file })
    }

    /// The network.
    ///
    /// # Errors
    /// [`SettingsError::Url`].
    pub fn cluster(&self) -> Result<ClusterUrl, SettingsError> {
        let failed = |origin| move |error| SettingsError::Url { error, origin };
        let url = ClusterUrl::parse(&self.url.value).map_err(failed(self.url.source))?;
        match &self.ws {
            Some(ws) => url.with_ws(&ws.value).map_err(failed(ws.source)),
            None => Ok(url),
        }
    }
}

impl Source {
    const fn rank(self) -> u8 {
        self as u8
    }
}

/// `~/` at the front is the home folder, as in a shell.
fn expand(path: &str, home: Option<&Home>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.home.join(rest),
        _ => PathBuf::from(path),
    }
}

impl ConfigFile {
    /// Reads a file; none if it does not exist.
    ///
    /// # Errors
    /// [`SettingsError::File`], [`SettingsError::Malformed`].
    pub fn read(path: &Path) -> Result<Option<Self>, SettingsError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SettingsError::File { action: "read", path: path.to_owned(), source }),
        };
        let malformed = |reason: String| SettingsError::Malformed { path: path.to_owned(), reason };
        if text.len() > MAX_FILE {
            return Err(malformed(format!("it is larger than {MAX_FILE} bytes")));
        }
        // The whole message quotes the line, which may hold a key.
        toml::from_str(&text).map(Some).map_err(|error| malformed(error.message().to_owned()))
    }

    /// Sets one value and writes the file in one step.
    ///
    /// # Errors
    /// [`SettingsError`]; the file is as it was then.
    pub fn set(path: &Path, key: &str, value: &str) -> Result<Self, SettingsError> {
        let mut file = Self::read(path)?.unwrap_or_default();
        match key {
            "url" => {
                let origin = Source::Flag;
                ClusterUrl::parse(value).map_err(|error| SettingsError::Url { error, origin })?;
                file.url = Some(value.to_owned());
            }
            "ws" => file.ws = Some(value.to_owned()),
            "keypair" => file.keypair = Some(PathBuf::from(value)),
            "state-dir" | "state_dir" => file.state_dir = Some(PathBuf::from(value)),
            other => return Err(SettingsError::UnknownKey { key: other.to_owned() }),
        }
        let malformed =
            |error: toml::ser::Error| SettingsError::Malformed { path: path.to_owned(), reason: error.to_string() };
        let text = toml::to_string(&file).map_err(malformed)?;
        crate::buyer::store::write_atomically(path, text.as_bytes()).map_err(|source| SettingsError::File {
            action: "write",
            path: path.to_owned(),
            source,
        })?;
        Ok(file)
    }
}

/// The parts of Solana's own configuration that matter here.
#[derive(Default)]
struct SolanaConfig {
    url: Option<String>,
    ws: Option<String>,
    keypair: Option<String>,
}

impl SolanaConfig {
    /// Reads `solana/cli/config.yml`. Another program's file: what cannot be read is not there.
    fn read(config: &Path) -> Self {
        let text = std::fs::read_to_string(config.join("solana").join("cli").join("config.yml")).unwrap_or_default();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            let value = line.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        };
        Self { url: value("json_rpc_url"), ws: value("websocket_url"), keypair: value("keypair_path") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn home(&self) -> Home {
            let home = self.folder.path().to_owned();
            Home { config: home.join(".config"), data: home.join(".local/share"), home }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.home().config.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn resolve(&self, flags: &Flags, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
            let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            Settings::resolve(flags, &env, Some(&self.home()))
        }
    }

    fn flags(url: &str) -> Flags {
        Flags { url: Some(url.to_owned()), ..Flags::default() }
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_solana_beats_default() {
        let fixture = Fixture::new();
        let url = |flags: &Flags, env: &[(&str, &str)]| {
            let url = fixture.resolve(flags, env).unwrap().url;
            (url.value, url.source)
        };
        assert_eq!(url(&Flags::default(), &[]), ("localhost".to_owned(), Source::Default));
        fixture.write("solana/cli/config.yml", "---\njson_rpc_url: \"https://a.example\"\nwebsocket_url: ''\n");
        assert_eq!(url(&Flags::default(), &[]), ("https://a.example".to_owned(), Source::SolanaConfig));
        fixture.write("gridlease/config.toml", "url = \"devnet\"\n");
        assert_eq!(url(&Flags::default(), &[]), ("devnet".to_owned(), Source::ConfigFile));
        let env = [(URL_VAR, "testnet")];
        assert_eq!(url(&Flags::default(), &env), ("testnet".to_owned(), Source::Environment));
        assert_eq!(url(&flags("m"), &env), ("m".to_owned(), Source::Flag));
    }

    #[test]
    fn the_keypair_is_solanas_unless_somebody_names_another_and_the_tilde_is_the_home_folder() {
        let fixture = Fixture::new();
        let keypair = |env: &[(&str, &str)]| fixture.resolve(&Flags::default(), env).unwrap().keypair.value;
        assert_eq!(keypair(&[]), fixture.home().config.join("solana/id.json"));
        fixture.write("solana/cli/config.yml", "keypair_path: ~/other.json\n");
        assert_eq!(keypair(&[]), fixture.home().home.join("other.json"));
        assert_eq!(keypair(&[(KEYPAIR_VAR, "/x/y.json")]), PathBuf::from("/x/y.json"));
    }

    #[test]
    fn a_websocket_address_of_another_network_is_not_taken_over() {
        let fixture = Fixture::new();
        fixture.write("gridlease/config.toml", "url = \"http://a:1\"\nws = \"ws://a:7\"\n");
        assert_eq!(fixture.resolve(&Flags::default(), &[]).unwrap().cluster().unwrap().ws(), "ws://a:7/");
        assert_eq!(fixture.resolve(&flags("http://b:5"), &[]).unwrap().cluster().unwrap().ws(), "ws://b:6/");
    }

    #[test]
    fn a_damaged_file_an_unknown_key_and_a_bad_address_are_named() {
        let fixture = Fixture::new();
        fixture.write("gridlease/config.toml", "urk = \"secret\"\n");
        let error = fixture.resolve(&Flags::default(), &[]).unwrap_err().to_string();
        assert!(error.contains("config.toml") && error.contains("urk") && error.contains("allowed"), "{error}");
        let path = fixture.home().config.join("other.toml");
        let error = ConfigFile::set(&path, "urk", "x").unwrap_err().to_string();
        assert!(error.contains("urk"), "{error}");
        let error = ConfigFile::set(&path, "url", "nonsense").unwrap_err().to_string();
        assert!(error.contains("nonsense"), "{error}");
        assert!(!path.exists(), "nothing is written for a bad value");
    }

    #[test]
    fn a_value_that_is_set_is_read_again_and_leaves_the_others_alone() {
        let fixture = Fixture::new();
        let path = fixture.home().config.join("gridlease/config.toml");
        ConfigFile::set(&path, "url", "devnet").unwrap();
        ConfigFile::set(&path, "keypair", "/k.json").unwrap();
        let settings = fixture.resolve(&Flags::default(), &[]).unwrap();
        assert_eq!(settings.url.value, "devnet");
        assert_eq!(settings.keypair.value, PathBuf::from("/k.json"));
    }
}
