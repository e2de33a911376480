//! The operations on one key-value.

use bytes::Bytes;
use http::Response;

use super::api_version::ApiVersion;
use super::date;
use super::etag::{self, Precondition};
use super::key_value::{KeyId, KeyValue};
use super::problem::{Problem, empty_response};
use super::request::{Parameters, StoreRequest, add_header};
use super::set_key_value::SetKeyValue;
use super::store::Store;
use super::tag_filter::TagFilter;
use crate::protocol::{response, to_json};

/// Gets a key-value.
///
/// See [key-values](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value).
pub(super) fn get(
    store: &Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let tags = if parameters.api >= ApiVersion::V24_09 {
        TagFilter::parse_all("tags", parameters.all("tags"))?
    } else {
        Vec::new()
    };
    let found = store.get_in(&parameters.key_id(&request.route), &parameters.view);
    let found = found.filter(|found| tags.iter().all(|tag| tag.matches(&found.tags)));
    let mut response = match found {
        None => empty_response(404),
        Some(found) if !parameters.precondition.is_met(Some(&found.etag)) => {
            with_etag(empty_response(parameters.precondition.status()), found)
        }
        Some(found) => ok(found, parameters),
    };
    parameters.add_memento(request.request, &mut response);
    Ok(response)
}

/// Sets a key-value.
pub(super) fn set(
    store: &mut Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let id = parameters.key_id(&request.route);
    let mut set = SetKeyValue::parse(request.request.body())?;
    set.check(&id)?;
    let existing = store.get(&id);
    check(&parameters.precondition, existing)?;
    check_unlocked(existing)?;
    if parameters.api < ApiVersion::V26_04 {
        // A client of an earlier version does not know the description, and keeps it.
        set.description = existing.and_then(|existing| existing.description.clone());
    }
    Ok(ok(store.set(&id, set, request.now)?, parameters))
}

/// Deletes a key-value, and returns it as it was.
pub(super) fn delete(
    store: &mut Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let id = parameters.key_id(&request.route);
    let existing = store.get(&id);
    check(&parameters.precondition, existing)?;
    check_unlocked(existing)?;
    Ok(store.delete(&id, request.now).map_or_else(|| empty_response(204), |deleted| ok(&deleted, parameters)))
}

/// Locks or unlocks a key-value.
///
/// See [locks](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-locks).
pub(super) fn lock(
    store: &mut Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
    locked: bool,
) -> Result<Response<Bytes>, Problem> {
    let id: KeyId = parameters.key_id(&request.route);
    check(&parameters.precondition, store.get(&id))?;
    let changed = store.lock(&id, locked, &etag::random(), request.now);
    Ok(changed.map_or_else(|| empty_response(404), |changed| ok(changed, parameters)))
}

fn check(precondition: &Precondition, existing: Option<&KeyValue>) -> Result<(), Problem> {
    let is_met = precondition.is_met(existing.map(|existing| existing.etag.as_str()));
    if is_met { Ok(()) } else { Err(Problem::empty(412)) }
}

fn check_unlocked(existing: Option<&KeyValue>) -> Result<(), Problem> {
    match existing {
        Some(existing) if existing.locked => Err(Problem::locked(&existing.key)),
        _ => Ok(()),
    }
}

fn ok(key_value: &KeyValue, parameters: &Parameters) -> Response<Bytes> {
    let mut response = response(200, KEY_VALUE, to_json(&parameters.writer().key_value(key_value)));
    add_header(&mut response, "last-modified", &date::http(key_value.modified));
    with_etag(response, key_value)
}

fn with_etag(mut response: Response<Bytes>, key_value: &KeyValue) -> Response<Bytes> {
    add_header(&mut response, "etag", &format!("\"{}\"", key_value.etag));
    response
}

const KEY_VALUE: &str = "application/vnd.microsoft.appconfig.kv+json; charset=utf-8";
