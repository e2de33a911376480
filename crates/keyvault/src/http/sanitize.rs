//! Headers and errors of the transport, without text that the other side controls.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::Uuid;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{AUTHORIZATION, HeaderName, HeaderValue, Headers};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Body, Context, Request, Transport};

/// A policy between the SDK's pipeline and the transport that keeps foreign text out of logs.
///
/// The pipeline logs headers that it considers harmless, and the text of each error. A server can put any text into
/// both, including the token that it just received. So only the headers that the client reads pass, and only if they
/// are well formed or not logged. Errors pass without the text of the other side.
#[derive(Debug)]
pub(super) struct Sanitizer(Transport);

/// The headers whose text is foreign and needed, and the names under which they pass: the pipeline would log some of
/// them under their own names.
const UNLOGGED: [(&str, &str); 4] =
    [("www-authenticate", CHALLENGE), ("etag", ETAG), ("link", LINK), ("sync-token", SYNC_TOKEN)];

pub(super) const CHALLENGE: &str = "x-keyvault-challenge";
pub(super) const ETAG: &str = "x-keyvault-etag";
pub(super) const LINK: &str = "x-keyvault-link";
pub(super) const SYNC_TOKEN: &str = "x-keyvault-sync-token";

/// The name under which the name of the server passes.
pub(super) const SERVER: &str = "x-keyvault-server";

/// The largest length of a foreign text, in bytes. A link to the next page contains a key and filters.
const MAX_FOREIGN_TEXT: usize = 16 << 10;

impl Sanitizer {
    pub(super) fn wrap(transport: Transport) -> Transport {
        Transport::with_policy(Arc::new(Self(transport)))
    }
}

#[async_trait]
impl Policy for Sanitizer {
    async fn send(&self, context: &Context, request: &mut Request, _: &[Arc<dyn Policy>]) -> PolicyResult {
        let response = self.0.send(context, request).await.map_err(|error| {
            let kind = match error.kind() {
                ErrorKind::Connection => ErrorKind::Connection,
                ErrorKind::Io => ErrorKind::Io,
                // The other kinds can contain a response.
                _ => ErrorKind::Other,
            };
            azure_core::Error::with_message(kind, reason(&error, request))
        })?;
        let (status, headers, body) = response.deconstruct();
        let mut headers: HashMap<HeaderName, HeaderValue> = headers.into_iter().filter_map(sanitized).collect();
        // A server could answer with what it just received.
        if headers.get(&SERVER_NAME).is_some_and(|name| contains(request, name.as_str())) {
            headers.remove(&SERVER_NAME);
        }
        Ok(AsyncRawResponse::new(status, Headers::from(headers), Box::pin(body)))
    }
}

/// Returns a header under the name under which it passes, or `None` if it does not.
fn sanitized((name, value): (HeaderName, HeaderValue)) -> Option<(HeaderName, HeaderValue)> {
    let text = value.as_str().trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = |text: &str| httpdate::parse_http_date(text).is_ok();
    if let Some((_, unlogged)) = UNLOGGED.iter().find(|(known, _)| *known == name.as_str()) {
        return (text.len() <= MAX_FOREIGN_TEXT).then(|| (HeaderName::from_static(unlogged), value));
    }
    let passes = match name.as_str() {
        "content-length" => is_number(text),
        "date" => is_date(text),
        "retry-after" => is_number(text) || is_date(text),
        "retry-after-ms" | "x-ms-retry-after-ms" => is_number(text),
        "x-ms-request-id" => is_request_id(text),
        "server" => return Some((SERVER_NAME, HeaderValue::from(server_name(text)?.to_owned()))),
        _ => false,
    };
    passes.then_some((name, value))
}

