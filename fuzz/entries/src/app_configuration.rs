//! An App Configuration store: its key-values, the links to its pages, and its connection string.

use std::collections::BTreeMap;

use keyvault::SettingStore;
use keyvault_appconfig::client::Page;
use keyvault_appconfig::{AppConfiguration, ConnectionString, Endpoint, KeyValue, NO_LABEL, Selector};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::transport::{FixedTransport, Response};
use crate::{CANARY, assert_error_is_value_free, assert_value_free, run};

/// Checks a page of key-values: it becomes settings, or an error without a value. No link of it sends a request to
/// another host, and the list ends. An empty page follows.
pub(crate) fn key_values_body(data: &[u8]) {
    let page = |body: &[u8]| Response { status: 200, body: body.to_vec(), ..Response::default() };
    let transport = FixedTransport::new([page(data), page(br#"{"items":[]}"#)]);
    let layer = AppConfiguration::new(transport.store());
    let read = run(layer.read());
    if !has_confidential_names(data) {
        match &read {
            Ok(settings) => assert_value_free(settings),
            Err(error) => assert_error_is_value_free(error),
        }
    }
    transport.assert_only_the_store_received(3);
}

/// Checks the body of a page: the result is the page with its key-values, or an error without a value. The page after
/// it is requested from this store.
pub(crate) fn page_body(data: &[u8]) {
    let page = pages_of(Response { status: 200, body: data.to_vec(), ..Response::default() });
    let Some(page) = page else { return };
    // A member that the client skips can have a string or a number that is none: a lone surrogate, or `1e999`.
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    // serde also takes the members of an object from an array.
    let (items, Some(written)) = (page.items.unwrap(), body["items"].as_array()) else { return };
    assert_eq!(items.len(), written.len(), "a key-value was lost");
    for (item, written) in items.iter().zip(written).filter(|(_, written)| written.is_object()) {
        assert_eq!(written["key"], item.key());
        assert_eq!(written["value"].as_str(), item.value());
        // `Debug` shows the attributes that are no values.
        let shown = ["key", "label", "content_type", "etag"].map(|name| written[name].to_string()).concat();
        if !shown.contains(CANARY) {
            assert_value_free(item);
        }
    }
}

/// Checks a link to the next page, in a body and in a header: it leads to a page of the same list in the same store.
pub(crate) fn next_link(data: &[u8]) {
    let Ok(link) = str::from_utf8(data) else { return };
    let body = serde_json::json!({ "items": [], "@nextLink": link }).to_string().into_bytes();
    pages_of(Response { status: 200, body, ..Response::default() });
    if link.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let headers = vec![("link", link.to_owned())];
        pages_of(Response { status: 200, headers, body: br#"{"items":[]}"#.to_vec() });
    }
}

/// Checks a connection string: the result has an https endpoint, or is an error without a part of the text.
pub(crate) fn connection_string(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match ConnectionString::parse(text) {
        Ok(parsed) => {
            let endpoint = parsed.endpoint();
            assert!(endpoint.origin().starts_with("https://"), "{endpoint:?}");
            assert_eq!(Endpoint::parse(endpoint.origin()).as_ref(), Ok(endpoint));
            if !format!("{}{}", endpoint.origin(), parsed.access_key().id()).contains(CANARY) {
                assert_value_free(&(&parsed, parsed.access_key()));
            }
        }
        Err(error) => assert_error_is_value_free(&error.into()),
    }
}

/// Fetches the page of a response, and the one after it. Both come from this store.
fn pages_of(response: Response) -> Option<Page<KeyValue>> {
    let transport = FixedTransport::new([response]);
    let (client, all) = (transport.store(), Selector::new("*", NO_LABEL));
    let page = run(client.fetch_page(&all, None, None));
    let next = page.as_ref().ok().and_then(|page| page.next.clone());
    if let Some(next) = &next {
        _ = run(client.fetch_page(&all, Some(next), None));
    }
    transport.assert_only_the_store_received(1 + usize::from(next.is_some()));
    page.map_err(|error| assert_error_is_value_free(&error)).ok()
}

/// Returns whether the canary is where errors and reports show it: in a key or a label.
fn has_confidential_names(data: &[u8]) -> bool {
    type Members = BTreeMap<String, Box<RawValue>>;

    let body: Members = serde_json::from_slice(data).unwrap_or_default();
    let items: Vec<Members> =
        body.get("items").and_then(|items| serde_json::from_str(items.get()).ok()).unwrap_or_default();
    let mut shown = items.iter().flat_map(|item| [item.get("key"), item.get("label")]).flatten();
    shown.any(|name| serde_json::from_str(name.get()).is_ok_and(|name: String| name.contains(CANARY)))
}
