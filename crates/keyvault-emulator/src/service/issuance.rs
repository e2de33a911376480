//! The keys and versions of certificates, made without the lock of the state, because RSA takes up to seconds.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};

use super::next_issuance::NextIssuance;
use super::pipeline::{base, effective_method};
use super::state::{Service, State};
use crate::certificates::PrivateKey;
use crate::operations::{Operation, Route};
use crate::vaults::NextKey;
use crate::vaults::host::vault_name;

impl Service {
    /// Returns whether a request may take long, because it generates keys.
    pub(crate) fn may_generate_keys(&self, request: &Request<Bytes>) -> bool {
        is_creation(request).is_some() || self.has_due_issuances(&mut self.state())
    }

    /// Issues the certificates of which a version is due by now: asked for by a client, or renewed by policy.
    pub(crate) fn issue_due(&self) {
        let now = self.now();
        let due = {
            let mut state = self.state();
            if !self.has_due_issuances(&mut state) {
                return;
            }
            state.data.visible().vaults.due_issuances(now)
        };
        for (vault, issuance) in due {
            let Some(issued) = issuance.issue(&self.certificate_authority, now) else { continue };
            self.change_now(|data| data.vaults.open(&vault, now).complete(&issued));
        }
    }

    /// Generates the key that a creation needs. `None` for another request, and for a creation that fails.
    pub(super) fn new_key(&self, request: &Request<Bytes>, now: Duration) -> Option<PrivateKey> {
        let route = is_creation(request)?;
        let vault = vault_name(&base(request)?);
        let key = self.state().data.visible().vaults.open(&vault, now).next_key(&route.name, request.body(), now);
        key.map(NextKey::into_key)
    }

    /// Returns whether an issue is due. The vaults are searched once after each change.
    fn has_due_issuances(&self, state: &mut State) -> bool {
        let changes = state.data.changes();
        if state.next_issuance.is_none_or(|next| next.changes != changes) {
            let at = state.data.visible().vaults.next_issuance();
            state.next_issuance = Some(NextIssuance { changes, at });
        }
        state.next_issuance.and_then(|next| next.at).is_some_and(|at| at <= self.now())
    }
}

/// Returns the route of the creation of a certificate.
fn is_creation(request: &Request<Bytes>) -> Option<Route> {
    // A client without a token gets a challenge and no key.
    let may_create = request.method() == Method::POST && request.headers().contains_key(AUTHORIZATION);
    if !may_create || !Service::is_for_vault(request) {
        return None;
    }
    let route = Route::parse(&effective_method(request), request.uri().path()).ok()?;
    (route.operation == Operation::CreateCertificate).then_some(route)
}
