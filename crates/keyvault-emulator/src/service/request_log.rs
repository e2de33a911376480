//! The requests that arrived: counters by operation, and a log of heads.

use std::collections::VecDeque;
use std::sync::Arc;

use http::Method;
use serde::Serialize;

use crate::operations::{Operation, RequestHead};

/// The number of requests by operation, since the start or the last reset.
///
/// A request counts when it arrives. Each request to a vault counts in [`total`](Self::total) and in one more counter:
/// [`unauthorized`](Self::unauthorized) for a 401, else the counter of its operation, even if the operation fails. The
/// methods of [`Emulator`](crate::Emulator) are not requests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Requests {
    /// All requests to vaults.
    pub total: u64,
    /// Gets of one secret, latest or by version.
    pub get: u64,
    /// Pages of secrets.
    pub list: u64,
    /// Pages of versions.
    pub list_versions: u64,
    /// New versions.
    pub set: u64,
    /// Updates of attributes, content type or tags.
    pub update: u64,
    /// Deletions.
    pub delete: u64,
    /// Backups.
    pub backup: u64,
    /// Restores.
    pub restore: u64,
    /// Pages of deleted secrets.
    pub list_deleted: u64,
    /// Gets of one deleted secret.
    pub get_deleted: u64,
    /// Recoveries.
    pub recover: u64,
    /// Purges.
    pub purge: u64,
    /// Requests for certificates, of every operation.
    pub certificates: u64,
    /// Requests to vaults without a known operation.
    pub other: u64,
    /// Requests to vaults with a 401 as response.
    pub unauthorized: u64,
    /// Requests to vaults with a 429 as response. They count under their operation too.
    pub throttled: u64,
    /// Requests for a token, which are not part of the total.
    pub token: u64,
    /// Requests to App Configuration stores, which are not part of the total.
    pub app_configuration: AppConfigurationRequests,
}

/// The number of requests to App Configuration stores, since the start or the last reset.
///
/// Each request counts in [`total`](Self::total) and in one more counter: [`unauthorized`](Self::unauthorized) for a
/// 401, else the counter of its operation, even if the operation fails.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AppConfigurationRequests {
    /// All requests to stores.
    pub total: u64,
    /// Gets of one key-value.
    pub get: u64,
    /// Pages of key-values, also of those of a snapshot.
    pub list: u64,
    /// Sets of a key-value.
    pub set: u64,
    /// Deletions of a key-value.
    pub delete: u64,
    /// Requests for keys, labels, revisions, locks and snapshots, and those without a known operation.
    pub other: u64,
    /// Requests with a 304 as response: nothing has changed. They count under their operation too.
    pub not_modified: u64,
    /// Requests with a 401 as response.
    pub unauthorized: u64,
    /// Requests with a 429 as response. They count under their operation too.
    pub throttled: u64,
}

impl AppConfigurationRequests {
    fn add(&mut self, operation: Operation, status: Option<u16>) {
        self.total += 1;
        self.not_modified += u64::from(status == Some(304));
        self.throttled += u64::from(status == Some(429));
        let counter = match operation {
            _ if status == Some(401) => &mut self.unauthorized,
            Operation::GetKeyValue => &mut self.get,
            Operation::ListKeyValues => &mut self.list,
            Operation::SetKeyValue => &mut self.set,
            Operation::DeleteKeyValue => &mut self.delete,
            _ => &mut self.other,
        };
        *counter += 1;
    }
}

impl Requests {
    fn add(&mut self, operation: Operation, status: Option<u16>) {
        if operation.is_app_configuration() {
            self.app_configuration.add(operation, status);
        }
        if operation.is_vault() {
            self.total += 1;
            self.throttled += u64::from(status == Some(429));
            if status == Some(401) {
                self.unauthorized += 1;
                return;
            }
        }
        match operation {
            Operation::Get => self.get += 1,
            Operation::List => self.list += 1,
            Operation::ListVersions => self.list_versions += 1,
            Operation::Set => self.set += 1,
            Operation::Update => self.update += 1,
            Operation::Delete => self.delete += 1,
            Operation::Backup => self.backup += 1,
            Operation::Restore => self.restore += 1,
            Operation::ListDeleted => self.list_deleted += 1,
            Operation::GetDeleted => self.get_deleted += 1,
            Operation::Recover => self.recover += 1,
            Operation::Purge => self.purge += 1,
            certificate if certificate.is_certificate() => self.certificates += 1,
            Operation::Other => self.other += 1,
            Operation::Token => self.token += 1,
            // Discovery is not counted, and App Configuration above.
            _ => {}
        }
    }
}

/// A request that arrived: its head and status, without headers, tokens or bodies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The operation that the request asked for.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// The path and query as the client sent them.
    pub path_and_query: String,
    /// The host and port the client asked for.
    pub host: String,
    /// Whether the request carried a token or a signature that the vault or store accepts. Always false for a token
    /// endpoint.
    pub authorized: bool,
    /// The status of the response. 0 if a fault suppressed the response.
    pub status: u16,
}

/// The counters and the log.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: Requests,
    entries: VecDeque<Arc<LoggedRequest>>,
}

impl RequestLog {
    /// Records a request. A full log drops its oldest entry.
    pub(crate) fn record(&mut self, head: RequestHead, status: Option<u16>) -> Arc<LoggedRequest> {
        self.requests.add(head.operation, status);
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        let logged = Arc::new(LoggedRequest {
            operation: head.operation,
            method: head.method,
            path_and_query: head.path_and_query,
            host: head.host,
            authorized: head.authorized,
            status: status.unwrap_or(0),
        });
        self.entries.push_back(Arc::clone(&logged));
        logged
    }

    /// Replaces the status of a logged request. Returns the new entry.
    pub(crate) fn set_status(&mut self, logged: &Arc<LoggedRequest>, status: u16) -> Arc<LoggedRequest> {
        let changed = Arc::new(LoggedRequest { status, ..LoggedRequest::clone(logged) });
        // A full log may have dropped the entry.
        if let Some(entry) = self.entries.iter_mut().rfind(|entry| Arc::ptr_eq(entry, logged)) {
            *entry = Arc::clone(&changed);
        }
        changed
    }

    /// Returns the counters.
    pub(crate) fn requests(&self) -> Requests {
        self.requests
    }

    /// Returns the entries, oldest first.
    pub(crate) fn entries(&self) -> Vec<LoggedRequest> {
        self.entries.iter().map(|request| LoggedRequest::clone(request)).collect()
    }
}

/// The maximum number of entries in the log.
const MAX_ENTRIES: usize = 10_000;
