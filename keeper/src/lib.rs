//! The keeper: turns the crank of the market. It never chooses an outcome, and nothing needs it: every step that it takes
//! can be taken by anybody, and the market itself decides what it does.
//!
//! ```text
//! observe ──► view ──► crank (pure) ──► execute ──► audit
//! ```
//!
//! * [`view`](gridlease_sdk::view): the market's accounts, followed by subscription and read again from time to time.
//! * [`crank`](gridlease_sdk::crank): view and time → what is due. Pure; every rule is `gridlease_core`'s.
//! * [`execute`]: bounded in number and in fees; a step that fails holds up no other.
//! * [`audit`]: do the books balance?
//!
//! ```no_run
//! # async fn keep(signer: std::sync::Arc<gridlease_keeper::KeeperSigner>) -> Result<(), Box<dyn std::error::Error>> {
//! use gridlease_keeper::{CancellationToken, Keeper, KeeperConfig};
//! use gridlease_sdk::rpc::ClusterUrl;
//!
//! let keeper = Keeper::new(KeeperConfig::new(ClusterUrl::parse("localhost")?), signer)?;
//! let mut events = keeper.events();
//! tokio::spawn(async move {
//!     while let Ok(event) = events.recv().await {
//!         println!("{event}");
//!     }
//! });
//! let summary = keeper.run(CancellationToken::new()).await?;
//! println!("{} transactions", summary.transactions);
//! # Ok(())
//! # }
//! ```

pub mod audit;
pub mod clock;
mod config;
mod counters;
mod error;
mod event;
pub mod execute;
mod readings;
mod run;

pub use config::{KeeperConfig, Mode};
pub use counters::{Counters, StepCount, Summary, Undone};
pub use error::KeeperError;
pub use event::{EVENT_QUEUE, KeeperEvent};
pub use execute::{Cause, Outcome, OutcomeKind};
pub use gridlease_sdk::crank::{Policy, Shard, ShardError, Verb};
pub use run::{Keeper, KeeperSigner, run};
pub use tokio_util::sync::CancellationToken;
