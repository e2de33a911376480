//! Azure App Configuration: stores with key-values and snapshots, from a request to its response.
//!
//! Reading order: [`store_map`] contains the stores by name; a [`store`] keeps a [`history`] of each [`key_value`], set
//! by a [`set_key_value`], and [`snapshot`]s, made by a [`create_snapshot`]; [`filter`] and [`tag_filter`] select among
//! them, and a [`view`] among their changes. [`route`] parses method and path, [`perform`](mod@perform) runs the
//! operation of a [`request`]: [`key_values`], [`lists`] in [`page`]s and [`snapshots`]; [`body`] writes them with
//! their [`fields`], and [`problem`] lists the errors. [`etag`], [`date`] and [`api_version`] are parts of requests and
//! responses. [`access_key`] and [`hmac`] check a signature, and [`event`](mod@event) describes a change.

mod access_key;
mod api_version;
mod body;
mod create_snapshot;
mod date;
mod etag;
mod event;
mod fields;
mod filter;
mod history;
mod hmac;
mod key_value;
mod key_values;
mod lists;
mod page;
mod perform;
mod problem;
mod request;
mod route;
mod set_key_value;
mod snapshot;
mod snapshots;
mod store;
mod store_map;
mod tag_filter;
mod view;

pub use set_key_value::SetKeyValue;

pub(crate) use access_key::{Access, AccessKeys};
pub(crate) use api_version::ApiVersion;
pub(crate) use etag::random as new_etag;
pub(crate) use event::event;
pub(crate) use hmac::{SCHEME, check as check_signature};
pub(crate) use key_value::KeyId;
pub(crate) use page::MAX_STORE_PAGE;
pub(crate) use perform::perform as perform_on_store;
pub(crate) use problem::{Problem, Scheme};
pub(crate) use request::StoreRequest;
pub(crate) use route::{StoreRoute, is_store_path};
pub(crate) use store::Store;
pub(crate) use store_map::{StoreMap, is_store_host, store_name};

/// The audience of every store in the public cloud.
pub(crate) const AUDIENCE: &str = "https://appconfig.azure.com";
