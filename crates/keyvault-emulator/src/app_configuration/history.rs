//! The states of one key and label over time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key_value::KeyValue;
use super::view::View;

/// The states of one key and label, oldest first. It has at least one.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Change>);

/// A change: a new state, or a deletion.
#[derive(Clone, Deserialize, Serialize)]
struct Change {
    at: Duration,
    /// The number of the change in its store.
    sequence: u64,
    /// `None` for a deletion.
    state: Option<KeyValue>,
}

impl History {
    /// Returns the state in a view. `None` if there is no key-value then.
    pub(super) fn state(&self, view: &View) -> Option<&KeyValue> {
        self.0.iter().rev().find(|change| change.is_in(view))?.state.as_ref()
    }

    /// Returns the states in a view, newest first, with the numbers of their changes. A deletion is no state, and a
    /// state whose retention has ended is not listed unless it is the newest.
    pub(super) fn revisions(&self, view: View, now: Duration) -> impl Iterator<Item = (u64, &KeyValue)> {
        let last = self.0.len() - 1;
        self.0.iter().enumerate().rev().filter_map(move |(at, change)| {
            let is_kept = at == last || change.is_retained(now);
            let state = change.state.as_ref().filter(|_| is_kept && change.is_in(&view))?;
            Some((change.sequence, state))
        })
    }

    /// Returns the number of the newest change in a view.
    pub(super) fn sequence(&self, view: &View) -> Option<u64> {
        self.0.iter().rev().find(|change| change.is_in(view)).map(|change| change.sequence)
    }

    /// Returns the ETag of the newest state.
    pub(super) fn latest_etag(&self) -> Option<&str> {
        let states = self.0.iter().rev().filter_map(|change| change.state.as_ref());
        states.map(|state| state.etag.as_str()).next()
    }

    /// Adds a state, or a deletion. Removes the states that were replaced before the retention.
    pub(super) fn push(&mut self, state: Option<KeyValue>, sequence: u64, now: Duration) {
        self.0.push(Change { at: now, sequence, state });
        let replaced = self.0.windows(2).take_while(|pair| !pair[1].is_retained(now)).count();
        self.0.drain(..replaced);
    }

    /// Returns whether this program could have written the history of a key and label.
    pub(super) fn is_valid(&self, sort_text: &str) -> bool {
        let is_of_key = |state: &KeyValue| state.id().sort_text() == sort_text;
        !self.0.is_empty() && self.0.iter().all(|change| change.state.as_ref().is_none_or(is_of_key))
    }
}

impl Change {
    fn is_in(&self, view: &View) -> bool {
        view.contains(self.at, self.sequence)
    }

    fn is_retained(&self, now: Duration) -> bool {
        self.at.checked_add(RETENTION).is_none_or(|end| end > now)
    }
}

/// The retention of revisions in the standard tier.
///
/// See [revisions](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-revisions).
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_state_that_was_replaced_before_the_retention_is_removed() {
        let mut history = History::default();
        for (sequence, (day, expected)) in (0..).zip([(0, 1), (0, 2), (10, 3), (29, 4), (30, 4), (41, 4)]) {
            history.push(None, sequence, day * DAY);
            assert_eq!(history.0.len(), expected, "on day {day}");
        }
        // The state of day 11 is that of day 10.
        assert_eq!(history.0[0].at, 10 * DAY);
    }

    #[test]
    fn a_time_of_a_damaged_file_is_retained() {
        let mut history = History(vec![Change { at: Duration::MAX, sequence: 1, state: None }]);
        history.push(None, 2, DAY);
        assert_eq!(history.revisions(View::LATEST, DAY).count(), 0);
        assert_eq!(history.0.len(), 2);
    }
}
