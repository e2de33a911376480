//! The effect of a fault on a request or on its response.

use std::time::Duration;

use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::{Value, json};

use super::reply::Reply;
use super::state::{Service, State};
use crate::faults::Fault;
use crate::identity::claims_challenge;
use crate::protocol::uri::with_port;
use crate::protocol::{ErrorResponse, HTML, JSON, MISSING_TOKEN, response};

/// The effect of a request fault.
pub(super) enum FaultEffect {
    /// Delays the request and passes it on.
    Delay(Duration),
    /// Replies in place of the vault.
    Reply(Reply),
}

/// Returns the effect of a request fault. `name` is the secret that a 404 mentions.
pub(super) fn apply_to_request(service: &Service, state: &State, fault: Fault, name: Option<&str>) -> FaultEffect {
    let unauthorized = || service.error_response(state, &ErrorResponse::unauthorized(MISSING_TOKEN));
    let response = match fault {
        Fault::Latency(delay) => return FaultEffect::Delay(delay),
        Fault::Hang => return FaultEffect::Reply(Reply::Hang),
        Fault::Reset => return FaultEffect::Reply(Reply::Reset),
        Fault::Unauthorized => unauthorized(),
        Fault::Challenge(challenge) => with_header(unauthorized(), WWW_AUTHENTICATE, &challenge),
        Fault::InsufficientClaims => {
            let challenge = claims_challenge(&service.authority, &service.registration.tenant_id, service.now());
            with_header(unauthorized(), WWW_AUTHENTICATE, &challenge)
        }
        Fault::Redirect(location) => with_header(response(307, HTML, Bytes::new()), LOCATION, &location),
        Fault::Status { code, retry_after, body, headers } => {
            let mut response = service.error_response(state, &ErrorResponse::typical(code, name));
            if let Some(body) = body {
                *response.body_mut() = body.into();
            }
            if let Some(retry_after) = retry_after {
                response = with_header(response, RETRY_AFTER, &retry_after);
            }
            for (name, value) in headers {
                if let Ok(name) = HeaderName::try_from(name) {
                    response = with_header(response, name, &value);
                }
            }
            response
        }
        // The list of faults returns no response fault at this stage.
        _ => return FaultEffect::Delay(Duration::ZERO),
    };
    FaultEffect::Reply(Reply::Complete(response))
}

/// Applies a response fault to a successful response.
pub(super) fn apply_to_response(
    fault: Fault,
    original: Response<Bytes>,
    request: &Request<Bytes>,
    base: &str,
) -> Reply {
    match fault {
        Fault::HangInBody => Reply::HangInBody(original),
        Fault::Truncated => Reply::Truncated(original),
        Fault::Oversized(length) => Reply::Oversized(original, length),
        Fault::NotJson => Reply::Complete(response(200, HTML, NOT_JSON)),
        Fault::WrongJson => Reply::Complete(response(200, JSON, WRONG_JSON)),
        Fault::WrongId => Reply::Complete(edit_json(original, replace_ids)),
        Fault::NextLink(link) => Reply::Complete(edit_json(original, |body| body["nextLink"] = json!(link))),
        Fault::EmptyPage => {
            let path = request.uri().path_and_query().map_or("", |path| path.as_str());
            let link = format!("{}{path}", with_port(base));
            Reply::Complete(response(200, JSON, json!({ "value": [], "nextLink": link }).to_string()))
        }
        _ => Reply::Complete(original),
    }
}

/// Sets a header. An invalid value changes nothing.
fn with_header(mut response: Response<Bytes>, name: HeaderName, value: &str) -> Response<Bytes> {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Changes the JSON body of a response. The order of its fields is lost.
fn edit_json(response: Response<Bytes>, change: impl FnOnce(&mut Value)) -> Response<Bytes> {
    let (head, bytes) = response.into_parts();
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(head, bytes);
    };
    change(&mut body);
    Response::from_parts(head, body.to_string().into())
}

/// Replaces the secret name in every `id`.
fn replace_ids(body: &mut Value) {
    if let Some(items) = body.get_mut("value").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(replace_ids);
    }
    let Some(Value::String(id)) = body.get_mut("id") else {
        return;
    };
    let mut segments: Vec<&str> = id.split('/').collect();
    // https: / / host / secrets / name [/ version]
    if let Some(name) = segments.get_mut(4) {
        *name = "another-secret";
    }
    *id = segments.join("/");
}

const NOT_JSON: &str = "<html><body><h1>Please sign in to the network</h1></body></html>";
const WRONG_JSON: &str = r#"{"value":42,"id":["not","an","id"],"attributes":"none","nextLink":{}}"#;