/// Returns the first product of a `Server` header, if it is a name: `squid` of `squid/6.1 (Ubuntu)`.
fn server_name(header: &str) -> Option<&str> {
    let name = header.split(['/', ' ', '(']).next().unwrap_or_default();
    let is_name = (2..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    is_name.then_some(name)
}

/// Returns whether a header or the body of a request contains `text`.
fn contains(request: &Request, text: &str) -> bool {
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let in_body = matches!(request.body(), Body::Bytes(body) if has(body));
    in_body || request.headers().iter().any(|(_, value)| has(value.as_str().as_bytes()))
}

const SERVER_NAME: HeaderName = HeaderName::from_static(SERVER);

/// Returns whether text is [a UUID](https://www.rfc-editor.org/rfc/rfc9562#section-4), as every request id is.
pub(super) fn is_request_id(text: &str) -> bool {
    // Only the form with hyphens has this length.
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// Returns why `request` failed, in the words of the transport: they name hosts, addresses and certificates.
///
/// Removes the text that an HTTP/2 server sends when it closes a connection, and the token or signature, if a text
/// contains it.
pub(super) fn reason(error: &azure_core::Error, request: &Request) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = credentials(request).into_iter().fold(error.to_string(), without);
        let text = without_debug_data(text);
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

/// Returns what authorizes a request: the token, or all parameters of a signature and the signature itself.
fn credentials(request: &Request) -> Vec<&str> {
    let header = request.headers().get_optional_str(&AUTHORIZATION).and_then(|header| header.split_once(' '));
    let parameters = header.map(|(_scheme, parameters)| parameters);
    let signature = parameters.and_then(|parameters| parameters.split_once("Signature=")).map(|(_, after)| after);
    parameters.into_iter().chain(signature).collect()
}

/// Removes a token. A token is long; one as short as a word belongs to a test, and the word occurs in other texts.
fn without(text: String, token: &str) -> String {
    if token.len() < 8 { text } else { text.replace(token, "…") }
}

/// Removes the [debug data](https://www.rfc-editor.org/rfc/rfc9113#section-6.8) of a GOAWAY frame, which `h2` quotes at
/// the end of its text.
fn without_debug_data(mut text: String) -> String {
    if let Some(at) = text.find(" (b\"") {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use azure_core::http::{DEFAULT_ALLOWED_HEADER_NAMES, Method};

    use super::*;

    #[test]
    fn a_logged_header_passes_only_if_it_is_well_formed() {
        for (name, value, expected) in [
            ("content-length", "12", Some("content-length")),
            ("content-length", "canary", None),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT", Some("date")),
            ("date", "canary", None),
            ("retry-after", "7", Some("retry-after")),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some("retry-after")),
            ("retry-after", "canary", None),
            ("x-ms-request-id", "bc33c5fd-3c9f-4c94-a130-e53068dbde0a", Some("x-ms-request-id")),
            ("x-ms-request-id", "canary", None),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("www-authenticate", "Bearer canary", Some(CHALLENGE)),
            ("etag", "\"canary\"", Some(ETAG)),
            ("link", "</kv?after=canary>; rel=\"next\"", Some(LINK)),
            ("sync-token", "zAJw6V16=canary;sn=1", Some(SYNC_TOKEN)),
            ("operation-location", "https://contoso.azconfig.io/operations?snapshot=canary", None),
            ("x-keyvault-etag", "canary", None),
            ("x-keyvault-challenge", "Bearer canary", None),
            ("server", "squid/6.1 (Ubuntu)", Some(SERVER)),
            ("server", "Microsoft-Azure-Application-Gateway/v2", Some(SERVER)),
            ("server", "canary-7f3a", None),
            ("server", "<b>", None),
            ("x-keyvault-server", "canary", None),
            ("retry-after-ms", "250", Some("retry-after-ms")),
            ("x-ms-retry-after-ms", "canary", None),
            ("x-ms-keyvault-region", "canary", None),
        ] {
            let found = sanitized((HeaderName::from_static(name), HeaderValue::from(value.to_owned())));
            assert_eq!(found.as_ref().map(|(name, _)| name.as_str()), expected, "{name}: {value}");
            let is_logged = found.is_some_and(|(name, _)| DEFAULT_ALLOWED_HEADER_NAMES.contains(name.as_str()));
            assert!(!is_logged || !value.contains("canary"), "{name}: {value}");
        }
    }

    #[test]
    fn a_reason_contains_neither_the_token_nor_text_of_the_server() {
        let text = "connection error received: not a result of an error (b\"canary \\\" canary\")";
        let inner = std::io::Error::other(text);
        let error = azure_core::Error::with_error(ErrorKind::Io, inner, "sent Bearer canary.token and more");
        assert_eq!(
            reason(&error, &authorized("Bearer canary.token")),
            "sent Bearer … and more: connection error received: not a result of an error"
        );
    }

    #[test]
    fn a_reason_contains_no_signature() {
        let header = "HMAC-SHA256 Credential=id&SignedHeaders=x-ms-date;host&Signature=canary+signature=";
        for (text, expected) in [
            (format!("cannot send {header}"), "cannot send HMAC-SHA256 …"),
            ("cannot send canary+signature= there".to_owned(), "cannot send … there"),
        ] {
            let error = azure_core::Error::with_message(ErrorKind::Io, text);
            assert_eq!(reason(&error, &authorized(header)), expected);
        }
    }

    #[test]
    fn a_foreign_text_beyond_the_limit_does_not_pass() {
        let passes = |length| {
            let value = HeaderValue::from("a".repeat(length));
            sanitized((HeaderName::from_static("link"), value)).is_some()
        };
        assert_eq!([passes(MAX_FOREIGN_TEXT), passes(MAX_FOREIGN_TEXT + 1)], [true, false]);
    }

    fn authorized(header: &'static str) -> Request {
        let mut request = Request::new("https://contoso.azconfig.io/kv".parse().unwrap(), Method::Get);
        request.insert_header(AUTHORIZATION, header);
        request
    }

    #[test]
    fn a_request_id_is_a_uuid() {
        for (text, is_one) in [
            ("bc33c5fd-3c9f-4c94-a130-e53068dbde0a", true),
            ("BC33C5FD-3C9F-4C94-A130-E53068DBDE0A", true),
            ("bc33c5fd-3c9f-4c94-a130-e53068dbde0a-0", false),
            ("bc33c5fd3c9f4c94a130e53068dbde0a", false),
            ("canary", false),
            ("", false),
        ] {
            assert_eq!(is_request_id(text), is_one, "{text}");
        }
    }
}
