//! The status of a reference, in App Service's words.

use std::fmt;

/// The status of a Key Vault reference: the eleven that App Service shows in its portal.
///
/// [`ResolveStatus`](https://learn.microsoft.com/dotnet/api/azure.resourcemanager.appservice.models.resolvestatus) in the
/// Azure management API; `Display` prints exactly its names.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ReferenceStatus {
    /// Not tried yet, or a value set in code [hides](crate::NameMap::hidden) the secret.
    #[default]
    Initialized,
    /// The setting holds the secret.
    Resolved,
    /// The text begins like a reference and is malformed.
    InvalidSyntax,
    /// No credential returned a token for the vault.
    MsiNotEnabled,
    /// The vault does not exist, or its name cannot be resolved.
    VaultNotFound,
    /// The vault has no such secret.
    SecretNotFound,
    /// The secret has no such version.
    SecretVersionNotFound,
    /// The vault, the network or this program's own rules do not allow the read.
    AccessToKeyVaultDenied,
    /// Any other reason; the error explains it.
    OtherReasons,
    /// No response arrived within the deadline.
    FetchTimedOut,
    /// The vault rejected the token.
    UnauthorizedClient,
}

impl ReferenceStatus {
    /// Returns App Service's name of the status.
    pub fn as_str(self) -> &'static str {
        match self {
            ReferenceStatus::Initialized => "Initialized",
            ReferenceStatus::Resolved => "Resolved",
            ReferenceStatus::InvalidSyntax => "InvalidSyntax",
            ReferenceStatus::MsiNotEnabled => "MSINotEnabled",
            ReferenceStatus::VaultNotFound => "VaultNotFound",
            ReferenceStatus::SecretNotFound => "SecretNotFound",
            ReferenceStatus::SecretVersionNotFound => "SecretVersionNotFound",
            ReferenceStatus::AccessToKeyVaultDenied => "AccessToKeyVaultDenied",
            ReferenceStatus::OtherReasons => "OtherReasons",
            ReferenceStatus::FetchTimedOut => "FetchTimedOut",
            ReferenceStatus::UnauthorizedClient => "UnauthorizedClient",
        }
    }
}

impl fmt::Display for ReferenceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
