//! The endpoints of the identity provider by path.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::json;

use super::token_issuer::TokenIssuer;
use super::{discovery, entra, managed_identity};
use crate::operations::Operation;
use crate::protocol::uri::path_segments;
use crate::protocol::{JSON, response};

/// An endpoint that a path names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum IdentityEndpoint {
    /// [Client credentials](https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
    Entra { tenant: String },
    /// [App Service](https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference).
    AppService,
    /// [Virtual machine].
    ///
    /// [Virtual machine]: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
    VirtualMachine,
    /// The OpenID configuration of a tenant.
    OpenId { tenant: String },
    /// The signing keys of a tenant. The list is empty, because only the emulator checks signatures.
    Keys,
    /// The list of authorities that are aliases of each other.
    Instances,
    /// The list of subscriptions, which the Azure CLI reads from the resource manager at login. It is empty.
    Subscriptions,
}

impl IdentityEndpoint {
    /// Returns the endpoint of a path. `None` for a path of a vault.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let segments = path_segments(path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Some(match *segments {
            ["msi", "token"] => Self::AppService,
            ["metadata", "identity", "oauth2", "token"] => Self::VirtualMachine,
            ["common", "discovery", "instance"] => Self::Instances,
            ["subscriptions" | "tenants"] => Self::Subscriptions,
            [tenant, "oauth2", "v2.0", "token"] | [tenant, "oauth2", "token"] => {
                Self::Entra { tenant: tenant.to_owned() }
            }
            [tenant, "v2.0", ".well-known", "openid-configuration"]
            | [tenant, ".well-known", "openid-configuration"] => Self::OpenId { tenant: tenant.to_owned() },
            [_, "discovery", "v2.0", "keys"] => Self::Keys,
            _ => return None,
        })
    }

    /// Returns the operation that counters and log record.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Entra { .. } | Self::AppService | Self::VirtualMachine => Operation::Token,
            Self::OpenId { .. } | Self::Keys | Self::Instances | Self::Subscriptions => Operation::Discovery,
        }
    }

    /// Serves a request. `base` is the URL of this server as the client wrote it.
    pub(crate) fn serve(&self, issuer: TokenIssuer<'_>, request: &Request<Bytes>, base: &str) -> Response<Bytes> {
        let (method, result) = match self {
            Self::Entra { tenant } => (Method::POST, entra::token(issuer, request.body(), tenant)),
            Self::AppService => (Method::GET, managed_identity::app_service(issuer, request)),
            Self::VirtualMachine => (Method::GET, managed_identity::virtual_machine(issuer, request)),
            Self::OpenId { tenant } => (Method::GET, Ok(discovery::open_id(base, tenant))),
            Self::Keys => (Method::GET, Ok(json!({ "keys": [] }))),
            Self::Instances => (Method::GET, Ok(discovery::instances(base))),
            Self::Subscriptions => (Method::GET, Ok(json!({ "value": [] }))),
        };
        let (status, body) = if *request.method() != method {
            (405, json!({ "error": "invalid_request", "error_description": format!("Use {method}.") }))
        } else {
            result.map_or_else(|error| error, |body| (200, body))
        };
        response(status, JSON, body.to_string())
    }
}
