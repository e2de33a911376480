//! Dates as text.

use std::time::{SystemTime, UNIX_EPOCH};

use azure_core::time::{OffsetDateTime, to_rfc3339};

/// Formats a time as RFC 3339, in whole seconds. `None` before 1970 and after 9999, where the formatter panics.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok().map(|time| to_rfc3339(&time))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_date_out_of_range_has_no_text() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (time, expected) in [
            (after(0), Some("1970-01-01T00:00:00Z")),
            (after(253_402_300_799), Some("9999-12-31T23:59:59Z")),
            (after(253_402_300_800), None),
            (after(i64::MAX as u64), None),
            (UNIX_EPOCH - Duration::from_secs(1), None),
        ] {
            assert_eq!(rfc3339(time).as_deref(), expected, "{time:?}");
        }
    }
}
