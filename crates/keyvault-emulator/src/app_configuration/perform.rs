//! Runs an operation on a store and writes its response.

use bytes::Bytes;
use http::Response;

use super::api_version::ApiVersion;
use super::key_values;
use super::lists;
use super::problem::Problem;
use super::request::{Parameters, StoreRequest, add_header, is_head};
use super::snapshots;
use super::store::Store;
use super::store_map::StoreMap;
use crate::operations::Operation;

/// Performs the operation of a request.
pub(crate) fn perform(stores: &mut StoreMap, request: &StoreRequest<'_>) -> Result<Response<Bytes>, Problem> {
    let parameters = Parameters::parse(request)?;
    let store = stores.open(&request.store, request.now);
    let mut response = perform_on_store(store, request, &parameters)?;
    if response.status().as_u16() < 400 {
        let is_change = request.route.operation.is_change();
        let token = if is_change { store.sync_token() } else { store.sync_token_of(&parameters.view) };
        add_header(&mut response, "sync-token", &token);
    }
    if is_head(request.request) {
        *response.body_mut() = Bytes::new();
    }
    Ok(response)
}

fn perform_on_store(
    store: &mut Store,
    request: &StoreRequest<'_>,
    parameters: &Parameters,
) -> Result<Response<Bytes>, Problem> {
    let path = request.request.uri().path();
    let snapshots_exist = || parameters.api.require(ApiVersion::V22_11, path);
    match request.route.operation {
        Operation::ListKeyValues => match parameters.first("snapshot") {
            Some(name) => {
                snapshots_exist()?;
                Ok(lists::snapshot_items(store, request, parameters, name))
            }
            None => lists::key_values(store, request, parameters),
        },
        Operation::GetKeyValue => key_values::get(store, request, parameters),
        Operation::SetKeyValue => key_values::set(store, request, parameters),
        Operation::DeleteKeyValue => key_values::delete(store, request, parameters),
        Operation::LockKeyValue => key_values::lock(store, request, parameters, true),
        Operation::UnlockKeyValue => key_values::lock(store, request, parameters, false),
        Operation::ListKeys => lists::keys(store, request, parameters),
        Operation::ListLabels => lists::labels(store, request, parameters),
        Operation::ListRevisions => lists::revisions(store, request, parameters),
        operation => {
            snapshots_exist()?;
            match operation {
                Operation::ListSnapshots => snapshots::list(store, request, parameters),
                Operation::GetSnapshot => Ok(snapshots::get(store, request, parameters)),
                Operation::CreateSnapshot => snapshots::create(store, request, parameters),
                Operation::UpdateSnapshot => snapshots::update(store, request, parameters),
                Operation::GetSnapshotOperation => snapshots::operation(store, request, parameters),
                // A route contains no other operation.
                _ => Err(Problem::empty(404)),
            }
        }
    }
}
