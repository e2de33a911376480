//! The issue of certificates without the lock of the state, because generating an RSA key takes up to seconds.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::data_states::PendingSave;
use super::next_issuance::NextIssuance;
use super::pipeline::{base, effective_method};
use super::state::{Service, State};
use crate::operations::Route;
use crate::protocol::uri::named_url;
use crate::vaults::events;
use crate::vaults::host::vault_name;

/// The certificates that a response can show.
#[derive(Debug)]
pub(crate) struct ShownCertificates {
    /// The name of their vault.
    pub(crate) vault: String,
    /// The name of the only one. `None` for every certificate of the vault.
    pub(crate) name: Option<String>,
}

impl ShownCertificates {
    /// Returns the certificates that a response of a vault can show. `None` for another request.
    fn of(request: &Request<Bytes>) -> Option<Self> {
        if !Service::is_for_vault(request) {
            return None;
        }
        let route = Route::parse(&effective_method(request), request.uri().path()).ok()?;
        Some(Self { vault: vault_name(&base(request)?), name: Some(route.name).filter(|name| !name.is_empty()) })
    }
}

impl Service {
    /// Returns the certificates that a request can show, if a version of them is due.
    pub(crate) fn due_certificates(&self, request: &Request<Bytes>) -> Option<ShownCertificates> {
        let now = self.now();
        let mut state = self.state();
        if !has_due_issuances(&mut state, now) {
            return None;
        }
        let shown = ShownCertificates::of(request)?;
        let vault = state.data.newest().vaults.open(&shown.vault, now);
        vault.has_due_issuances(shown.name.as_deref(), now).then_some(shown)
    }

    /// Issues the versions that are due by now: those that clients asked for, and renewals by policy. They are visible
    /// after the returned save, if there is one.
    pub(crate) fn issue_due(&self, shown: &ShownCertificates) -> Option<PendingSave> {
        let _issuing = self.issuing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        // Another request may have issued them in the meantime.
        let due = {
            let mut state = self.state();
            state.data.newest().vaults.open(&shown.vault, now).due_issuances(shown.name.as_deref(), now)
        };
        for issuance in due {
            let Some(issued) = issuance.issue(&self.certificate_authority, now) else { continue };
            // A version that is no longer expected is dropped.
            let _ = self.change(&mut self.state(), |data| {
                data.vaults.open(&shown.vault, now).complete(&issued).then_some(()).ok_or(())
            });
        }
        self.state().data.newest_save()
    }

    /// Returns the events that Event Grid sends about a vault, oldest first. The changes that they are about need not
    /// be visible yet.
    pub(crate) fn events(&self, vault: &str) -> Vec<Value> {
        self.issue_due(&ShownCertificates { vault: vault.to_owned(), name: None });
        let now = self.now();
        let url = named_url(&self.authority, vault);
        let name = if vault.is_empty() { "emulator" } else { vault };
        events(self.state().data.newest().vaults.open(vault, now), &url, name, now)
    }
}

