//! Looking for new versions while the child runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use super::environment::{Environment, Variables};
use crate::vaults::Vaults;

/// The watch on the secrets of a child.
pub(crate) struct Poll {
    pub(crate) variables: Variables,
    pub(crate) vaults: Vaults,
    pub(crate) interval: Duration,
    pub(crate) last: Arc<Environment>,
}

impl Poll {
    /// Asks at every interval and sends the environment whenever it changed. A vault that does not answer is told once.
    pub(crate) async fn run(mut self, changes: Sender<Arc<Environment>>) {
        let mut pace = Pace::new(self.interval);
        let mut is_known_bad = false;
        loop {
            sleep(pace.wait()).await;
            match self.variables.resolve(&self.vaults).await {
                Err(failure) if !is_known_bad => {
                    eprintln!("keyvault: cannot look for new versions, the command goes on as it is: {failure}");
                    is_known_bad = true;
                }
                Err(_) => {}
                Ok(newer) => {
                    is_known_bad = false;
                    let changed = Vec::from_iter(self.last.changed(&newer)).join(", ");
                    pace.learn(!changed.is_empty());
                    if changed.is_empty() {
                        continue;
                    }
                    eprintln!("keyvault: restarting the command, for these variables changed: {changed}");
                    self.last = Arc::new(newer);
                    if changes.send(Arc::clone(&self.last)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// How long to wait: twice as long after each change, so that secrets that change all the time do not restart the child
/// all the time.
struct Pace {
    interval: Duration,
    factor: u32,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self { interval, factor: 1 }
    }

    fn wait(&self) -> Duration {
        (self.interval * self.factor).min(LONGEST.max(self.interval))
    }

    fn learn(&mut self, changed: bool) {
        self.factor = if changed { (self.factor * 2).min(64) } else { 1 };
    }
}

const LONGEST: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_change_after_the_other_is_waited_for_longer_and_longer() {
        let mut pace = Pace::new(Duration::from_secs(60));
        let mut waits = Vec::new();
        for changed in [false, true, true, true, false, true] {
            pace.learn(changed);
            waits.push(pace.wait().as_secs());
        }
        assert_eq!(waits, [60, 120, 240, 480, 60, 120]);
        (0..20).for_each(|_| pace.learn(true));
        assert_eq!(pace.wait(), LONGEST);
        assert_eq!(Pace::new(LONGEST * 2).wait(), LONGEST * 2);
    }
}
