//! Rewriting the file when its content changes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::{template, write};
use crate::access::Access;
use crate::failure::Failure;
use crate::hook::HookArguments;
use crate::settings::Format;
use crate::shutdown;
use crate::store::SettingsStore;
use crate::vault::AllowedVaults;

/// A file that is kept up to date.
pub(super) struct Watch {
    pub(super) template: String,
    pub(super) format: Format,
    pub(super) path: PathBuf,
    pub(super) access: Access,
    pub(super) interval: Duration,
    pub(super) vaults: AllowedVaults,
    pub(super) store: Option<SettingsStore>,
}

impl Watch {
    /// Writes `first`, then polls until a signal arrives. Only the first write can fail the command.
    pub(super) async fn run(self, first: Zeroizing<String>, hook: HookArguments) -> Result<(), Failure> {
        let shutdown = shutdown::signal()?;
        let (sender, writes) = watch::channel(0u64);
        // An unchanged file is not written, so that its readers need not reload it.
        if !self.is_current(&first) {
            write(&self.path, &first, &self.access)?;
            sender.send_modify(|count| *count += 1);
        }
        tokio::select! {
            () = hook.run(writes) => {}
            () = self.poll(first, &sender) => {}
            () = shutdown => {}
        }
        Ok(())
    }

    /// Returns whether the file has this content and mode already.
    fn is_current(&self, text: &str) -> bool {
        let metadata = fs::symlink_metadata(&self.path);
        metadata.is_ok_and(|metadata| metadata.is_file() && self.access.is_of(&self.path, &metadata))
            && fs::read(&self.path).is_ok_and(|bytes| bytes == text.as_bytes())
    }

    /// Returns whether the file was removed since it was written.
    fn is_removed(&self) -> bool {
        fs::symlink_metadata(&self.path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Renders the template at each interval and writes the file when the text differs or the file was removed. Never
    /// returns.
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

    /// Returns whether the file was written, because the text differs from `current` or the file was removed.
    async fn update(&self, current: &mut Zeroizing<String>) -> Result<bool, Failure> {
        let rendered = template::render(&self.template, self.format, &self.vaults, self.store.as_ref()).await?;
        if rendered.text == *current && !self.is_removed() {
            return Ok(false);
        }
        write(&self.path, &rendered.text, &self.access)?;
        rendered.print_near_misses();
        *current = rendered.text;
        Ok(true)
    }
}
