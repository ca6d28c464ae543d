//! Decoding of the programs' events out of the inner instructions of a transaction.

use anchor_lang::{AnchorDeserialize, Discriminator};
use solana_pubkey::Pubkey;

pub use crate::program::market::events as market;
pub use crate::program::staking::events as staking;

/// First eight bytes of every event that a program tells by self-CPI.
pub const EVENT_TAG: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];

macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $($variant:ident($type:ty)),* $(,)? }) => {
        $(#[$doc])*
        #[allow(missing_docs, reason = "each variant holds the event of its name")]
        #[derive(Clone, Debug)]
        pub enum $name { $($variant($type)),* }

        impl $name {
            /// Decodes the data of an inner instruction (behind [`EVENT_TAG`]); `None` for an unknown event.
            fn decode(data: &[u8]) -> Option<Self> {
                $(if let Some(mut body) = data.strip_prefix(<$type>::DISCRIMINATOR) {
                    return <$type>::deserialize(&mut body).ok().map(Self::$variant);
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

events!(
    /// An event of the market.
    MarketEvent {
        PurseOpened(market::PurseOpened),
        Deposited(market::Deposited),
        Withdrawn(market::Withdrawn),
        FeesSwept(market::FeesSwept),
        ProviderRecorded(market::ProviderRecorded),
        OfferRecorded(market::OfferRecorded),
        OfferWithdrawn(market::OfferWithdrawn),
        JobPosted(market::JobPosted),
        BidEntered(market::BidEntered),
        JobAwarded(market::JobAwarded),
        JobReopened(market::JobReopened),
        JobEnded(market::JobEnded),
        LeaseReady(market::LeaseReady),
        Settled(market::Settled),
        ToppedUp(market::ToppedUp),
        LeaseEnded(market::LeaseEnded),
        FaultSlashed(market::FaultSlashed),
        GraceBegan(market::GraceBegan),
        LeaseClosed(market::LeaseClosed),
        JobClosed(market::JobClosed),
        BatchSettled(market::BatchSettled),
        LivenessChallenged(market::LivenessChallenged),
        ChallengeResolved(market::ChallengeResolved),
        LeaseResumed(market::LeaseResumed),
        CreditCollected(market::CreditCollected),
        CheckpointWritten(market::CheckpointWritten),
        NoticeGiven(market::NoticeGiven),
        LeaseReleased(market::LeaseReleased),
        BidCommitted(market::BidCommitted),
        BidRevealed(market::BidRevealed),
        BidForfeited(market::BidForfeited),
        BidReleased(market::BidReleased),
        BidsDropped(market::BidsDropped),
        IndexOpened(market::IndexOpened),
        TradeRecorded(market::TradeRecorded),
        MarketConfigured(market::MarketConfigured),
        ChangeProposed(market::ChangeProposed),
        ChangeExecuted(market::ChangeExecuted),
        ChangeCancelled(market::ChangeCancelled),
        AdminNamed(market::AdminNamed),
        AdminChanged(market::AdminChanged),
        PauseSet(market::PauseSet),
        SpenderSet(market::SpenderSet),
        DonationSwept(market::DonationSwept),
        PurseClosed(market::PurseClosed),
        PayoutProposed(market::PayoutProposed),
        PayoutChanged(market::PayoutChanged),
        ProviderClosed(market::ProviderClosed),
        GpusClaimed(market::GpusClaimed),
        GpusReleased(market::GpusReleased),
        BenchmarkRecorded(market::BenchmarkRecorded),
        ArrayPosted(market::ArrayPosted),
        TaskOpened(market::TaskOpened),
        TaskClosed(market::TaskClosed),
        ArrayEnded(market::ArrayEnded),
        ArrayClosed(market::ArrayClosed),
        TipPaid(market::TipPaid),
        PayoutRedirected(market::PayoutRedirected),
    }
);

events!(
    /// An event of the staking program.
    StakingEvent {
        BondOpened(staking::BondOpened),
        StakeAdded(staking::StakeAdded),
        Reserved(staking::Reserved),
        Released(staking::Released),
        Slashed(staking::Slashed),
        PoolOpened(staking::PoolOpened),
        PoolChanged(staking::PoolChanged),
        RevenueDistributed(staking::RevenueDistributed),
        Delegated(staking::Delegated),
        UnbondingRequested(staking::UnbondingRequested),
        StakeWithdrawn(staking::StakeWithdrawn),
        RevenueClaimed(staking::RevenueClaimed),
        CommissionClaimed(staking::CommissionClaimed),
        DelegationClosed(staking::DelegationClosed),
        DonationSwept(staking::DonationSwept),
        InsurancePaid(staking::InsurancePaid),
        BondClosed(staking::BondClosed),
        ConfigWritten(staking::ConfigWritten),
        ConfigProposed(staking::ConfigProposed),
        AdminProposed(staking::AdminProposed),
        AdminAccepted(staking::AdminAccepted),
    }
);

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
    let body = data.strip_prefix(&EVENT_TAG)?;
    if *program == crate::address::MARKET {
        MarketEvent::decode(body).map(Event::Market)
    } else if *program == crate::address::STAKING {
        StakingEvent::decode(body).map(Event::Staking)
    } else {
        None
    }
}
