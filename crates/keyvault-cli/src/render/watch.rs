//! Rewriting the file when its content changes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::hook::Hook;
use super::{template, write};
use crate::failure::Failure;
use crate::shutdown;
use crate::vault::AllowedVaults;

/// A file that is kept up to date.
pub(super) struct Watch {
    pub(super) template: String,
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) interval: Duration,
    pub(super) vaults: AllowedVaults,
}

impl Watch {
    /// Writes `first`, then polls until a signal arrives. Only the first write can fail the command.
    pub(super) async fn run(self, first: Zeroizing<String>, hook: Option<Hook>) -> Result<(), Failure> {
        let shutdown = shutdown::signal()?;
        let (sender, writes) = watch::channel(0u64);
        let hook = async {
            match hook {
                Some(hook) => hook.run(writes).await,
                None => std::future::pending().await,
            }
        };
        // An unchanged file is not written, so that its readers need not reload it.
        let is_current = fs::read(&self.path).is_ok_and(|bytes| bytes == first.as_bytes());
        if !is_current {
            write(&self.path, &first, self.mode)?;
            sender.send_modify(|count| *count += 1);
        }
        tokio::select! {
            () = hook => {}
            () = self.poll(first, &sender) => {}
            () = shutdown => {}
        }
        Ok(())
    }

    /// Renders the template at each interval and writes the file when the text differs. Never returns.
    async fn poll(&self, mut current: Zeroizing<String>, writes: &watch::Sender<u64>) {
        let mut last_failure = String::new();
        loop {
            sleep(self.interval).await;
            let failure = match self.update(&mut current).await {
                Ok(is_written) => {
                    if is_written {
                        writes.send_modify(|count| *count += 1);
                        eprintln!("keyvault: wrote {}", self.path.display());
                    }
                    String::new()
                }
                Err(failure) => failure.to_string(),
            };
            // A failure that repeats is printed once.
            if !failure.is_empty() && failure != last_failure {
                eprintln!("keyvault: did not write {}: {failure}", self.path.display());
            }
            last_failure = failure;
        }
    }

    /// Returns whether the text differed from `current` and was written.
    async fn update(&self, current: &mut Zeroizing<String>) -> Result<bool, Failure> {
        let text = template::render(&self.template, &self.vaults).await?;
        if text == *current {
            return Ok(false);
        }
        write(&self.path, &text, self.mode)?;
        *current = text;
        Ok(true)
    }
}
