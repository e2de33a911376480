//! The store and the right to use it: [`Endpoint`], the https origin of a store, and [`ConnectionString`], an endpoint
//! with an [`AccessKey`], which signs requests.

mod access_key;
mod connection_string;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod endpoint;

pub use self::access_key::AccessKey;
pub(crate) use self::access_key::SignedRequest;
pub use self::connection_string::ConnectionString;
pub use self::endpoint::Endpoint;
