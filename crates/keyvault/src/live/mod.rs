//! Live settings: typed, current, and replaced whole.
//!
//! [`LiveBuilder`] loads the first settings and spawns a loop that keeps them current. [`Live`] is the handle to read
//! them; [`Watcher`] waits for changes; [`Health`] reports how fresh they are.
//!
//! # In which order to read
//!
//! The loop is compiled once, in this crate, and does not know the type of the settings. `target` is the boundary:
//! merging layers, extracting, validating and publishing are the only steps behind it.
//!
//! ```text
//! builder ─▶ start ─▶ refresh_loop ─▶ planner ───────▶ refresh_queue, schedule, planned_refresh
//!                           │
//!                           └───────▶ refresh_cycle ─▶ settings_loader ─▶ target ─▶ publication
//!                                           │
//!                                           └────────▶ shared_state ─▶ health_state, notices
//!
//! live_handle, projection, watcher ─▶ refresh_handle ─▶ shared_state
//! ```
//!
//! 1. `builder`, `setup` and `options`: what a program configures. `selector` names secrets, `event_sources` merges the
//!    sources of events, and `validate` is the application's own check.
//! 2. `start`: the first settings, with retries, or from a sealed snapshot.
//! 3. `refresh_loop`: begins each refresh that is due or requested, and learns from its outcome. Refreshes run side by
//!    side, so that no vault and no source of work waits for another.
//! 4. `planner`: decides what each refresh fetches, from `refresh_queue` (events, intervals, retries, and the dates
//!    in `expiry`), `pending_calls` (waiting callers) and `credential_report` (credentials that a server rejected).
//! 5. `refresh_cycle`: the steps of a refresh. `settings_loader` loads and validates; `debounce` holds related changes
//!    together; `revocation` decides whether a failure means that a secret was taken away.
//! 6. `shared_state`: what the loop writes and handles read. `health_state` and `notices` are part of it, and `health`
//!    is what a program sees of it.
//! 7. `live_handle`, `projection`, `watcher`: what a program reads. They reach the loop through `refresh_handle`.
//!    `fixed` creates a handle without a loop, for tests.
//!
//! # Two results
//!
//! A load returns `Loaded`: a tree without references, with origins, secrets and report. Validation makes it
//! publishable, and publishing it creates a [`Published`] with the next generation. Nothing is published half done, and
//! nothing about an attempt is recorded as done before its settings are published.

mod builder;
mod credential_report;
mod debounce;
mod event_sources;
mod expiry;
mod fixed;
mod health;
mod health_state;
mod live_handle;
mod notices;
mod options;
mod pending_calls;
mod planned_refresh;
mod planner;
mod projection;
mod publication;
mod refresh_cycle;
mod refresh_handle;
mod refresh_loop;
mod refresh_queue;
mod revocation;
mod schedule;
mod selector;
mod settings_loader;
mod setup;
mod shared_state;
mod start;
mod target;
mod validate;
mod watcher;

pub use self::builder::LiveBuilder;
pub use self::credential_report::{CredentialCheck, PreviousVersion};
pub use self::health::{Health, PushHealth, SecretHealth, SecretStatus};
pub use self::live_handle::Live;
pub use self::notices::Notice;
pub use self::projection::{Projected, Projection};
pub use self::publication::{Change, Current, Published};
pub(crate) use self::publication::{Publication, PublishedCell};
pub(crate) use self::refresh_handle::CredentialReporter;
pub use self::revocation::Revocation;
pub use self::selector::SecretSelector;
pub(crate) use self::selector::is_at_or_below;
pub(crate) use self::settings_loader::contained;
pub use self::validate::{AsyncHook, Unvalidated, Validate, ValidationError};
pub(crate) use self::watcher::ChangeFeed;
pub use self::watcher::Watcher;
