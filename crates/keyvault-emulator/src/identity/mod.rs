//! The identity provider: Entra and managed identity endpoints, and the tokens they issue.
//!
//! Reading order: [`registration`] holds the one tenant and its one application; [`tokens`] issues and checks tokens
//! and [`challenge`](mod@challenge) asks for one; [`endpoint`] finds the endpoint of a path, which [`entra`],
//! [`managed_identity`] or [`discovery`] serves, the first two with a [`token_issuer`].

mod challenge;
mod discovery;
mod endpoint;
mod entra;
mod managed_identity;
mod registration;
mod token_issuer;
mod tokens;

pub(crate) use challenge::{challenge, claims_challenge};
pub(crate) use endpoint::IdentityEndpoint;
pub(crate) use registration::AppRegistration;
pub(crate) use token_issuer::TokenIssuer;
#[cfg(feature = "credential")]
pub(crate) use tokens::LIFETIME;
pub(crate) use tokens::{TokenError, TokenRegistry, VAULT_AUDIENCE};
