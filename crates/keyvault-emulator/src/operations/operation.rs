//! The kinds of requests.

use serde::Deserialize;

/// The operation of a request, as counters, log, faults and denials distinguish them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Gets one secret: the latest version or a given one.
    Get,
    /// Lists the secrets of the vault, one page.
    List,
    /// Lists the versions of a secret, one page.
    ListVersions,
    /// Sets a new version.
    Set,
    /// Updates the attributes, content type or tags of a version.
    Update,
    /// Deletes a secret with all its versions.
    Delete,
    /// Backs up all versions of a secret.
    Backup,
    /// Restores a secret from its backup.
    Restore,
    /// Lists the deleted secrets, one page.
    ListDeleted,
    /// Gets one deleted secret.
    GetDeleted,
    /// Recovers a deleted secret.
    Recover,
    /// Removes a deleted secret permanently.
    Purge,
    /// Gets one certificate: the latest version or a given one.
    GetCertificate,
    /// Lists the certificates of the vault, one page.
    ListCertificates,
    /// Lists the versions of a certificate, one page.
    ListCertificateVersions,
    /// Starts the creation of a version by a policy.
    CreateCertificate,
    /// Imports a certificate with its key as a new version.
    ImportCertificate,
    /// Completes a creation with the certificate of another issuer.
    MergeCertificate,
    /// Updates the attributes or tags of a version, or the policy.
    UpdateCertificate,
    /// Deletes a certificate with all its versions.
    DeleteCertificate,
    /// Backs up all versions of a certificate.
    BackupCertificate,
    /// Restores a certificate from its backup.
    RestoreCertificate,
    /// Lists the deleted certificates, one page.
    ListDeletedCertificates,
    /// Gets one deleted certificate.
    GetDeletedCertificate,
    /// Recovers a deleted certificate.
    RecoverCertificate,
    /// Removes a deleted certificate permanently.
    PurgeCertificate,
    /// Gets the policy of a certificate.
    GetCertificatePolicy,
    /// Updates the policy of a certificate.
    UpdateCertificatePolicy,
    /// Gets the latest creation of a version.
    GetCertificateOperation,
    /// Cancels the creation of a version.
    UpdateCertificateOperation,
    /// Forgets the latest creation of a version.
    DeleteCertificateOperation,
    /// Gets one key-value of an App Configuration store.
    GetKeyValue,
    /// Lists key-values, one page.
    ListKeyValues,
    /// Sets a key-value.
    SetKeyValue,
    /// Deletes a key-value.
    DeleteKeyValue,
    /// Locks a key-value.
    LockKeyValue,
    /// Unlocks a key-value.
    UnlockKeyValue,
    /// Lists the keys of an App Configuration store, one page.
    ListKeys,
    /// Lists the labels of an App Configuration store, one page.
    ListLabels,
    /// Lists the revisions of key-values, one page.
    ListRevisions,
    /// Lists the snapshots of an App Configuration store, one page.
    ListSnapshots,
    /// Gets one snapshot.
    GetSnapshot,
    /// Creates a snapshot.
    CreateSnapshot,
    /// Archives or recovers a snapshot.
    UpdateSnapshot,
    /// Gets the status of the creation of a snapshot.
    GetSnapshotOperation,
    /// Any other request to an App Configuration store.
    OtherAppConfiguration,
    /// Requests a token, from Entra or from a managed identity endpoint.
    Token,
    /// Reads a discovery document, which names the token endpoints.
    Discovery,
    /// Any other request, such as one with an unsupported method.
    Other,
}

