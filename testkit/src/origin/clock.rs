//! This machine's clock, against which a store checks when a request was signed.

use time::OffsetDateTime;

pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
