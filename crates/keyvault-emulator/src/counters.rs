//! What arrived: counters by kind, and a log of heads.

use std::collections::VecDeque;
use std::sync::Arc;

use http::Method;
use serde::Serialize;

use crate::fault::RequestHead;
use crate::route::Operation;

/// How many requests of each kind arrived, since the start or the last reset.
///
/// A request counts when it arrives. Each request to a vault counts once in [`total`](Self::total) and once more:
/// answered 401 it is [`unauthorized`](Self::unauthorized), else it is the operation it asked for, whatever came of
/// it. What a test sets from Rust is no request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Requests {
    /// All requests to vaults.
    pub total: u64,
    /// Reads of one secret, latest or by version.
    pub get: u64,
    /// Pages of secrets.
    pub list: u64,
    /// Pages of versions.
    pub list_versions: u64,
    /// New versions.
    pub set: u64,
    /// Changes of attributes, content type or tags.
    pub update: u64,
    /// Deletions.
    pub delete: u64,
    /// Backups.
    pub backup: u64,
    /// Restorations.
    pub restore: u64,
    /// Pages of deleted secrets.
    pub list_deleted: u64,
    /// Reads of one deleted secret.
    pub get_deleted: u64,
    /// Recoveries.
    pub recover: u64,
    /// Purges.
    pub purge: u64,
    /// Requests to vaults that ask for nothing the service knows.
    pub other: u64,
    /// Requests to vaults that were answered 401.
    pub unauthorized: u64,
    /// Requests to vaults that were answered 429; they count under their operation too.
    pub throttled: u64,
    /// Requests for a token; not part of the total.
    pub token: u64,
}

impl Requests {
    fn add(&mut self, operation: Operation, status: Option<u16>) {
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
            Operation::Other => self.other += 1,
            Operation::Token => self.token += 1,
            Operation::Discovery => {}
        }
    }
}

/// A request that arrived: its head, without headers, tokens or bodies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// What it asked for.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// Path and query, as they came.
    pub path_and_query: String,
    /// The host and port the client asked for.
    pub host: String,
    /// Whether a token came with it that the vault accepts; never so for a token endpoint.
    pub authorized: bool,
    /// The status of the answer; 0 where a fault let none be sent.
    pub status: u16,
}

/// Counters and log.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    requests: Requests,
    log: VecDeque<Arc<LoggedRequest>>,
}

impl Ledger {
    /// Writes down a request; the oldest makes room when the log is full.
    pub(crate) fn record(&mut self, head: RequestHead, status: Option<u16>) -> Arc<LoggedRequest> {
        self.requests.add(head.operation, status);
        if self.log.len() == LONGEST_LOG {
            self.log.pop_front();
        }
        let logged = Arc::new(LoggedRequest {
            operation: head.operation,
            method: head.method,
            path_and_query: head.path_and_query,
            host: head.host,
            authorized: head.authorized,
            status: status.unwrap_or(0),
        });
        self.log.push_back(Arc::clone(&logged));
        logged
    }

    /// Returns the counters.
    pub(crate) fn requests(&self) -> Requests {
        self.requests
    }

    /// Returns the log, oldest first.
    pub(crate) fn log(&self) -> Vec<LoggedRequest> {
        self.log.iter().map(|request| LoggedRequest::clone(request)).collect()
    }
}

/// The number of requests the log remembers.
const LONGEST_LOG: usize = 10_000;
