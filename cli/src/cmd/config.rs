//! `gridlease config`

use clap::Subcommand;
use gridlease_sdk::rpc::ClusterUrl;
use serde::Serialize;

use super::Context;
use crate::error::CliError;
use crate::output::{Report, rows};
use crate::settings::{ConfigFile, Source};

/// This user's settings.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Show what holds, and where it comes from.
    #[command(after_help = "Example:\n  gridlease config show")]
    Show,
    /// Set a value in the configuration file.
    #[command(
        after_help = "Examples:\n  gridlease config set url devnet\n  gridlease config set keypair ~/keys/buyer.json"
    )]
    Set {
        /// Which: url, ws, keypair or state-dir.
        key: String,
        /// Its value.
        value: String,
    },
}

/// One setting.
#[derive(Debug, Serialize)]
struct Setting {
    name: &'static str,
    value: String,
    source: Source,
}

#[derive(Debug, Serialize)]
struct Shown {
    config_file: String,
    settings: Vec<Setting>,
}

impl Report for Shown {
    fn human(&self) -> String {
        let table = rows(
            &["setting", "value", "from"],
            self.settings.iter().map(|it| vec![it.name.to_owned(), it.value.clone(), it.source.to_string()]),
        );
        format!("{table}\n\nconfiguration file: {}", self.config_file)
    }
}

pub(super) fn run(context: &Context, command: Config) -> Result<(), CliError> {
    match command {
        Config::Set { key, value } => {
            ConfigFile::set(&context.settings.config_file, &key, &value)?;
            let shown = if key == "url" {
                ClusterUrl::parse(&value).map(|url| url.shown_rpc()).unwrap_or_default()
            } else {
                value
            };
            context.out.note(&format!("{key} is {shown} in {}", context.settings.config_file.display()));
            Ok(())
        }
        Config::Show => {
            let settings = &context.settings;
            let cluster = settings.cluster()?;
            let setting = |name, value: String, source| Setting { name, value, source };
            let shown = Shown {
                config_file: settings.config_file.display().to_string(),
                settings: vec![
                    setting("url", cluster.shown_rpc(), settings.url.source),
                    setting("ws", cluster.shown_ws(), settings.ws.as_ref().map_or(settings.url.source, |ws| ws.source)),
                    setting("keypair", settings.keypair.value.display().to_string(), settings.keypair.source),
                    setting("state-dir", settings.state_dir.value.display().to_string(), settings.state_dir.source),
                ],
            };
            context.out.report(&shown)
        }
    }
}
