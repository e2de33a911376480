//! Azure Key Vault's secrets and certificates in one process, for tests and laptops, with an Azure App Configuration
//! service beside it.
//!
//! It implements the REST API of the service: every operation on secrets, those on [certificates](#certificates), every
//! `api-version`, errors with their codes and inner codes, paging by marker, soft delete, and the challenge. Of [App
//! Configuration](#app-configuration) it implements the data plane, except feature flags. It serves over TLS with its
//! own certificate authority, over plain http, and without a socket. Its own Entra and managed identity endpoints issue
//! tokens, so a credential runs its complete flow. And it fails on demand: a [`Fault`] does what a network, a proxy or
//! a hostile server can do.
//!
//! ```
//! use keyvault_emulator::Emulator;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # // Two TLS providers may be compiled in, and the client then has no default.
//! # let _ = rustls::crypto::ring::default_provider().install_default();
//! let emulator = Emulator::start().await?;
//! emulator.set("db-password", "hunter2");
//!
//! let client = reqwest::Client::builder()
//!     .tls_certs_only([reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes())?])
//!     .build()?;
//! let response = client
//!     .get(format!("{}/secrets/db-password?api-version=2025-07-01", emulator.vault_url()))
//!     .bearer_auth(emulator.token())
//!     .send()
//!     .await?;
//! assert!(response.text().await?.starts_with(r#"{"value":"hunter2","#));
//! assert_eq!(emulator.requests().get, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Connecting a client
//!
//! A client needs the [URL](Emulator::vault_url), trust in the [authority](Emulator::ca_pem), and tokens. The Azure
//! SDKs need a transport with that certificate, `verify_challenge_resource` switched off (a loopback address does not
//! end in `.vault.azure.net`), and one of
//!
//! - a client secret credential with [`authority_url`](Emulator::authority_url), [`tenant_id`](Emulator::tenant_id),
//!   [`client_id`](Emulator::client_id) and [`client_secret`](Emulator::client_secret);
//! - a managed identity credential with `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` set to
//!   [`identity_endpoint`](Emulator::identity_endpoint) and [`identity_header`](Emulator::identity_header), or
//!   `AZURE_POD_IDENTITY_AUTHORITY_HOST` set to [`http_url`](Emulator::http_url);
//! - in Rust, the ready `Emulator::credential`, with the feature `credential`;
//! - a fixed [`token`](Emulator::token), or any token after
//!   [`accept_any_token`](EmulatorBuilder::accept_any_token).
//!
//! [`Emulator::handle`] responds to a request without a socket, for tests with a paused clock.
//!
//! # Several vaults
//!
//! The host name selects the vault: `NAME.vault.azure.net` and `NAME.localhost` reach the vault `NAME`, and any other
//! host reaches the default vault. [`Emulator::vault`] sets secrets in either.
//!
//! # Certificates
//!
//! The [certificates API](https://learn.microsoft.com/rest/api/keyvault/certificates) creates, imports, merges, updates,
//! lists, deletes, recovers, purges, backs up and restores certificates, and has their policies and pending operations.
//! Each certificate is also the secret of its name, as PKCS#12 without a password or as PEM, with the same versions.
//! Deleting the certificate deletes the secret.
//!
//! | of a policy | |
//! | --- | --- |
//! | issuers | `Self`; `Emulator`, the [authority](Emulator::ca_pem) that signs the listener's certificate too; `Unknown`, or no name, for a certificate that the client merges |
//! | keys | RSA of 2048 (the default), 3072 and 4096 bits; EC on P-256 and P-384; reused or new, exportable or not |
//! | certificate | subject, alternative names, usages, and a validity of 1 to 1,200 months |
//! | renewal | `AutoRenew` by days before the expiry or by percentage of the lifetime; default: 80 percent, or `EmailContacts` for `Unknown` |
//!
//! A version is issued when the next request for the certificate or its secret arrives, or a list or the events of its
//! vault are read, or after the [time](EmulatorBuilder::deletion_time) that the emulator takes. The first such request
//! after the [clock](Emulator::advance_clock) passed the point of a renewal finds the renewed version, dated then: one,
//! however far the clock moved. A disabled certificate is not renewed, nor one whose next version would expire after
//! the year 9999. Tokens expire by the same clock, so a client needs a new one.
//!
//! An import takes PEM with a key in PKCS#8, or PKCS#12 with AES, triple DES or RC2 and a MAC by SHA-1 or SHA-2, which
//! at most eight million hashes open. [`VaultHandle::events`] returns what Event Grid would send: new versions, near
//! expiries and expiries. Contacts and issuers beyond those above are not part of it, `EmailContacts` sends nothing,
//! `preserveCertOrder` has no effect, and the `kid` of a certificate leads to no key.
//!
//! Generating an RSA key takes tenths of a second, and seconds in a build without optimization. Only the requests that
//! show a certificate wait for its renewal; all others continue meanwhile. In the tests of a program,
//! `[profile.dev.package.crypto-bigint]` and `crypto-primes` with `opt-level = 2` make it fast, and so does an EC key.
//!
//! # App Configuration
//!
//! The hosts `NAME.azconfig.io` and `NAME.localhost` reach the App Configuration store `NAME`, and any other host that
//! belongs to no service reaches the default store: `/kv`, `/keys`, `/labels`, `/revisions`, `/locks`, `/snapshots` and
//! `/operations` are its paths. [`Emulator::app_configuration`] returns its endpoint, its connection string and tokens,
//! and sets key-values.
//!
//! It implements the [data plane](https://learn.microsoft.com/azure/azure-app-configuration/rest-api) in all versions
//! from 1.0 to 2026-04-01: requests signed with an access key (HMAC-SHA256) or with an Entra token for
//! `https://appconfig.azure.com`, `https://azconfig.io` or the store itself; filters by key, label and tag; ETags of
//! key-values, pages and snapshots with `304` and `412`; locks; revisions for 30 days and `Accept-Datetime`; snapshots
//! with their states and retention; sync tokens; errors as `application/problem+json`. The Azure SDKs and configuration
//! providers need the certificate and nothing else.
//!
//! | limit | |
//! | --- | --- |
//! | bytes of a key-value | 10,240, with key, label and all properties |
//! | characters of a tag's name, and of its value | 256 |
//! | items in a page | 100, or [another number](AppConfigurationHandle::page_size) |
//! | filters of a snapshot | 1 to 3 |
//! | age of a signature | 15 minutes, by the emulator's clock |
//! | requests | unlimited, or [those of a tier](AppConfigurationHandle::throttle) |
//!
//! `https://localhost:PORT` and `https://127.0.0.1:PORT` are two endpoints of the default store, as those of a store and
//! its replica are. A fault for one of them has a [pattern](AppConfigurationHandle::fault_matching) for its
//! [host](RequestHead::host).
//!
//! Enhanced feature flags (`/ff`), replica discovery and Event Grid are not part of it.
//! [`AppConfigurationHandle::event`] returns the event that Event Grid would send.
//!
//! # The control endpoint
//!
//! A test in another language uses the control endpoint for the same purposes as a Rust test uses [`Emulator`]: JSON
//! over plain http, under [`control_url`](Emulator::control_url), without a token. Times are in seconds. Durations may
//! have fractions.
//!
//! | path | `GET` | `POST` | `DELETE` |
//! | --- | --- | --- | --- |
//! | `/ca` | the authority's certificate, as PEM | | |
//! | `/clock` | `now`, `shift_seconds`, `frozen` | sets any of them; shifts add up | resets the clock |
//! | `/faults` | the active faults | adds a fault | removes all |
//! | `/throttle` | the limits of the vaults, or null | sets the limits | removes the limits |
//! | `/store-throttle` | the limits of the App Configuration stores, or null | sets the limits | removes the limits |
//! | `/access` | the denials | adds a denial | removes all |
//! | `/requests` | the [counters](Requests) | | resets counters and log |
//! | `/log` | the [requests](LoggedRequest), oldest first | | resets counters and log |
//! | `/events` | the [events](VaultHandle::events); `?vault=NAME` | | |
//! | `/latency` | `milliseconds` | sets the latency | sets it to zero |
//! | `/secrets` | | sets the content of a [seed](Seed); `?vault=NAME` for another vault | empties every vault |
//! | `/key-values` | | sets the section `app_configuration` of a [seed](Seed); `?store=NAME` | empties every store |
//! | `/tokens` | | | revokes every token |
//!
//! The limits are `sets`, `others`, `window_seconds` and `retry_after_seconds`. An absent limit is that of the service.
//! The field `deny` names a [denial](Denial): `access-policy`, `rbac`, `firewall` or `private-link`.
//!
//! The field `fault` names a fault: `status` (with `status`, and optionally `retry_after`, `headers`, `body`),
//! `unauthorized`, `insufficient-claims`, `challenge` (with `challenge`), `redirect` (with `location`), `latency` (with
//! `milliseconds`), `hang`, `reset`, `hang-in-body`, `truncated`, `oversized` (with `bytes`), `not-json`, `wrong-json`,
//! `wrong-id`, `next-link` (with `link`), `empty-page`. [`Fault`] describes each. A fault applies `count` times, or
//! until it is removed. With `"tokens": true` it applies to the token endpoints instead of the vaults, and with
//! `"app_configuration": true` to the App Configuration stores, as a denial does.
//!
//! Faults and denials apply to all requests, or to those that match every given field: `operations` (a list of
//! [names](Operation::as_str)), `method`, `path`, in which `*` matches any text, `secret` (the name of one secret or
//! certificate), `vault` (the name of a vault, empty for the default vault), `key` (one key of a store) and `store`
//! (the name of a store, empty for the default store). Fields of another service than the one that is selected are an
//! error, because the fault would never apply.
//!
//! ```text
//! curl -d '{"fault":"status","status":503,"count":2,"path":"/secrets/db-*"}' http://127.0.0.1:8080/_emulator/faults
//! curl -d '{"deny":"rbac","operations":["get","list"]}' http://127.0.0.1:8080/_emulator/access
//! curl -d '{"deny":"rbac","secret":"db-password"}' http://127.0.0.1:8080/_emulator/access
//! curl -d '{"fault":"status","status":429,"app_configuration":true}' http://127.0.0.1:8080/_emulator/faults
//! curl -d '{"shop:db:host":{"value":"db.example","label":"prod"}}' http://127.0.0.1:8080/_emulator/key-values
//! curl -d '{"shift_seconds":7776000}' http://127.0.0.1:8080/_emulator/clock
//! ```
//!
//! # Limits
//!
//! Of Key Vault the emulator serves secrets and [certificates](#certificates). It has no keys, and no role assignments
//! except [denials](Emulator::deny). Do not store real secrets in it: the data file is not encrypted, and every
//! emulator has the same key for backups.
//!
//! A backup is opaque, and an emulator rejects it if a byte of it was changed. The service restores a backup in any
//! vault of the same subscription and geography. All emulators are in the same ones: a backup of one run restores in
//! every vault of every other run, with or without the same data file.
//!
//! # The code
//!
//! Each folder has a manual in its `mod.rs`, and uses only the folders after it in this list:
//!
//! 1. `handle` is the public handle: the builder, [`Emulator`], [`VaultHandle`] and [`AppConfigurationHandle`].
//! 2. `http` accepts connections, and sends each response after its delay, whole or damaged.
//! 3. `control` serves the control endpoint.
//! 4. `storage` keeps the vaults and stores in a file.
//! 5. `service` turns a request into a reply: faults, credential, throttling, denials, operation.
//! 6. `faults` holds the faults, denials and limits that a test sets up.
//! 7. `identity` issues and checks tokens.
//! 8. `seeds` loads the content that a person writes.
//! 9. `app_configuration` is the App Configuration service: stores, signatures and operations.
//! 10. `operations` parses a path, performs the operation on a vault, and writes its response.
//! 11. `vaults` stores secrets, certificates and their versions.
//! 12. `certificates` creates and reads X.509 certificates and their keys.
//! 13. `protocol` reads URIs and writes responses and errors; `clock` and `random` know nothing of the rest.
//!
//! A request goes through them in that order: `http::server` reads it, `http::router` passes it to `service::pipeline`,
//! which checks the token with `identity::tokens` and calls `operations::perform` on a `vaults::vault`, or
//! `app_configuration::perform` on an `app_configuration::store`.
//!
//! Not affiliated with Microsoft.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod handle;
mod http;

mod control;
mod storage;

mod service;

mod faults;
mod identity;
mod seeds;

mod app_configuration;
mod operations;

mod vaults;

mod certificates;
mod protocol;

mod clock;
mod random;

pub use app_configuration::SetKeyValue;
pub use certificates::{Certificate, CertificateError};
pub use faults::{Denial, Fault, Throttle};
#[cfg(feature = "credential")]
pub use handle::EmulatorCredential;
pub use handle::{AppConfigurationHandle, Emulator, EmulatorBuilder, VaultHandle};
pub use http::Body;
pub use operations::{Operation, RequestHead};
pub use seeds::{Seed, SeedError};
pub use service::{AppConfigurationRequests, LoggedRequest, Requests};
pub use vaults::SetSecret;