/// Returns whether an issue is due in any vault. The vaults are searched once after each change.
fn has_due_issuances(state: &mut State, now: Duration) -> bool {
    let changes = state.data.changes();
    if state.next_issuance.is_none_or(|next| next.changes != changes) {
        let at = state.data.newest().vaults.next_issuance();
        state.next_issuance = Some(NextIssuance { changes, at });
    }
    state.next_issuance.and_then(|next| next.at).is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::certificates::GENERATED;
    use crate::service::{Data, DataStates};
    use crate::vaults::{CertificateRequestBody, OperationStatus, Vault};

    const DAY: Duration = Duration::from_secs(86_400);

    fn service(has_file: bool) -> Service {
        Service::for_test(State { data: DataStates::new(Data::default(), has_file), ..State::default() })
    }

    fn change<T>(service: &Service, change: impl FnOnce(&mut Vault, Duration) -> T) -> T {
        let now = service.now();
        let changed = service.change(&mut service.state(), |data| Ok::<_, ()>(change(data.vaults.open("", now), now)));
        changed.unwrap().0
    }

    fn create(service: &Service, kty: &str) {
        let body = format!(
            r#"{{"policy":{{"issuer":{{"name":"Self"}},"key_props":{{"kty":"{kty}"}},"x509_props":{{"subject":"CN=a"}}}}}}"#
        );
        let body = CertificateRequestBody::parse(body.as_bytes()).unwrap();
        change(service, |vault, now| vault.create_certificate("a", &body, None, (now, now)).map(|_| ()).unwrap());
    }

    fn cancel(service: &Service) {
        let body = br#"{"cancellation_requested":true}"#;
        change(service, |vault, now| vault.cancel_operation("a", body, now).map(|_| ()).unwrap());
    }

    fn save(service: &Service, succeeds: bool) {
        let mut state = service.state();
        state.data.begin_save();
        state.data.end_save(succeeds);
    }

    fn shown() -> ShownCertificates {
        ShownCertificates { vault: String::new(), name: None }
    }

    fn is_due(service: &Service) -> bool {
        let request = Request::get("https://localhost/certificates/a").body(Bytes::new()).unwrap();
        service.due_certificates(&request).is_some()
    }

    /// Returns the status of the operation and the number of issued versions, as requests see them.
    fn visible(service: &Service) -> (Option<OperationStatus>, usize) {
        let now = service.now();
        let mut state = service.state();
        let Ok(stored) = state.data.visible().vaults.open("", now).certificate("a", now) else { return (None, 0) };
        let issued = stored.versions.iter().filter(|version| version.is_issued()).count();
        (stored.operation().map(|operation| operation.status), issued)
    }

    #[test]
    fn a_search_before_the_write_of_a_creation_does_not_hide_it_afterwards() {
        for succeeds in [true, false] {
            let service = service(true);
            create(&service, "EC");
            is_due(&service);
            save(&service, succeeds);
            assert_eq!(is_due(&service), succeeds);
            service.issue_due(&shown());
            save(&service, true);
            let expected = if succeeds { (Some(OperationStatus::Completed), 1) } else { (None, 0) };
            assert_eq!(visible(&service), expected);
        }
    }

    #[test]
    fn an_issued_version_is_visible_after_its_write_and_stays() {
        let service = service(true);
        create(&service, "EC");
        save(&service, true);
        let issued = service.issue_due(&shown());
        assert!(issued.is_some() && !is_due(&service));
        assert_eq!(visible(&service), (Some(OperationStatus::InProgress), 0));
        save(&service, false);
        assert!(is_due(&service), "nothing was written");
        service.issue_due(&shown());
        save(&service, true);
        assert_eq!(visible(&service), (Some(OperationStatus::Completed), 1));
    }

    #[test]
    fn no_version_is_issued_for_a_cancellation_that_is_not_written_yet() {
        let service = service(true);
        create(&service, "EC");
        save(&service, true);
        assert!(is_due(&service));
        cancel(&service);
        service.issue_due(&shown());
        assert_eq!(visible(&service), (Some(OperationStatus::InProgress), 0));
        save(&service, true);
        assert_eq!(visible(&service), (Some(OperationStatus::Cancelled), 0));
    }

    #[test]
    fn a_renewal_leaves_the_status_of_the_last_operation() {
        let service = service(false);
        create(&service, "EC");
        service.issue_due(&shown());
        create(&service, "EC");
        cancel(&service);
        service.clock.advance(360 * DAY);
        service.issue_due(&shown());
        assert_eq!(visible(&service), (Some(OperationStatus::Cancelled), 2));
    }

    #[test]
    fn concurrent_requests_generate_the_key_of_a_renewal_once() {
        let service = service(false);
        create(&service, "RSA");
        service.issue_due(&shown());
        service.clock.advance(360 * DAY);
        let barrier = Barrier::new(2);
        let issue = || {
            assert!(is_due(&service));
            barrier.wait();
            service.issue_due(&shown());
            GENERATED.get()
        };
        let generated: usize = std::thread::scope(|scope| {
            let threads = [scope.spawn(issue), scope.spawn(issue)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((generated, visible(&service).1), (1, 2));
    }

    #[test]
    fn a_renewal_that_would_expire_after_the_year_9999_is_never_due() {
        let service = service(false);
        create(&service, "EC");
        service.issue_due(&shown());
        // The last day of the year 9999.
        service.clock.set(Duration::from_secs(253_402_214_400));
        let before = GENERATED.get();
        assert!(!is_due(&service));
        service.issue_due(&shown());
        assert_eq!((GENERATED.get() - before, visible(&service).1), (0, 1));
    }
}
