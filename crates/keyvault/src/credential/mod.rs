//! The credential of a service in Azure and of the laptop that it is developed on.
//!
//! [`default_credential`] finds the identity of the place where the program runs; [`DefaultCredentialBuilder`] selects
//! among the places ([`CredentialStep`]). Any other `TokenCredential` works as well.

// In reading order: `builder`, then `default_credential` tries the steps (`step`): applications of Entra (`entra`,
// with `job_token` in CI systems), a managed identity (`managed_identity`), and command-line tools (`tool`).
// `variables` holds their configuration; `response_body` limits what an endpoint answers.

mod builder;
mod default_credential;
mod entra;
mod job_token;
mod managed_identity;
mod response_body;
mod step;
mod tool;
mod variables;

pub use self::builder::{DefaultCredentialBuilder, default_credential};
pub use self::default_credential::DefaultCredential;
pub use self::step::{CredentialStep, StepOutcome};
