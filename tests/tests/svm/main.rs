//! The built programs in the test VM, one module a topic.

mod walk;
