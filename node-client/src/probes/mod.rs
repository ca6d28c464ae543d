//! Whether a job's service is up: what is asked ([`Probing`]), and who asks it ([`Prober`]), until the start is reported and after it.

mod ask;
mod plan;
mod prober;
mod program;

pub(crate) use ask::no_service;
pub use plan::{Probing, Question, is_said, wants_image};
pub use prober::{Health, Prober, Verdict};
