//! Feature flags as data: the list that libraries for feature management read.

use keyvault::Error;
use serde_json::{Map, Value, json};

use super::json;
use super::value::malformed;
use crate::endpoint::Endpoint;
use crate::key_value::KeyValue;
use keyvault::settings::StoredValue;

/// Returns one feature flag as an element of `feature_management.feature_flags`
/// ([schema](https://github.com/microsoft/FeatureManagement/blob/main/Schema/FeatureFlag.v2.0.0.schema.json)).
///
/// A flag with telemetry also gets the metadata `ETag` and `FeatureFlagReference`, as in the official providers, unless
/// it has its own. `endpoint` is the one that the program named.
///
/// # Errors
///
/// [`Invalid`](keyvault::ErrorKind::Invalid), with the key and the label, if the content is not a JSON object.
pub(super) fn feature_flag(flag: &KeyValue, endpoint: &Endpoint) -> Result<StoredValue, Error> {
    let content = serde_json::from_str::<Map<String, Value>>(flag.value().unwrap_or_default()).ok();
    let flag_value = content.and_then(|mut content| {
        add_metadata(&mut content, flag, endpoint);
        json::tree(&Value::Object(content).to_string(), &str::to_owned)
    });
    flag_value.ok_or_else(|| malformed("feature flag is not a JSON object", HELP).at(flag.key(), flag.place()))
}

const HELP: &str = "set the feature flag again in the portal or by az appconfig feature set";

fn add_metadata(content: &mut Map<String, Value>, flag: &KeyValue, endpoint: &Endpoint) {
    let Some(telemetry) = content.get_mut("telemetry").and_then(Value::as_object_mut) else { return };
    if telemetry.get("enabled") != Some(&Value::Bool(true)) {
        return;
    }
    let metadata = telemetry.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = json!({});
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.entry("ETag").or_insert_with(|| flag.etag().into());
        // Telemetry compares the reference with that of other providers, which do not escape the label.
        let label = flag.label().map(|label| format!("?label={label}")).unwrap_or_default();
        let reference = format!("{}/kv/{}{label}", endpoint.origin(), flag.key());
        metadata.entry("FeatureFlagReference").or_insert_with(|| reference.into());
    }
}
