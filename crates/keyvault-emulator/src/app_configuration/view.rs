//! The part of the changes that a read sees.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A selection of changes: all, those until a time, or those that have spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The time whose state is read. `None` for the latest state.
    pub(super) time: Option<Duration>,
    spread: Option<Spread>,
}

/// The changes that every replica of a store has, or that the sync token of the request includes.
#[derive(Clone, Copy, Debug)]
struct Spread {
    until: Duration,
    sequence: u64,
}

impl View {
    /// The latest state.
    pub(crate) const LATEST: Self = Self { time: None, spread: None };

    /// Returns the view of a read at a time, or of the latest state.
    pub(super) fn at(time: Option<Duration>) -> Self {
        Self { time, spread: None }
    }

    /// Hides the changes after `until`, except those that `sync_token` includes.
    pub(super) fn with_spread(self, until: Duration, sync_token: Option<&str>) -> Self {
        let sequence = sync_token.map_or(0, sequence_of);
        Self { spread: Some(Spread { until, sequence }), ..self }
    }

    /// Returns whether the view contains every change that its time allows.
    pub(super) fn is_latest(&self) -> bool {
        self.spread.is_none()
    }

    /// Returns whether the view contains a change.
    pub(super) fn contains(&self, time: Duration, sequence: u64) -> bool {
        let is_spread = self.spread.is_none_or(|spread| time <= spread.until || sequence <= spread.sequence);
        is_spread && self.time.is_none_or(|limit| time <= limit)
    }
}

/// Returns the sync token after a change, without its identifier.
pub(super) fn sync_token(sequence: u64) -> String {
    format!("{ID}={};sn={sequence}", STANDARD.encode(format!("{PREFIX}{sequence}")))
}

/// Returns the number of the latest change that the header `Sync-Token` includes. Other tokens do not count.
fn sequence_of(header: &str) -> u64 {
    let sequence = |token: &str| {
        let value = token.trim().strip_prefix(ID)?.strip_prefix('=')?.split(';').next()?;
        let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        text.strip_prefix(PREFIX)?.parse::<u64>().ok()
    };
    header.split(',').filter_map(sequence).max().unwrap_or(0)
}

/// The identifier of the token. Clients keep one token for each.
const ID: &str = "zAJw6V16";
const PREFIX: &str = "1:1#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_a_client_sends_it() {
        let token = sync_token(28);
        let (sent, number) = token.split_once(";sn=").unwrap();
        assert_eq!(number, "28");
        for (header, expected) in [
            (sent, 28),
            (token.as_str(), 28),
            (&format!("other=MDoyOA==, {sent}"), 28),
            ("other=MDoyOA==", 0),
            ("zAJw6V16=nonsense", 0),
            ("", 0),
        ] {
            assert_eq!(sequence_of(header), expected, "{header}");
        }
    }

    #[test]
    fn a_change_is_visible_when_it_has_spread_or_the_token_includes_it() {
        let seconds = Duration::from_secs;
        let view = View::at(None).with_spread(seconds(10), Some(&sync_token(5)));
        for (time, sequence, expected) in [(10, 6, true), (11, 6, false), (11, 5, true)] {
            assert_eq!(view.contains(seconds(time), sequence), expected, "{time} {sequence}");
        }
        assert!(View::LATEST.contains(seconds(99), 99));
        assert!(!View::at(Some(seconds(9))).contains(seconds(10), 1));
    }
}
