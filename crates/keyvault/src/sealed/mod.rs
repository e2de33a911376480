//! The last good secrets in a file, for a start in an outage.

#[cfg(feature = "sealed")]
mod content;
#[cfg(feature = "sealed")]
mod envelope;
#[cfg(feature = "sealed")]
mod file;
mod health;
#[cfg(feature = "sealed")]
mod key;
#[cfg(feature = "sealed")]
mod offline;
mod refusal;
#[cfg(feature = "sealed")]
mod sealer;
#[cfg(feature = "sealed")]
mod snapshot;
#[cfg(not(feature = "sealed"))]
mod unsealed;

pub use self::health::SealedHealth;
#[cfg(feature = "sealed")]
pub use self::key::SealingKey;
pub use self::refusal::SealedRefusal;
#[cfg(feature = "sealed")]
pub(crate) use self::sealer::Sealer;
#[cfg(feature = "sealed")]
pub use self::snapshot::{SealedContents, SealedSnapshot};
#[cfg(not(feature = "sealed"))]
pub(crate) use self::unsealed::Sealer;
