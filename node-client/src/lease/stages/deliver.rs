//! The chain is told how the lease ended. The lease's task posts it.

use super::{Facts, Part, Stage, StageName, Stands};
use crate::lease::reconcile::{Action, ChainState, just_posted};

/// See [`StageName::Deliver`].
pub(super) struct Deliver;

impl Stage for Deliver {
    fn name(&self) -> StageName {
        StageName::Deliver
    }

    fn part(&self) -> Part {
        Part::Ending
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        match facts.chain.state {
            state if state.is_over() => Stands::Done,
            ChainState::Unknown => Stands::Due(Action::AwaitChain),
            _ if just_posted(facts.record, facts.now) => Stands::Due(Action::AwaitChain),
            _ => Stands::Due(Action::PostFinish),
        }
    }
}
