//! Polling for new versions while the child runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use super::environment::ChildEnvironment;
use super::unresolved::UnresolvedEnvironment;
use crate::vault::AllowedVaults;

/// Resolves the environment again and again.
pub(super) struct ChangePoller {
    pub(super) unresolved: UnresolvedEnvironment,
    pub(super) vaults: AllowedVaults,
    pub(super) interval: Duration,
    pub(super) current: Arc<ChildEnvironment>,
}

impl ChangePoller {
    /// Sends each environment that differs from the one before. Prints the first of several failures in a row.
    ///
    /// Returns when the receiver is dropped.
    pub(super) async fn run(mut self, changes: Sender<Arc<ChildEnvironment>>) {
        let mut delay = PollDelay::new(self.interval);
        let mut has_failed = false;
        loop {
            sleep(delay.duration()).await;
            let newer = match self.unresolved.resolve(&self.vaults).await {
                Ok(newer) => newer,
                Err(failure) => {
                    if !has_failed {
                        eprintln!("keyvault: cannot check for new versions, the command keeps running: {failure}");
                    }
                    has_failed = true;
                    continue;
                }
            };
            has_failed = false;
            let changed = Vec::from_iter(self.current.changed(&newer)).join(", ");
            delay.record(!changed.is_empty());
            if changed.is_empty() {
                continue;
            }
            eprintln!("keyvault: restarting the command, because these variables changed: {changed}");
            self.current = Arc::new(newer);
            if changes.send(Arc::clone(&self.current)).await.is_err() {
                return;
            }
        }
    }
}

/// The delay before the next poll. It doubles after each change, so that secrets that change all the time do not
/// restart the child all the time.
struct PollDelay {
    interval: Duration,
    factor: u32,
}

impl PollDelay {
    fn new(interval: Duration) -> Self {
        Self { interval, factor: 1 }
    }

    fn duration(&self) -> Duration {
        (self.interval * self.factor).min(MAX_DELAY.max(self.interval))
    }

    fn record(&mut self, is_change: bool) {
        self.factor = if is_change { (self.factor * 2).min(64) } else { 1 };
    }
}

const MAX_DELAY: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_with_each_consecutive_change() {
        let mut delay = PollDelay::new(Duration::from_secs(60));
        let mut seconds = Vec::new();
        for is_change in [false, true, true, true, false, true] {
            delay.record(is_change);
            seconds.push(delay.duration().as_secs());
        }
        assert_eq!(seconds, [60, 120, 240, 480, 60, 120]);
        (0..20).for_each(|_| delay.record(true));
        assert_eq!(delay.duration(), MAX_DELAY);
        assert_eq!(PollDelay::new(MAX_DELAY * 2).duration(), MAX_DELAY * 2);
    }
}
