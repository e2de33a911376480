//! The items of lists.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::snapshot::Snapshot;
use crate::key_value::KeyValue;

/// An item of a list, and its form in the body of a page.
pub(crate) trait ListItem: Send + Sync + Unpin + Sized + 'static {
    type Json: DeserializeOwned + Send;

    /// Returns the item. `None` if it is malformed.
    fn from_json(json: Self::Json) -> Option<Self>;
}

impl ListItem for KeyValue {
    type Json = Self;

    fn from_json(json: Self) -> Option<Self> {
        Some(json)
    }
}

impl ListItem for Snapshot {
    type Json = Self;

    fn from_json(json: Self) -> Option<Self> {
        Some(json)
    }
}

/// The name of a key.
impl ListItem for String {
    type Json = Named;

    fn from_json(json: Named) -> Option<Self> {
        json.name
    }
}

/// A label, or `None` for the absence of one.
impl ListItem for Option<String> {
    type Json = Named;

    fn from_json(json: Named) -> Option<Self> {
        Some(json.name.filter(|name| !name.is_empty()))
    }
}

#[derive(Deserialize)]
pub(crate) struct Named {
    name: Option<String>,
}
