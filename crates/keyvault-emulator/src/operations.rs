//! The operations of a vault: from a request understood to an answer written.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use serde::Serialize;

use crate::api_version::ApiVersion;
use crate::bundle::{Page, View};
use crate::error::{WireError, json};
use crate::page::{self, PageRequest};
use crate::route::{Operation, Route};
use crate::secret::{SetSecret, UpdateSecret};
use crate::service::{JSON, Service, State, query, respond};
use crate::vault::Vault;

/// A request to a vault that brought a good token.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request<Bytes>,
    pub(crate) route: Route,
    /// The vault's URL as the client spells it.
    pub(crate) base: &'a str,
    /// The vault's name; empty for the default vault.
    pub(crate) vault: String,
}

/// Does what a request asks for.
pub(crate) fn perform(service: &Service, state: &mut State, call: &Call<'_>) -> Result<Response<Bytes>, WireError> {
    let query = query(call.request.uri());
    let parameter = |wanted: &str| {
        let found = query.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    };
    let api = ApiVersion::parse(parameter("api-version"))?;
    let now = service.now();
    let view = View { base: call.base, api, policy: service.policy };
    let vault = state.vaults.entry(call.vault.clone()).or_default();
    vault.sweep(now);

    if call.route.operation.is_list() {
        let max_results = parameter("maxresults");
        let page = PageRequest::parse(max_results, parameter("$skiptoken"), state.page_size)?;
        let link = |key: &String| next_link(call, api, max_results, key);
        return ok(&list(vault, call, view, &page, link, now));
    }
    let wanted = parameter("outContentType").filter(|_| call.route.operation == Operation::Get);
    if let Some(wanted) = wanted.filter(|_| api.has_out_content_type()) {
        // Asked of a secret that can be read at all: its absence is the better answer.
        let (item, version) = vault.get(&call.route.name, call.route.version.as_deref(), now)?;
        return ok(&view.transformed(item, version, wanted)?);
    }
    act(vault, call, view, now)
}

/// Does what is asked of one secret.
fn act(vault: &mut Vault, call: &Call<'_>, view: View<'_>, now: Duration) -> Result<Response<Bytes>, WireError> {
    let (name, version) = (call.route.name.as_str(), call.route.version.as_deref());
    let body = call.request.body();
    match call.route.operation {
        Operation::Set => {
            let secret = SetSecret::parse(body)?;
            vault.check_not_managed(name, "set")?;
            let item = vault.set(name, secret, now)?;
            ok(&view.secret(item, item.latest()))
        }
        Operation::Get => {
            let (item, version) = vault.get(name, version, now)?;
            ok(&view.secret(item, version))
        }
        Operation::Update => {
            let (item, version) = vault.update(name, version, UpdateSecret::parse(body)?, now)?;
            ok(&view.properties(item, version))
        }
        Operation::Delete => {
            vault.check_not_managed(name, "delete")?;
            ok(&view.deleted(vault.delete(name, view.policy, now)?))
        }
        Operation::GetDeleted => ok(&view.deleted(vault.get_deleted(name, now)?)),
        Operation::Recover => {
            let item = vault.recover(name, view.policy, now)?;
            ok(&view.properties(item, item.latest()))
        }
        Operation::Purge => {
            vault.purge(name, view.policy, now)?;
            let mut response = respond(204, JSON, Bytes::new());
            response.headers_mut().remove(CONTENT_TYPE);
            Ok(response)
        }
        Operation::Backup => ok(&Backup { value: vault.backup(name, now)? }),
        Operation::Restore => {
            let backup: Backup = serde_json::from_slice(body).map_err(|_| WireError::corrupt_backup())?;
            let item = vault.restore(&backup.value, call.base, now)?;
            ok(&view.properties(item, item.latest()))
        }
        // A route names no other.
        other => Err(WireError::new(404, "NotFound", format!("{other:?} is not asked of one secret."))),
    }
}

/// Writes a page of secrets, of versions, or of deleted secrets.
fn list<'a>(
    vault: &'a Vault,
    call: &Call<'_>,
    view: View<'a>,
    page: &PageRequest,
    link: impl Fn(&String) -> String,
    now: Duration,
) -> Page<'a> {
    match call.route.operation {
        Operation::ListVersions => {
            // The versions of a secret that is not there are none; that is no error.
            let Some((item, versions)) = vault.versions(&call.route.name, now) else {
                return Page { value: Vec::new(), next_link: None };
            };
            let (shown, next) = page.take(&versions, |_| true);
            let value = shown.into_iter().map(|version| view.version_item(item, version)).collect();
            Page { value, next_link: next.map(link) }
        }
        Operation::ListDeleted => {
            let (shown, next) = page.take(vault.deleted(), |deleted| deleted.ready_at <= now);
            let value = shown.into_iter().map(|deleted| view.deleted_item(deleted)).collect();
            Page { value, next_link: next.map(link) }
        }
        _ => {
            let (shown, next) = page.take(vault.live(), |item| item.visible_at <= now);
            let value = shown.into_iter().map(|item| view.item(item)).collect();
            Page { value, next_link: next.map(link) }
        }
    }
}

/// The body of backup and of restore.
#[derive(serde::Deserialize, Serialize)]
struct Backup {
    value: String,
}

fn ok(body: &impl Serialize) -> Result<Response<Bytes>, WireError> {
    Ok(respond(200, JSON, json(body)))
}

/// Writes the link to the page after `key`; it spells out the port even where it is the default one.
fn next_link(call: &Call<'_>, api: ApiVersion, max_results: Option<&str>, key: &str) -> String {
    let mut link = with_port(call.base);
    link.push_str(match call.route.operation {
        Operation::ListDeleted => "/deletedsecrets",
        _ => "/secrets",
    });
    if call.route.operation == Operation::ListVersions {
        link.push_str(&format!("/{}/versions", call.route.name));
    }
    link.push_str(&format!("?api-version={}&$skiptoken={}", api.as_str(), page::encode(key)));
    if let Some(max_results) = max_results {
        link.push_str(&format!("&maxresults={max_results}"));
    }
    link
}

/// Adds the port of the scheme to a base URL that names none.
pub(crate) fn with_port(base: &str) -> String {
    let (scheme, authority) = base.split_once("://").unwrap_or(("https", base));
    // In `[::1]` the colons belong to the address.
    let after_address = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    match (after_address.contains(':'), scheme) {
        (true, _) => base.to_owned(),
        (false, "http") => format!("{base}:80"),
        (false, _) => format!("{base}:443"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_the_port_even_when_it_is_the_default_one() {
        for (base, expected) in [
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net:443"),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
            ("http://localhost", "http://localhost:80"),
            ("https://[::1]", "https://[::1]:443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(with_port(base), expected);
        }
    }
}
