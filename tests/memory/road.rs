//! A transport that leaves nothing behind: what is found afterwards is the client's.

use azure_core::error::ErrorKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::Headers;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::ready;
use futures::stream;
use keyvault::SecretClient;
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeTransport, SentRequest};
use zeroize::Zeroizing;

use super::hidden::Hidden;

/// How an answer with the secret in it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Course {
    /// In one piece, its length told.
    Whole,
    /// In small pieces, its length not told.
    InPieces,
    /// In small pieces, and breaks off.
    BreaksOff,
    /// As a refusal that quotes the secret.
    Refuses,
    /// As something else than JSON.
    IsNotJson,
    /// As another secret than the one that was asked for.
    IsOfAnother,
}

/// What the vault answers.
#[derive(Clone, Copy)]
pub(crate) struct Road {
    hidden: Hidden,
    course: Course,
}

impl Road {
    /// Creates a client of a vault that has the secret under every name.
    pub(crate) fn client(hidden: Hidden, course: Course) -> SecretClient {
        let road = Self { hidden, course };
        let transport = FakeTransport::unlogged(move |request| ready(Ok(road.respond(&request))));
        transport.client(&FakeCredential::fixed("a token")).build().unwrap()
    }

    fn body(&self, request: &SentRequest) -> Zeroizing<Vec<u8>> {
        let path: Vec<&str> = request.url.path().split('/').filter(|part| !part.is_empty()).collect();
        let name = match self.course {
            Course::IsOfAnother => "another",
            _ => path.get(1).copied().unwrap_or("a"),
        };
        let text = self.hidden.json();
        let mut body = Zeroizing::new(Vec::with_capacity(4 * text.len() + 400));
        match self.course {
            Course::Refuses => {
                body.extend(*b"{\"error\":{\"code\":\"Forbidden\",\"message\":\"");
                body.extend(text.iter());
                body.extend(*b"\"}}");
                return body;
            }
            Course::IsNotJson => body.extend(*b"<html>"),
            _ => {}
        }
        body.extend(*b"{\"value\":\"");
        if name == "json" {
            body.extend(*b"{\\\"user\\\":\\\"");
            for byte in text.iter() {
                // An escape in an escape.
                match byte {
                    b'\\' => body.extend(*b"\\\\"),
                    byte => body.push(*byte),
                }
            }
            body.extend(*b"\\\"}");
        } else {
            body.extend(text.iter());
        }
        body.extend(
            format!("\",\"contentType\":\"application/json\",\"id\":\"{CONTOSO}/secrets/{name}/0af1\"}}").bytes(),
        );
        body
    }

    fn respond(&self, request: &SentRequest) -> AsyncRawResponse {
        let body = self.body(request);
        let mut headers = Headers::new();
        let size = match self.course {
            Course::Whole | Course::Refuses | Course::IsNotJson | Course::IsOfAnother => {
                headers.insert("content-length", body.len().to_string());
                body.len()
            }
            Course::InPieces | Course::BreaksOff => 100,
        };
        let mut pieces: Vec<azure_core::Result<Bytes>> = Vec::new();
        for piece in body.chunks(size) {
            pieces.push(Ok(Bytes::from_owner(Zeroizing::new(piece.to_vec()))));
        }
        if let Course::BreaksOff = self.course {
            pieces.truncate(pieces.len() / 2);
            pieces.push(Err(azure_core::Error::with_message(ErrorKind::Io, "it broke off")));
        }
        let status = if let Course::Refuses = self.course { 403 } else { 200 };
        AsyncRawResponse::new(status.into(), headers, stream::iter(pieces).boxed())
    }
}
