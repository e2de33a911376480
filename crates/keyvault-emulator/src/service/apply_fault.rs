//! The effect of a fault on a request or on its response.

use std::time::Duration;

use bytes::Bytes;
use http::header::{LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::{Value, json};

use super::reply::Reply;
use super::state::{Service, State};
use crate::app_configuration::Problem;
use crate::faults::Fault;
use crate::identity::claims_challenge;
use crate::protocol::uri::with_port;
use crate::protocol::{ErrorResponse, HTML, JSON, ObjectKind, ObjectName, response};

/// The effect of a request fault.
pub(super) enum FaultEffect {
    /// Delays the request and passes it on.
    Delay(Duration),
    /// Replies in place of the vault.
    Reply(Reply),
}

/// The service whose errors a fault sends.
#[derive(Debug)]
pub(super) enum ErrorSource {
    /// A vault, with the kind and the name of the object that a 404 mentions, or a token endpoint.
    Vault(ObjectKind, Option<String>),
    /// An App Configuration store.
    Store,
}

impl ErrorSource {
    /// Returns the response that the service usually sends with a status.
    fn typical(&self, service: &Service, state: &State, status: u16) -> Response<Bytes> {
        match self {
            Self::Vault(kind, name) => {
                let object = ObjectName { kind: *kind, name: name.as_deref().unwrap_or("unknown") };
                service.error_response(state, &ErrorResponse::typical(status, object))
            }
            Self::Store => Problem::typical(status).to_response(),
        }
    }
}

/// Returns the effect of a request fault.
pub(super) fn apply_to_request(service: &Service, state: &State, fault: Fault, errors: &ErrorSource) -> FaultEffect {
    let unauthorized = || errors.typical(service, state, 401);
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
            let mut response = errors.typical(service, state, code);
            if let Some(body) = body {
                *response.body_mut() = body.into();
            }
            if let Some(retry_after) = retry_after {
                // The service's own time, which clients prefer, would hide that of the test.
                response.headers_mut().remove("retry-after-ms");
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
    errors: &ErrorSource,
) -> Reply {
    match fault {
        Fault::HangInBody => Reply::HangInBody(original),
        Fault::Truncated => Reply::Truncated(original),
        Fault::Oversized(length) => Reply::Oversized(original, length),
        Fault::NotJson => Reply::Complete(response(original.status().as_u16(), HTML, NOT_JSON)),
        Fault::WrongJson => Reply::Complete(response(original.status().as_u16(), JSON, WRONG_JSON)),
        Fault::WrongId => Reply::Complete(edit_json(original, replace_ids)),
        Fault::NextLink(link) => Reply::Complete(match errors {
            ErrorSource::Vault(..) => edit_json(original, |body| body["nextLink"] = json!(link)),
            ErrorSource::Store => with_header(
                edit_json(original, |body| body["@nextLink"] = json!(link)),
                LINK,
                &format!("<{link}>; rel=\"next\""),
            ),
        }),
        Fault::EmptyPage => {
            let path = request.uri().path_and_query().map_or("", |path| path.as_str());
            Reply::Complete(match errors {
                ErrorSource::Vault(..) => {
                    let link = format!("{}{path}", with_port(base));
                    response(200, JSON, json!({ "value": [], "nextLink": link }).to_string())
                }
                ErrorSource::Store => with_header(
                    original.map(|_| json!({ "items": [], "@nextLink": path }).to_string().into()),
                    LINK,
                    &format!("<{path}>; rel=\"next\""),
                ),
            })
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

/// Replaces the secret name in every `id`, and every key of a key-value.
fn replace_ids(body: &mut Value) {
    for list in ["value", "items"] {
        if let Some(items) = body.get_mut(list).and_then(Value::as_array_mut) {
            items.iter_mut().for_each(replace_ids);
        }
    }
    if let Some(Value::String(key)) = body.get_mut("key") {
        *key = "another-key".to_owned();
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
