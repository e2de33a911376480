//! What becomes of a request: an answer, or what a fault makes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::{Value, json};

use crate::auth;
use crate::counters::LoggedRequest;
use crate::error::{MISSING_TOKEN, WireError};
use crate::fault::Fault;
use crate::operations::with_port;
use crate::service::{JSON, Service, State, respond};

/// What to do with a request, and after how long.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) outcome: Outcome,
    /// The number of the change that a vault has seen, if it has.
    pub(crate) change: Option<u64>,
    /// What was written down about it.
    pub(crate) logged: Option<Arc<LoggedRequest>>,
}

/// How a request ends.
#[derive(Debug, Default)]
pub(crate) enum Outcome {
    /// Nothing is decided yet.
    #[default]
    Open,
    Answer(Response<Bytes>),
    HangInBody(Response<Bytes>),
    Truncated(Response<Bytes>),
    Flood(Response<Bytes>, u64),
    Hang,
    Reset,
}

impl Outcome {
    /// Returns the status that is sent, if one is.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(response)
            | Self::HangInBody(response)
            | Self::Truncated(response)
            | Self::Flood(response, _) => Some(response.status().as_u16()),
            Self::Open | Self::Hang | Self::Reset => None,
        }
    }

    /// Returns the answer that is sent, if one is.
    pub(crate) fn response_mut(&mut self) -> Option<&mut Response<Bytes>> {
        match self {
            Self::Answer(response)
            | Self::HangInBody(response)
            | Self::Truncated(response)
            | Self::Flood(response, _) => Some(response),
            Self::Open | Self::Hang | Self::Reset => None,
        }
    }
}

impl Plan {
    /// Lets a fault strike in front of the vault.
    pub(crate) fn strike(&mut self, fault: Fault, service: &Service, state: &State, name: Option<&str>) {
        self.outcome = match fault {
            Fault::Latency(delay) => {
                self.delay += delay;
                return;
            }
            Fault::Hang => Outcome::Hang,
            Fault::Reset => Outcome::Reset,
            Fault::Unauthorized => Outcome::Answer(service.refuse(state, &WireError::unauthorized(MISSING_TOKEN))),
            Fault::Challenge(challenge) => {
                let mut response = service.refuse(state, &WireError::unauthorized(MISSING_TOKEN));
                put(&mut response, WWW_AUTHENTICATE, &challenge);
                Outcome::Answer(response)
            }
            Fault::InsufficientClaims => {
                let mut response = service.refuse(state, &WireError::unauthorized(MISSING_TOKEN));
                let (authority, tenant) = (&service.authority, &service.identity.tenant_id);
                put(&mut response, WWW_AUTHENTICATE, &auth::claims_challenge(authority, tenant, service.now()));
                Outcome::Answer(response)
            }
            Fault::Redirect(location) => {
                let mut response = respond(307, "text/html; charset=utf-8", Bytes::new());
                put(&mut response, LOCATION, &location);
                Outcome::Answer(response)
            }
            Fault::Status { code, retry_after, body, headers } => {
                let mut response = service.refuse(state, &WireError::typical(code, name));
                if let Some(body) = body {
                    *response.body_mut() = body.into();
                }
                if let Some(retry_after) = retry_after {
                    put(&mut response, RETRY_AFTER, &retry_after);
                }
                for (name, value) in headers {
                    if let Ok(name) = HeaderName::try_from(name) {
                        put(&mut response, name, &value);
                    }
                }
                Outcome::Answer(response)
            }
            // The rest spoils answers; there is none yet.
            _ => return,
        };
    }

    /// Asks for the answer if nothing else has been decided.
    pub(crate) fn or_answer(mut self, answer: impl FnOnce() -> Response<Bytes>) -> Self {
        if matches!(self.outcome, Outcome::Open) {
            self.outcome = Outcome::Answer(answer());
        }
        self
    }

    /// Tells whether the answer is a success with a body: something a fault can spoil.
    pub(crate) fn is_success(&self) -> bool {
        matches!(&self.outcome, Outcome::Answer(response) if response.status() == 200)
    }

    /// Lets a fault spoil the answer.
    pub(crate) fn spoil(&mut self, fault: Fault, base: &str, request: &Request<Bytes>) {
        let Outcome::Answer(response) = std::mem::take(&mut self.outcome) else {
            return;
        };
        self.outcome = match fault {
            Fault::HangInBody => Outcome::HangInBody(response),
            Fault::Truncated => Outcome::Truncated(response),
            Fault::Oversized(length) => Outcome::Flood(response, length),
            Fault::NotJson => Outcome::Answer(respond(200, "text/html; charset=utf-8", NOT_JSON)),
            Fault::WrongJson => Outcome::Answer(respond(200, JSON, WRONG_JSON)),
            Fault::WrongId => Outcome::Answer(edit(response, rename)),
            Fault::NextLink(link) => Outcome::Answer(edit(response, |body| body["nextLink"] = json!(link))),
            Fault::EmptyPage => {
                let path = request.uri().path_and_query().map_or("", |path| path.as_str());
                let link = format!("{}{path}", with_port(base));
                Outcome::Answer(respond(200, JSON, json!({ "value": [], "nextLink": link }).to_string()))
            }
            _ => Outcome::Answer(response),
        };
    }
}

fn put(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Changes the JSON of an answer. The order of its fields is lost, which the faults that do this can bear.
fn edit(response: Response<Bytes>, change: impl FnOnce(&mut Value)) -> Response<Bytes> {
    let (head, bytes) = response.into_parts();
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(head, bytes);
    };
    change(&mut body);
    Response::from_parts(head, body.to_string().into())
}

/// Lets every `id` name another secret.
fn rename(body: &mut Value) {
    if let Some(items) = body.get_mut("value").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(rename);
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
