//! The operations of the REST API, and what each one costs and risks.

use azure_core::http::Method;
use keyvault::Error;
use keyvault::http::{Idempotency, Operation as HttpOperation, Response};

use super::refusal::refusal;

/// An operation of the [REST API](https://learn.microsoft.com/azure/azure-app-configuration/rest-api).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    Get,
    List,
    ListKeys,
    ListLabels,
    ListRevisions,
    Set,
    /// Sets a key-value under a condition.
    SetIf,
    /// Sets a key-value that must not exist.
    Add,
    Delete,
    /// Deletes a key-value under a condition.
    DeleteIf,
    Lock,
    /// Locks a key-value under a condition.
    LockIf,
    Unlock,
    /// Unlocks a key-value under a condition.
    UnlockIf,
    GetSnapshot,
    ListSnapshots,
    CreateSnapshot,
    PollSnapshot,
    UpdateSnapshot,
}

impl Operation {
    /// Returns whether the operation needs no role that permits changes.
    pub(super) fn is_read(self) -> bool {
        self.method() == Method::Get
    }

    /// Returns whether the operation is about the lock of a key-value.
    pub(super) fn is_about_a_lock(self) -> bool {
        matches!(self, Self::Lock | Self::LockIf | Self::Unlock | Self::UnlockIf)
    }

    /// Returns whether the operation is about one snapshot.
    pub(super) fn is_about_a_snapshot(self) -> bool {
        use Operation::{CreateSnapshot, GetSnapshot, PollSnapshot, UpdateSnapshot};
        matches!(self, CreateSnapshot | GetSnapshot | PollSnapshot | UpdateSnapshot)
    }

    /// Returns whether the operation lists something, which no store answers with a 404.
    pub(super) fn is_list(self) -> bool {
        use Operation::{List, ListKeys, ListLabels, ListRevisions, ListSnapshots};
        matches!(self, List | ListKeys | ListLabels | ListRevisions | ListSnapshots)
    }

    /// Returns the media types of the response, as the official clients name them.
    pub(super) fn accept(self) -> &'static str {
        macro_rules! accept {
            ($name:literal) => {
                concat!(
                    "application/vnd.microsoft.appconfig.",
                    $name,
                    "+json, application/json, application/problem+json"
                )
            };
        }
        match self {
            Self::List | Self::ListRevisions => accept!("kvset"),
            Self::ListKeys => accept!("keyset"),
            Self::ListLabels => accept!("labelset"),
            Self::ListSnapshots => accept!("snapshotset"),
            Self::GetSnapshot | Self::CreateSnapshot | Self::UpdateSnapshot => accept!("snapshot"),
            Self::PollSnapshot => "application/json, application/problem+json",
            _ => accept!("kv"),
        }
    }

    /// Returns the name in logs, and the name that the Azure SDKs use in OpenTelemetry spans.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Get => ("get", "AppConfiguration.getKeyValue"),
            Self::List => ("list", "AppConfiguration.getKeyValues"),
            Self::ListKeys => ("list_keys", "AppConfiguration.getKeys"),
            Self::ListLabels => ("list_labels", "AppConfiguration.getLabels"),
            Self::ListRevisions => ("list_revisions", "AppConfiguration.getRevisions"),
            Self::Set | Self::SetIf => ("set", "AppConfiguration.putKeyValue"),
            Self::Add => ("add", "AppConfiguration.putKeyValue"),
            Self::Delete | Self::DeleteIf => ("delete", "AppConfiguration.deleteKeyValue"),
            Self::Lock | Self::LockIf => ("set_read_only", "AppConfiguration.putLock"),
            Self::Unlock | Self::UnlockIf => ("clear_read_only", "AppConfiguration.deleteLock"),
            Self::GetSnapshot => ("get_snapshot", "AppConfiguration.getSnapshot"),
            Self::ListSnapshots => ("list_snapshots", "AppConfiguration.getSnapshots"),
            Self::CreateSnapshot => ("create_snapshot", "AppConfiguration.createSnapshot"),
            Self::PollSnapshot => ("get_snapshot_operation", "AppConfiguration.getOperationDetails"),
            Self::UpdateSnapshot => ("update_snapshot", "AppConfiguration.updateSnapshot"),
        }
    }
}

impl HttpOperation for Operation {
    fn name(&self) -> &'static str {
        self.names().0
    }

    fn sdk_name(&self) -> &'static str {
        self.names().1
    }

    fn method(&self) -> Method {
        match self {
            Self::Set | Self::SetIf | Self::Add | Self::Lock | Self::LockIf | Self::CreateSnapshot => Method::Put,
            Self::Delete | Self::DeleteIf | Self::Unlock | Self::UnlockIf => Method::Delete,
            Self::UpdateSnapshot => Method::Patch,
            _ => Method::Get,
        }
    }

    /// A repeat of a conditional change finds its condition broken by its own success.
    fn idempotency(&self) -> Idempotency {
        match self {
            Self::SetIf | Self::Add | Self::DeleteIf | Self::LockIf | Self::UnlockIf | Self::CreateSnapshot => {
                Idempotency::NotIdempotent
            }
            _ => Idempotency::Idempotent,
        }
    }

    fn max_response_size(&self) -> usize {
        // A page has 100 key-values of 10 KB, which JSON may write with escapes.
        if self.is_list() { 16 << 20 } else { 2 << 20 }
    }

    fn error(&self, response: &Response) -> Error {
        refusal(response, *self)
    }
}
