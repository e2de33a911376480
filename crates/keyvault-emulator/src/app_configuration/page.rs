//! Pages of lists.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use serde::Serialize;

use super::problem::empty_response;
use super::request::{Parameters, add_header, add_link};
use crate::protocol::{response, to_json};

/// The maximum size of a page.
pub(crate) const MAX_STORE_PAGE: usize = 100;

/// A page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The position of the last item, if the page is full. Like the service, a list whose last page is full has one
    /// more page, which is empty.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// Takes a page from the rest of a list, whose items come with their positions.
    pub(super) fn take<P>(rest: impl Iterator<Item = (P, T)>, size: usize, position: impl Fn(P) -> String) -> Self {
        let mut items = Vec::new();
        let mut last = None;
        for (at, item) in rest.take(size) {
            items.push(item);
            last = Some(at);
        }
        let next = last.filter(|_| items.len() == size).map(position);
        Self { items, next }
    }

    /// Replaces each item.
    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

impl<T: Serialize> Page<T> {
    /// Creates the response. A page with an ETag can be unchanged.
    pub(super) fn respond(
        &self,
        request: &Request<Bytes>,
        parameters: &Parameters,
        content_type: &'static str,
        etag: Option<&str>,
    ) -> Response<Bytes> {
        let next = self.next.as_ref().map(|position| next_link(request, position));
        let is_met = etag.is_none() || parameters.precondition.is_met(etag);
        let mut response = if is_met {
            let body = PageBody { etag, items: &self.items, next_link: next.as_deref() };
            response(200, content_type, to_json(&body))
        } else {
            empty_response(parameters.precondition.status())
        };
        if let Some(etag) = etag {
            add_header(&mut response, "etag", &format!("\"{etag}\""));
        }
        // A client follows the link even if the page is unchanged.
        if let Some(next) = next {
            add_link(&mut response, &next, "next");
        }
        response
    }
}

#[derive(Serialize)]
struct PageBody<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    items: &'a [T],
    #[serde(rename = "@nextLink", skip_serializing_if = "Option::is_none")]
    next_link: Option<&'a str>,
}

/// Returns the link to the page after a position: the target of the request with another `after`.
fn next_link(request: &Request<Bytes>, position: &str) -> String {
    let is_after = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("after")
    };
    let query = request.uri().query().unwrap_or_default();
    let parameters: Vec<&str> = query.split('&').filter(|parameter| !is_after(parameter)).collect();
    format!("{}?{}&after={}", request.uri().path(), parameters.join("&"), URL_SAFE_NO_PAD.encode(position))
}

/// Returns the position in the parameter `after`. Like in the service, a value that cannot be decoded does not count.
pub(super) fn after(parameters: &Parameters) -> Option<String> {
    let text = parameters.first("after").filter(|text| !text.is_empty())?;
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD.decode(text)).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_repeats_the_request_with_another_position() {
        for (target, expected) in [
            ("/kv?api-version=1.0", "/kv?api-version=1.0&after=YQpi"),
            ("/kv?After=x&api-version=1.0&key=a%2A%26", "/kv?api-version=1.0&key=a%2A%26&after=YQpi"),
            ("/kv?api-version=1.0&after=", "/kv?api-version=1.0&after=YQpi"),
        ] {
            let request = Request::get(target).body(Bytes::new()).unwrap();
            assert_eq!(next_link(&request, "a\nb"), expected, "{target}");
        }
    }

    #[test]
    fn a_full_page_has_a_next_page() {
        for (count, items, next) in [(0, 0, None), (2, 2, None), (3, 3, Some("2")), (4, 3, Some("2"))] {
            let page = Page::take((0..count).map(|n| (n, n)), 3, |at| at.to_string());
            assert_eq!((page.items.len(), page.next.as_deref()), (items, next), "{count}");
        }
    }
}
