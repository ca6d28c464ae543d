//! What the tests share. The tests themselves are in `tests/`.

pub mod idl;
pub mod svm;
pub mod terms;
