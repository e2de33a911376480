//! A request to a store, and the parts that every operation reads.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};

use super::api_version::ApiVersion;
use super::body::BodyWriter;
use super::date;
use super::etag::Precondition;
use super::fields::Fields;
use super::key_value::KeyId;
use super::problem::Problem;
use super::route::StoreRoute;
use super::view::View;
use crate::protocol::uri::query;

/// A request to a store with a valid credential, and the settings that shape its response.
pub(crate) struct StoreRequest<'a> {
    pub(crate) request: &'a Request<Bytes>,
    pub(crate) route: StoreRoute,
    /// The store's URL as the client wrote it.
    pub(crate) base: &'a str,
    /// The store's name. Empty for the default store.
    pub(crate) store: String,
    /// The maximum number of items in a page.
    pub(crate) page_size: usize,
    /// The time until a snapshot can be read.
    pub(crate) transition: Duration,
    /// The time until a read without a sync token sees a change.
    pub(crate) read_delay: Duration,
    pub(crate) now: Duration,
}

/// The parsed parameters and headers of a request.
pub(super) struct Parameters {
    query: Vec<(String, String)>,
    pub(super) api: ApiVersion,
    pub(super) fields: Fields,
    pub(super) precondition: Precondition,
    /// The changes that a read sees.
    pub(super) view: View,
    pub(super) now: Duration,
}

impl Parameters {
    /// Parses the parameters and headers. Names are case-insensitive.
    pub(super) fn parse(request: &StoreRequest<'_>) -> Result<Self, Problem> {
        let uri = request.request.uri();
        let query = query(uri);
        let api = ApiVersion::parse(&all(&query, "api-version").collect::<Vec<_>>(), uri.path())?;
        let select = all(&query, "$select").next().or_else(|| all(&query, "fields").next());
        let fields = Fields::parse(select);
        let headers = request.request.headers();
        let (precondition, mut view) = (Precondition::read(headers), View::at(accept_datetime(headers)));
        if !request.read_delay.is_zero() {
            let token = headers.get("sync-token").and_then(|value| value.to_str().ok());
            view = view.with_spread(request.now.saturating_sub(request.read_delay), token);
        }
        Ok(Self { query, api, fields, precondition, view, now: request.now })
    }

    /// Returns the first value of a parameter.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        all(&self.query, name).next()
    }

    /// Returns every value of a parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        all(&self.query, name)
    }

    /// Returns the key-value that the path and the parameter `label` name.
    pub(super) fn key_id(&self, route: &StoreRoute) -> KeyId {
        KeyId::new(&route.name, self.first("label"))
    }

    /// Returns the writer of bodies.
    pub(super) fn writer(&self) -> BodyWriter<'_> {
        BodyWriter { fields: &self.fields, api: self.api, now: self.now }
    }

    /// Adds the headers of a state in the past. See [RFC 7089](https://www.rfc-editor.org/rfc/rfc7089#section-2.1).
    pub(super) fn add_memento(&self, request: &Request<Bytes>, response: &mut Response<Bytes>) {
        let Some(time) = self.view.time.filter(|time| *time <= self.now) else { return };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        add_header(response, "memento-datetime", &date::http(time));
        add_link(response, target, "original");
    }
}

/// Returns the end of the second that `Accept-Datetime` names: the service keeps times in seconds.
fn accept_datetime(headers: &HeaderMap) -> Option<Duration> {
    let time = date::parse(headers.get("accept-datetime")?.to_str().ok()?)?;
    Some(Duration::new(time.as_secs(), 999_999_999))
}

fn all<'a>(query: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Adds a link to another resource, after the links that the response has already.
pub(super) fn add_link(response: &mut Response<Bytes>, target: &str, relation: &str) {
    let link = format!("<{target}>; rel=\"{relation}\"");
    let existing = response.headers().get("link").and_then(|value| value.to_str().ok());
    let links = existing.map_or_else(|| link.clone(), |existing| format!("{existing}, {link}"));
    add_header(response, "link", &links);
}

/// Sets a header. An invalid value changes nothing.
pub(super) fn add_header(response: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

/// Returns whether a request is a `HEAD`, whose response has no body.
pub(super) fn is_head(request: &Request<Bytes>) -> bool {
    request.method() == Method::HEAD
}
