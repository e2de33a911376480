//! Key-values of an App Configuration store.

use keyvault::SettingStore;
use keyvault_appconfig::AppConfiguration;
use serde_json::Value;

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

/// Returns whether the canary is where errors and reports show it: in a key or a label.
fn has_confidential_names(data: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(data).unwrap_or_default();
    let items = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = items.iter().flat_map(|item| [&item["key"], &item["label"]]);
    shown.filter_map(Value::as_str).any(|name| name.contains(CANARY))
}
