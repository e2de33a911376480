//! An Azure Key Vault secrets service in one process, for tests and laptops.
//!
//! It speaks the REST API as the service does — every operation on secrets, every `api-version`, errors with their
//! codes and inner codes, paging by marker, soft delete, the challenge — over TLS with an authority of its own, over
//! plain http, and without any socket. Tokens come from its own Entra and managed identity endpoints, so that a
//! credential runs its whole course. And it breaks on demand: [`Fault`] has what a network, a proxy and a hostile
//! server can do.
//!
//! ```
//! use keyvault_emulator::Emulator;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! emulator.set("db-password", "hunter2");
//!
//! let client = reqwest::Client::builder()
//!     .tls_certs_only([reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes())?])
//!     .build()?;
//! let answer = client
//!     .get(format!("{}/secrets/db-password?api-version=2025-07-01", emulator.vault_url()))
//!     .bearer_auth(emulator.token())
//!     .send()
//!     .await?;
//! assert!(answer.text().await?.starts_with(r#"{"value":"hunter2","#));
//! assert_eq!(emulator.requests().get, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Reaching it
//!
//! A client needs three things: the [URL](Emulator::vault_url), trust in the [authority](Emulator::ca_pem), and
//! tokens. For the Azure SDKs that means a transport with that certificate, `verify_challenge_resource` switched off
//! (a loopback address does not end in `.vault.azure.net`), and one of
//!
//! - a client secret credential with [`authority_url`](Emulator::authority_url), [`tenant_id`](Emulator::tenant_id),
//!   [`client_id`](Emulator::client_id) and [`client_secret`](Emulator::client_secret);
//! - a managed identity credential with `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` set to
//!   [`identity_endpoint`](Emulator::identity_endpoint) and [`identity_header`](Emulator::identity_header), or
//!   `AZURE_POD_IDENTITY_AUTHORITY_HOST` set to [`http_url`](Emulator::http_url);
//! - a fixed [`token`](Emulator::token), or any at all after
//!   [`accept_any_token`](EmulatorBuilder::accept_any_token).
//!
//! Without a socket, [`Emulator::handle`] answers a request as a function does: the way to test under a paused clock.
//!
//! # Several vaults
//!
//! The host name chooses: `NAME.vault.azure.net` and `NAME.localhost` reach the vault `NAME`, any other host the
//! default one. [`Emulator::vault`] puts secrets into either.
//!
//! # The control endpoint
//!
//! What a test can do from Rust, one in another language can do over http: JSON in, JSON out, under
//! [`control_url`](Emulator::control_url), on the plain listener only, without a token. Times are in seconds, and
//! may have fractions unless they are dates.
//!
//! | path | `GET` | `POST` | `DELETE` |
//! | --- | --- | --- | --- |
//! | `/clock` | `now`, `shift_seconds`, `frozen` | any of them: `{"shift_seconds": 86400}` moves it (further) | resets it |
//! | `/faults` | those still to strike | adds one, see below | removes all |
//! | `/throttle` | the limits, or null | `{}` for the service's, or any of `sets`, `others`, `window_seconds`, `retry_after_seconds` | off |
//! | `/access` | what is denied | `{"deny": "access-policy"}`, or `rbac`, `firewall`, `private-link` | denies nothing |
//! | `/requests` | [counters](Requests) | | counts anew |
//! | `/log` | [requests](LoggedRequest), oldest first | | begins anew |
//! | `/latency` | `milliseconds` | sets it | none |
//! | `/secrets` | | sets those of a [seed](Seed); `?vault=NAME` for another vault | empties every vault |
//! | `/tokens` | | | revokes every token |
//!
//! A fault is named by `fault`: `status` (with `status`, and perhaps `retry_after`, `headers`, `body`),
//! `unauthorized`, `insufficient-claims`, `challenge` (with `challenge`), `redirect` (with `location`), `latency` (with `milliseconds`),
//! `hang`, `reset`, `hang-in-body`, `truncated`, `oversized` (with `bytes`), `not-json`, `wrong-json`, `wrong-id`,
//! `next-link` (with `link`), `empty-page`; what each does stands at [`Fault`]. It strikes `count` times, or until
//! it is removed. With `"tokens": true` it strikes the token endpoints instead of the vaults.
//!
//! Faults and denials concern all requests, or those that have all of: one of `operations`
//! ([names](Operation::as_str)), `method`, and `path`, in which `*` stands for any text.
//!
//! ```text
//! curl -d '{"fault":"status","status":503,"count":2,"path":"/secrets/db-*"}' http://127.0.0.1:8080/_emulator/faults
//! curl -d '{"deny":"rbac","operations":["get","list"]}' http://127.0.0.1:8080/_emulator/access
//! curl -d '{"shift_seconds":7776000}' http://127.0.0.1:8080/_emulator/clock
//! ```
//!
//! # What it is not
//!
//! Secrets only: no keys, no certificates but as [secrets](SetSecret::certificate), no role assignments but as
//! [refusals](Emulator::deny). It is no place for secrets that matter: backups are not encrypted.
//!
//! # Reading on
//!
//! In the order in which a request goes through: `builder`, `emulator`, `handle` and `seed` are the outside; `server`,
//! `wire`, `tls` and `body` the network; `control`, told by an `order`, the way in from the side; `engine` waits, and has the
//! `data_file`, a `file`, follow; `service` is a pure function from request to answer, which asks `route`
//! what is meant, `auth`, `identity` and `access` who is asking, `clock` when, `throttle` how often, `fault` and `outcome` what goes wrong, and `operations` for the
//! answer; `vault`, `policy`, `secret`, `certificate`,
//! `pkcs12`, `bundle`, `page`, `api_version` and `error` are what the answers are made of; `counters` remember.

mod builder;
mod emulator;
mod handle;
mod seed;

mod body;
mod control;
mod data_file;
mod engine;
mod file;
mod order;
mod server;
mod tls;
mod wire;

mod access;
mod auth;
mod clock;
mod fault;
mod identity;
mod operations;
mod outcome;
mod route;
mod service;
mod throttle;

mod api_version;
mod bundle;
mod certificate;
mod error;
mod page;
mod pkcs12;
mod policy;
mod secret;
mod vault;

mod counters;
mod random;

pub use access::Denial;
pub use body::Body;
pub use builder::EmulatorBuilder;
pub use certificate::{Certificate, CertificateError};
pub use counters::{LoggedRequest, Requests};
pub use emulator::Emulator;
pub use fault::{Fault, RequestHead};
pub use handle::VaultHandle;
pub use route::Operation;
pub use secret::SetSecret;
pub use seed::{Seed, SeedError};
pub use throttle::Throttle;
