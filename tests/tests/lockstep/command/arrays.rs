//! What may happen to an array and to its tasks.

use gridlease_core::array::Shape;

use super::{By, JobTerms};

/// A step of one array; its buyer is the array's place modulo the buyers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayStep {
    Post {
        by: By,
        shape: Shape,
        terms: JobTerms,
    },
    /// `ahead` of the task that should be opened.
    Open {
        ahead: i8,
    },
    Cancel {
        by: By,
    },
    Close,
}

/// A step of a job that is a task of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStep {
    Close,
    Cancel,
    Stop { lease: usize },
}
