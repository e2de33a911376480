//! The operations on snapshots.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::date;
use super::etag;
use super::filter::Filter;
use super::page::{Page, after};
use super::problem::{Problem, empty_response};
use super::request::{Parameters, StoreRequest, add_header, add_link};
use super::snapshot::{Snapshot, Status};
use super::store::Store;
use crate::protocol::{JSON, response, to_json};

/// Lists snapshots.
pub(super) fn list(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let names = Filter::parse("name", parameters.first("name"))?;
    let statuses = parse_statuses(parameters.first("status"))?;
    let after = after(parameters);
    let all = store.snapshots.iter().filter(|(name, snapshot)| {
        after.as_ref().is_none_or(|after| *name > after)
            && names.matches(Some(name))
            && statuses.contains(&snapshot.status(request.now))
    });
    let writer = parameters.writer();
    let page = Page::take(all, request.page_size, String::clone).map(|snapshot| writer.snapshot(snapshot));
    Ok(page.respond(request.request, parameters, SNAPSHOTS, None))
}

/// Gets a snapshot.
pub(super) fn get(store: &Store, request: &StoreRequest<'_>, parameters: &Parameters) -> Response<Bytes> {
    let Some(snapshot) = store.snapshots.get(&request.route.name) else { return empty_response(404) };
    if parameters.precondition.is_met(Some(&snapshot.etag)) {
        return ok(snapshot, parameters);
    }
    let mut response = empty_response(parameters.precondition.status());
    add_header(&mut response, "etag", &format!("\"{}\"", snapshot.etag));
    response
}

/// Creates a snapshot. It can be read after the transition.
pub(super) fn create(
    store: &mut Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let name = &request.route.name;
    let body = request.request.body();
    let snapshot = store.new_snapshot(name, body, parameters.api, request.transition, request.now)?;
    let snapshot = store.add_snapshot(snapshot);
    // The response never shows the snapshot ready, even if it is by now.
    let body = parameters.writer().snapshot_with(snapshot, Status::Provisioning);
    let mut response = with_headers(response(201, SNAPSHOT, to_json(&body)), snapshot, parameters);
    let operation =
        format!("{}/operations?snapshot={}&api-version={}", request.base, encode(name), parameters.api.as_str());
    add_header(&mut response, "operation-location", &operation);
    Ok(response)
}

/// Archives or recovers a snapshot.
pub(super) fn update(
    store: &mut Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let update: UpdateBody =
        serde_json::from_slice(request.request.body()).map_err(|_| Problem::invalid("status", ""))?;
    let wanted = match update.status.as_str() {
        "archived" => Status::Archived,
        "ready" => Status::Ready,
        _ => return Err(Problem::invalid("status", "")),
    };
    let name = &request.route.name;
    let snapshot = store.snapshots.get(name).ok_or_else(|| Problem::empty(404))?;
    if !parameters.precondition.is_met(Some(&snapshot.etag)) {
        return Err(Problem::empty(412));
    }
    match snapshot.status(request.now) {
        status if status == wanted => return Ok(ok(snapshot, parameters)),
        Status::Provisioning | Status::Failed => return Err(Problem::invalid_state()),
        Status::Ready | Status::Archived => {}
    }
    let changed = store.set_archived(name, wanted == Status::Archived, &etag::random(), request.now);
    changed.map(|changed| ok(changed, parameters)).ok_or_else(|| Problem::empty(404))
}

/// Returns the status of the operation that creates a snapshot.
pub(super) fn operation(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let name = parameters.first("snapshot").ok_or_else(|| Problem::invalid("snapshot", ""))?;
    let snapshot = store.snapshots.get(name).ok_or_else(|| Problem::empty(404))?;
    let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, name.as_bytes()));
    let (status, error) = match snapshot.status(request.now) {
        Status::Provisioning => ("Running", Value::Null),
        Status::Ready | Status::Archived => ("Succeeded", Value::Null),
        Status::Failed => {
            let message = "The allotted quota for snapshot creation has been surpassed.";
            ("Failed", json!({ "code": "QuotaExceeded", "message": message }))
        }
    };
    let mut response = response(200, JSON, json!({ "id": id, "status": status, "error": error }).to_string());
    if status == "Running" {
        add_header(&mut response, "retry-after", "10");
    }
    Ok(response)
}

fn ok(snapshot: &Snapshot, parameters: &Parameters) -> Response<Bytes> {
    let body = to_json(&parameters.writer().snapshot(snapshot));
    with_headers(response(200, SNAPSHOT, body), snapshot, parameters)
}

fn with_headers(mut response: Response<Bytes>, snapshot: &Snapshot, parameters: &Parameters) -> Response<Bytes> {
    add_header(&mut response, "etag", &format!("\"{}\"", snapshot.etag));
    add_header(&mut response, "last-modified", &date::http(snapshot.modified));
    let items = format!("/kv?snapshot={}&api-version={}", encode(&snapshot.name), parameters.api.as_str());
    add_link(&mut response, &items, "items");
    response
}

/// Parses the statuses of a list: all, or some separated by commas.
fn parse_statuses(text: Option<&str>) -> Result<Vec<Status>, Problem> {
    match text {
        None | Some("" | "*") => Ok(Status::ALL.to_vec()),
        Some(text) => {
            let parse = |name| Status::ALL.into_iter().find(|status| status.as_str() == name);
            let statuses: Option<_> = text.split(',').map(parse).collect();
            statuses.ok_or_else(|| Problem::invalid("status", ""))
        }
    }
}

fn encode(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

#[derive(Deserialize)]
struct UpdateBody {
    status: String,
}

const SNAPSHOT: &str = "application/vnd.microsoft.appconfig.snapshot+json; charset=utf-8";
const SNAPSHOTS: &str = "application/vnd.microsoft.appconfig.snapshotset+json; charset=utf-8";