impl Operation {
    /// Returns the name that the counters and the control endpoint use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::ListVersions => "list_versions",
            Self::Set => "set",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::ListDeleted => "list_deleted",
            Self::GetDeleted => "get_deleted",
            Self::Recover => "recover",
            Self::Purge => "purge",
            Self::GetCertificate => "get_certificate",
            Self::ListCertificates => "list_certificates",
            Self::ListCertificateVersions => "list_certificate_versions",
            Self::CreateCertificate => "create_certificate",
            Self::ImportCertificate => "import_certificate",
            Self::MergeCertificate => "merge_certificate",
            Self::UpdateCertificate => "update_certificate",
            Self::DeleteCertificate => "delete_certificate",
            Self::BackupCertificate => "backup_certificate",
            Self::RestoreCertificate => "restore_certificate",
            Self::ListDeletedCertificates => "list_deleted_certificates",
            Self::GetDeletedCertificate => "get_deleted_certificate",
            Self::RecoverCertificate => "recover_certificate",
            Self::PurgeCertificate => "purge_certificate",
            Self::GetCertificatePolicy => "get_certificate_policy",
            Self::UpdateCertificatePolicy => "update_certificate_policy",
            Self::GetCertificateOperation => "get_certificate_operation",
            Self::UpdateCertificateOperation => "update_certificate_operation",
            Self::DeleteCertificateOperation => "delete_certificate_operation",
            Self::GetKeyValue => "get_key_value",
            Self::ListKeyValues => "list_key_values",
            Self::SetKeyValue => "set_key_value",
            Self::DeleteKeyValue => "delete_key_value",
            Self::LockKeyValue => "lock_key_value",
            Self::UnlockKeyValue => "unlock_key_value",
            Self::ListKeys => "list_keys",
            Self::ListLabels => "list_labels",
            Self::ListRevisions => "list_revisions",
            Self::ListSnapshots => "list_snapshots",
            Self::GetSnapshot => "get_snapshot",
            Self::CreateSnapshot => "create_snapshot",
            Self::UpdateSnapshot => "update_snapshot",
            Self::GetSnapshotOperation => "get_snapshot_operation",
            Self::OtherAppConfiguration => "other_app_configuration",
            Self::Token => "token",
            Self::Discovery => "discovery",
            Self::Other => "other",
        }
    }

    /// Returns whether a vault serves this operation, rather than an App Configuration store or a token endpoint.
    pub fn is_vault(self) -> bool {
        !self.is_identity() && !self.is_app_configuration()
    }

    /// Returns whether the operation is one on certificates.
    pub fn is_certificate(self) -> bool {
        self.as_str().contains("certificate")
    }

    /// Returns whether an App Configuration store serves this operation.
    pub fn is_app_configuration(self) -> bool {
        use Operation::{
            CreateSnapshot, DeleteKeyValue, GetKeyValue, GetSnapshot, GetSnapshotOperation, ListKeyValues, ListKeys,
            ListLabels, ListRevisions, ListSnapshots, LockKeyValue, OtherAppConfiguration, SetKeyValue, UnlockKeyValue,
            UpdateSnapshot,
        };
        matches!(
            self,
            GetKeyValue
                | ListKeyValues
                | SetKeyValue
                | DeleteKeyValue
                | LockKeyValue
                | UnlockKeyValue
                | ListKeys
                | ListLabels
                | ListRevisions
                | ListSnapshots
                | GetSnapshot
                | CreateSnapshot
                | UpdateSnapshot
                | GetSnapshotOperation
                | OtherAppConfiguration
        )
    }

    /// Returns whether a token endpoint serves this operation.
    pub(crate) fn is_identity(self) -> bool {
        matches!(self, Self::Token | Self::Discovery)
    }

    /// Returns whether the operation changes a vault or a store.
    pub(crate) fn is_change(self) -> bool {
        use Operation::{
            CreateCertificate, CreateSnapshot, Delete, DeleteCertificate, DeleteCertificateOperation, DeleteKeyValue,
            ImportCertificate, LockKeyValue, MergeCertificate, Purge, PurgeCertificate, Recover, RecoverCertificate,
            Restore, RestoreCertificate, Set, SetKeyValue, UnlockKeyValue, Update, UpdateCertificate,
            UpdateCertificateOperation, UpdateCertificatePolicy, UpdateSnapshot,
        };
        matches!(
            self,
            Set | Update
                | Delete
                | Recover
                | Purge
                | Restore
                | CreateCertificate
                | ImportCertificate
                | MergeCertificate
                | UpdateCertificate
                | DeleteCertificate
                | RecoverCertificate
                | PurgeCertificate
                | RestoreCertificate
                | UpdateCertificatePolicy
                | UpdateCertificateOperation
                | DeleteCertificateOperation
                | SetKeyValue
                | DeleteKeyValue
                | LockKeyValue
                | UnlockKeyValue
                | CreateSnapshot
                | UpdateSnapshot
        )
    }

    /// Returns whether the response is a page of a list.
    pub fn is_list(self) -> bool {
        use Operation::{
            List, ListCertificateVersions, ListCertificates, ListDeleted, ListDeletedCertificates, ListKeyValues,
            ListKeys, ListLabels, ListRevisions, ListSnapshots, ListVersions,
        };
        matches!(
            self,
            List | ListVersions
                | ListDeleted
                | ListCertificates
                | ListCertificateVersions
                | ListDeletedCertificates
                | ListKeyValues
                | ListKeys
                | ListLabels
                | ListRevisions
                | ListSnapshots
        )
    }
}
