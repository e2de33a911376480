//! The options of live settings.

use std::time::Duration;

use super::credential_report::PreviousVersion;
use super::debounce::Debounce;
use super::revocation::Revocation;
use super::selector::SecretSelector;
use crate::error::{Error, Result};
use crate::time::TokenRate;

/// The options of live settings. None of them depends on the type of the settings.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) interval: Duration,
    /// The secrets with an interval of their own.
    pub(super) intervals: Vec<(SecretSelector, Duration)>,
    pub(super) startup_deadline: Duration,
    pub(super) minimum_failure_delay: Duration,
    /// The longest time that one refresh may take, validation included.
    pub(super) refresh_deadline: Duration,
    /// The time over which the instances of a fleet spread their reaction to one event.
    pub(super) event_spread: Duration,
    pub(super) debounce: Option<Debounce>,
    pub(super) revocation: Revocation,
    pub(super) max_staleness: Option<Duration>,
    pub(super) expiry_notice: Duration,
    /// How often a secret may be reported as rejected.
    pub(super) reports: TokenRate,
    pub(super) previous_version: PreviousVersion,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(300),
            intervals: Vec::new(),
            startup_deadline: Duration::from_secs(100),
            minimum_failure_delay: Duration::from_secs(5),
            refresh_deadline: Duration::from_secs(100),
            event_spread: Duration::from_secs(30),
            debounce: None,
            revocation: Revocation::default(),
            max_staleness: None,
            expiry_notice: Duration::from_secs(30 * 86_400),
            reports: TokenRate { burst: 8, refill: Duration::from_secs(15) },
            previous_version: PreviousVersion::default(),
        }
    }
}

impl Options {
    /// Checks that the options can work.
    pub(super) fn check(&self) -> Result<()> {
        let mut intervals = self.intervals.iter().map(|(_, interval)| *interval).chain([self.interval]);
        if intervals.any(|interval| interval < LEAST_INTERVAL) {
            return Err(Error::invalid("refresh interval is below 1 second"));
        }
        if self.startup_deadline.min(self.refresh_deadline) < LEAST_DEADLINE {
            return Err(Error::invalid("deadline of a start or a refresh is below 1 millisecond"));
        }
        if self.debounce.is_some_and(|debounce| debounce.maximum < debounce.minimum) {
            return Err(Error::invalid("maximum of the debounce is below its minimum"));
        }
        if self.reports.burst == 0 {
            return Err(Error::invalid("rejection budget is zero"));
        }
        Ok(())
    }
}

const LEAST_INTERVAL: Duration = Duration::from_secs(1);
const LEAST_DEADLINE: Duration = Duration::from_millis(1);
