//! Decoding of the programs' events out of the inner instructions of a transaction. Which events there are comes from the
//! programs' own descriptions (`build.rs`).

use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::{AnchorDeserialize, Discriminator};
use solana_pubkey::Pubkey;

pub use crate::program::market::events as market;
pub use crate::program::staking::events as staking;

/// First eight bytes of every event that a program tells by self-CPI.
pub const EVENT_TAG: &[u8] = EVENT_IX_TAG_LE;

macro_rules! events {
    ($name:ident, $program:ident, $($variant:ident),*) => {
        /// An event of the program; each variant holds the event of its name.
        #[allow(missing_docs, reason = "each variant holds the event of its name")]
        #[derive(Clone, Debug)]
        pub enum $name { $($variant($program::$variant)),* }

        impl $name {
            /// Decodes the data of an inner instruction (behind [`EVENT_TAG`]); `None` for an unknown event.
            fn decode(data: &[u8]) -> Option<Self> {
                $(if let Some(mut body) = data.strip_prefix($program::$variant::DISCRIMINATOR) {
                    return $program::$variant::deserialize(&mut body).ok().map(Self::$variant);
                })*
                None
            }

            /// The event's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant)),* }
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/events.rs"));

/// An event of either program.
#[derive(Clone, Debug)]
pub enum Event {
    /// Of the market.
    Market(MarketEvent),
    /// Of the staking program.
    Staking(StakingEvent),
}

/// Decodes an inner instruction's data; `None` where it is no event of ours.
pub fn decode(program: &Pubkey, data: &[u8]) -> Option<Event> {
    let body = data.strip_prefix(EVENT_TAG)?;
    if *program == crate::address::MARKET {
        MarketEvent::decode(body).map(Event::Market)
    } else if *program == crate::address::STAKING {
        StakingEvent::decode(body).map(Event::Staking)
    } else {
        None
    }
}
