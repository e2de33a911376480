//! The issuer of a certificate.

use serde::{Deserialize, Serialize};

use crate::protocol::ErrorResponse;

/// The issuer in a policy, with the names of the service's JSON.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct IssuerProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cert_transparency: Option<bool>,
}

/// The party that signs the versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Issuer {
    /// The key itself: the certificate is self-signed.
    OwnKey,
    /// The certificate authority of the emulator.
    Emulator,
    /// Another party, whose certificates a client merges.
    Unknown,
}

/// The name of an issuer that the service does not know.
pub(super) const UNKNOWN: &str = "Unknown";

impl IssuerProperties {
    /// Returns the properties of another party.
    pub(super) fn unknown() -> Self {
        Self { name: Some(UNKNOWN.to_owned()), ..Self::default() }
    }

    /// Returns the party that signs: another one without a name.
    pub(super) fn issuer(&self) -> Result<Issuer, ErrorResponse> {
        match self.name.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("self") => Ok(Issuer::OwnKey),
            Some("emulator") => Ok(Issuer::Emulator),
            Some("unknown") | None => Ok(Issuer::Unknown),
            Some(_) => Err(ErrorResponse::bad_parameter("The issuers of the emulator are Self, Emulator and Unknown.")),
        }
    }
}
