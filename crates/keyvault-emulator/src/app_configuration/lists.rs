//! The lists of key-values, keys, labels and revisions.

use bytes::Bytes;
use http::header::RANGE;
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::api_version::ApiVersion;
use super::create_snapshot::KeyValueFilter;
use super::etag;
use super::filter::Filter;
use super::key_value::KeyValue;
use super::page::{Page, after};
use super::problem::{Problem, empty_response};
use super::request::{Parameters, StoreRequest, add_header};
use super::store::Store;
use super::tag_filter::TagFilter;

/// Lists key-values.
///
/// See [list key-values](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#list-key-values).
pub(super) fn key_values(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let filter = key_value_filter(parameters)?;
    let after = after(parameters);
    let all = store.key_values(filter.keys.common_prefix(), after.as_deref(), parameters.view);
    let matching = all.filter(|(_, key_value)| filter.matches(key_value));
    let page = Page::take(matching, request.page_size, str::to_owned);
    Ok(respond(page, request, parameters))
}

/// Lists the key-values of a snapshot. A snapshot that cannot be read has none.
pub(super) fn snapshot_items(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
    name: &str,
) -> Response<Bytes> {
    let snapshot = store.snapshots.get(name).filter(|snapshot| snapshot.is_readable(request.now));
    let items = snapshot.map_or(&[][..], |snapshot| &snapshot.items);
    let start = after(parameters).and_then(|position| position.parse::<usize>().ok()).unwrap_or(0);
    let rest = items.iter().enumerate().skip(start);
    let page = Page::take(rest, request.page_size, |at| (at + 1).to_string());
    respond(page, request, parameters)
}

/// Lists revisions.
///
/// See [revisions](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-revisions).
pub(super) fn revisions(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let filter = key_value_filter(parameters)?;
    let after = after(parameters);
    let after = after.as_deref().and_then(|position| {
        let (number, text) = position.split_once('\n')?;
        Some((text, number.parse().ok()?))
    });
    let all = store.revisions(filter.keys.common_prefix(), after, parameters.view, request.now);
    let matching = all.filter(|(_, key_value)| filter.matches(key_value));
    if let Some(range) = range(request.request.headers()) {
        return Ok(revisions_in(range, matching.map(|(_, key_value)| key_value).collect(), request, parameters));
    }
    let page = Page::take(matching, request.page_size, |(text, number)| format!("{number}\n{text}"));
    let mut response = respond(page, request, parameters);
    add_header(&mut response, "accept-ranges", "items");
    Ok(response)
}

/// Lists the revisions in a range of positions, at most one page.
fn revisions_in(
    (first, last): (usize, usize),
    all: Vec<&KeyValue>,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Response<Bytes> {
    let total = all.len();
    let items: Vec<&KeyValue> =
        all.into_iter().take(last.saturating_add(1)).skip(first).take(request.page_size).collect();
    if items.is_empty() {
        let mut response = empty_response(416);
        add_header(&mut response, "content-range", &format!("items */{total}"));
        return response;
    }
    let content_range = format!("items {first}-{}/{total}", first + items.len() - 1);
    let mut response = respond(Page { items, next: None }, request, parameters);
    if response.status() == 200 {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        add_header(&mut response, "content-range", &content_range);
    }
    response
}

/// Returns the first and last position in the header `Range`, if its unit is `items`.
fn range(headers: &HeaderMap) -> Option<(usize, usize)> {
    let (first, last) = headers.get(RANGE)?.to_str().ok()?.strip_prefix("items=")?.split_once('-')?;
    let last = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
    Some((first.parse().ok()?, last))
}

/// Lists the names of keys.
///
/// See [keys](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-keys).
pub(super) fn keys(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let filter = Filter::parse("name", parameters.first("name"))?;
    let mut names: Vec<Option<&str>> = Vec::new();
    for (_, key_value) in store.key_values(filter.common_prefix(), None, parameters.view) {
        let name = Some(key_value.key.as_str());
        if filter.matches(name) && names.last() != Some(&name) {
            names.push(name);
        }
    }
    Ok(respond_names(&names, KEYS, request, parameters))
}

/// Lists the names of labels. No label is listed as null.
///
/// See [labels](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-labels).
pub(super) fn labels(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let filter = Filter::parse("name", parameters.first("name"))?;
    let all = store.key_values("", None, parameters.view).map(|(_, key_value)| key_value.label.as_deref());
    let mut names: Vec<Option<&str>> = all.filter(|name| filter.matches(*name)).collect();
    names.sort_unstable();
    names.dedup();
    Ok(respond_names(&names, LABELS, request, parameters))
}

fn key_value_filter(parameters: &Parameters) -> Result<KeyValueFilter, Problem> {
    let tags = if parameters.api >= ApiVersion::V23_11 {
        TagFilter::parse_all("tags", parameters.all("tags"))?
    } else {
        Vec::new()
    };
    Ok(KeyValueFilter {
        keys: Filter::parse("key", parameters.first("key"))?,
        labels: Filter::parse("label", parameters.first("label"))?,
        tags,
    })
}

fn respond(page: Page<&KeyValue>, request: &StoreRequest<'_>, parameters: &Parameters) -> Response<Bytes> {
    let etag = etag::of_page(page.items.iter().map(|key_value| key_value.etag.as_str()), page.next.as_deref());
    let etag = (parameters.api >= ApiVersion::V22_11).then_some(etag);
    let writer = parameters.writer();
    let page = page.map(|key_value| writer.key_value(key_value));
    let mut response = page.respond(request.request, parameters, KEY_VALUES, etag.as_deref());
    if response.status() == 200 {
        parameters.add_memento(request.request, &mut response);
    }
    response
}

fn respond_names(
    names: &[Option<&str>],
    content_type: &'static str,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Response<Bytes> {
    // The position is the name, after a mark because no label has no name.
    let after = after(parameters);
    let after = after.as_deref().map(|position| position.strip_prefix('='));
    let rest = names.iter().copied().filter(|name| after.is_none_or(|after| *name > after));
    let position = |name: Option<&str>| name.map_or_else(|| "-".to_owned(), |name| format!("={name}"));
    let page = Page::take(rest.map(|name| (name, name)), request.page_size, position);
    let is_selected = parameters.fields.contains("name");
    let page = page.map(|name| NameBody { name: is_selected.then_some(name) });
    let mut response = page.respond(request.request, parameters, content_type, None);
    parameters.add_memento(request.request, &mut response);
    response
}

/// The name of a key or label. The outer `None` omits it.
#[derive(Serialize)]
struct NameBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Option<&'a str>>,
}

const KEY_VALUES: &str = "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8";
const KEYS: &str = "application/vnd.microsoft.appconfig.keyset+json; charset=utf-8";
const LABELS: &str = "application/vnd.microsoft.appconfig.labelset+json; charset=utf-8";
