//! The kinds of requests.

use serde::Deserialize;

use crate::protocol::ObjectKind;

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
    /// Returns the name, the area and the effect.
    const fn row(self) -> (&'static str, Area, Effect) {
        use Area::{AppConfiguration, Certificates, Identity, Secrets};
        use Effect::{Change, Page, Read};
        match self {
            Self::Get => ("get", Secrets, Read),
            Self::List => ("list", Secrets, Page),
            Self::ListVersions => ("list_versions", Secrets, Page),
            Self::Set => ("set", Secrets, Change),
            Self::Update => ("update", Secrets, Change),
            Self::Delete => ("delete", Secrets, Change),
            Self::Backup => ("backup", Secrets, Read),
            Self::Restore => ("restore", Secrets, Change),
            Self::ListDeleted => ("list_deleted", Secrets, Page),
            Self::GetDeleted => ("get_deleted", Secrets, Read),
            Self::Recover => ("recover", Secrets, Change),
            Self::Purge => ("purge", Secrets, Change),
            Self::GetCertificate => ("get_certificate", Certificates, Read),
            Self::ListCertificates => ("list_certificates", Certificates, Page),
            Self::ListCertificateVersions => ("list_certificate_versions", Certificates, Page),
            Self::CreateCertificate => ("create_certificate", Certificates, Change),
            Self::ImportCertificate => ("import_certificate", Certificates, Change),
            Self::MergeCertificate => ("merge_certificate", Certificates, Change),
            Self::UpdateCertificate => ("update_certificate", Certificates, Change),
            Self::DeleteCertificate => ("delete_certificate", Certificates, Change),
            Self::BackupCertificate => ("backup_certificate", Certificates, Read),
            Self::RestoreCertificate => ("restore_certificate", Certificates, Change),
            Self::ListDeletedCertificates => ("list_deleted_certificates", Certificates, Page),
            Self::GetDeletedCertificate => ("get_deleted_certificate", Certificates, Read),
            Self::RecoverCertificate => ("recover_certificate", Certificates, Change),
            Self::PurgeCertificate => ("purge_certificate", Certificates, Change),
            Self::GetCertificatePolicy => ("get_certificate_policy", Certificates, Read),
            Self::UpdateCertificatePolicy => ("update_certificate_policy", Certificates, Change),
            Self::GetCertificateOperation => ("get_certificate_operation", Certificates, Read),
            Self::UpdateCertificateOperation => ("update_certificate_operation", Certificates, Change),
            Self::DeleteCertificateOperation => ("delete_certificate_operation", Certificates, Change),
            Self::GetKeyValue => ("get_key_value", AppConfiguration, Read),
            Self::ListKeyValues => ("list_key_values", AppConfiguration, Page),
            Self::SetKeyValue => ("set_key_value", AppConfiguration, Change),
            Self::DeleteKeyValue => ("delete_key_value", AppConfiguration, Change),
            Self::LockKeyValue => ("lock_key_value", AppConfiguration, Change),
            Self::UnlockKeyValue => ("unlock_key_value", AppConfiguration, Change),
            Self::ListKeys => ("list_keys", AppConfiguration, Page),
            Self::ListLabels => ("list_labels", AppConfiguration, Page),
            Self::ListRevisions => ("list_revisions", AppConfiguration, Page),
            Self::ListSnapshots => ("list_snapshots", AppConfiguration, Page),
            Self::GetSnapshot => ("get_snapshot", AppConfiguration, Read),
            Self::CreateSnapshot => ("create_snapshot", AppConfiguration, Change),
            Self::UpdateSnapshot => ("update_snapshot", AppConfiguration, Change),
            Self::GetSnapshotOperation => ("get_snapshot_operation", AppConfiguration, Read),
            Self::OtherAppConfiguration => ("other_app_configuration", AppConfiguration, Read),
            Self::Token => ("token", Identity, Read),
            Self::Discovery => ("discovery", Identity, Read),
            Self::Other => ("other", Secrets, Read),
        }
    }

    /// Returns the name that the counters and the control endpoint use.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Returns whether a vault serves this operation, rather than an App Configuration store or a token endpoint.
    pub fn is_vault(self) -> bool {
        matches!(self.row().1, Area::Secrets | Area::Certificates)
    }

    /// Returns whether the operation is one on certificates.
    pub fn is_certificate(self) -> bool {
        self.row().1 == Area::Certificates
    }

    /// Returns whether an App Configuration store serves this operation.
    pub fn is_app_configuration(self) -> bool {
        self.row().1 == Area::AppConfiguration
    }

    /// Returns whether a token endpoint serves this operation.
    pub(crate) fn is_identity(self) -> bool {
        self.row().1 == Area::Identity
    }

    /// Returns whether the operation changes a vault or a store.
    pub(crate) fn is_change(self) -> bool {
        self.row().2 == Effect::Change
    }

    /// Returns whether the response is a page of a list.
    pub fn is_list(self) -> bool {
        self.row().2 == Effect::Page
    }

    /// Returns the kind of the objects that the operation of a vault is for.
    pub(crate) fn object_kind(self) -> ObjectKind {
        if self.is_certificate() { ObjectKind::Certificate } else { ObjectKind::Secret }
    }
}

/// The part of the emulator that serves an operation.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Area {
    /// The secrets of a vault, and its paths without an operation.
    Secrets,
    Certificates,
    AppConfiguration,
    Identity,
}

/// The effect of an operation.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Effect {
    Read,
    /// Reads a page of a list.
    Page,
    Change,
}
