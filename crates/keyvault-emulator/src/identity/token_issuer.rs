//! Issuing a token on behalf of an endpoint.

use std::time::Duration;

use serde_json::Value;

use super::registration::AppRegistration;
use super::tokens::{Claims, TokenRegistry};

/// The parts of the emulator that issue a token.
pub(crate) struct TokenIssuer<'a> {
    pub(crate) registration: &'a AppRegistration,
    pub(crate) tokens: &'a mut TokenRegistry,
    pub(crate) now: Duration,
}

/// An error response of an endpoint: its status and JSON body.
pub(super) type IdentityError = (u16, Value);

impl TokenIssuer<'_> {
    /// Issues a token for the application.
    pub(crate) fn issue(&mut self, audience: &str, tenant: &str) -> String {
        self.tokens.issue(&Claims { audience, tenant, client: &self.registration.client_id }, self.now)
    }
}
