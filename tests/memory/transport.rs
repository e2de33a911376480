//! A transport that keeps no copies, so that every copy found belongs to the client.

use azure_core::base64::encode_url_safe;
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

use super::hidden_secret::Hidden;

/// The delivery of a response that contains the secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// In one piece, with its length.
    Whole,
    /// In small pieces, without a length.
    InPieces,
    /// Encoded as base64, like a backup.
    InBase64,
    /// In small pieces, and incomplete.
    BreaksOff,
    /// As a refusal that quotes the secret.
    Refuses,
    /// As invalid JSON.
    IsNotJson,
    /// With the id of another secret.
    IsOfAnother,
}

/// A vault that has the secret under every name.
#[derive(Clone, Copy)]
pub(crate) struct Responder {
    hidden: Hidden,
    delivery: Delivery,
}

impl Responder {
    /// Creates a client of the vault.
    pub(crate) fn client(hidden: Hidden, delivery: Delivery) -> SecretClient {
        let responder = Self { hidden, delivery };
        let transport = FakeTransport::unlogged(move |request| ready(Ok(responder.respond(&request))));
        transport.client(&FakeCredential::fixed("a token")).build().unwrap()
    }

    fn body(&self, request: &SentRequest) -> Zeroizing<Vec<u8>> {
        let path: Vec<&str> = request.url.path().split('/').filter(|part| !part.is_empty()).collect();
        let name = match self.delivery {
            Delivery::IsOfAnother => "another",
            _ => path.get(1).copied().unwrap_or("a"),
        };
        let text = match self.delivery {
            Delivery::InBase64 => Zeroizing::new(encode_url_safe(&*self.hidden.text()).into_bytes()),
            _ => self.hidden.json(),
        };
        let mut body = Zeroizing::new(Vec::with_capacity(4 * text.len() + 400));
        match self.delivery {
            Delivery::Refuses => {
                body.extend(*b"{\"error\":{\"code\":\"Forbidden\",\"message\":\"");
                body.extend(text.iter());
                body.extend(*b"\"}}");
                return body;
            }
            Delivery::IsNotJson => body.extend(*b"<html>"),
            _ => {}
        }
        body.extend(*b"{\"value\":\"");
        if name == "json" {
            body.extend(*b"{\\\"user\\\":\\\"");
            for byte in text.iter() {
                // A nested escape.
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
        let size = match self.delivery {
            Delivery::Whole | Delivery::InBase64 | Delivery::Refuses | Delivery::IsNotJson | Delivery::IsOfAnother => {
                headers.insert("content-length", body.len().to_string());
                body.len()
            }
            Delivery::InPieces | Delivery::BreaksOff => 100,
        };
        let mut pieces: Vec<azure_core::Result<Bytes>> = Vec::new();
        for piece in body.chunks(size) {
            pieces.push(Ok(Bytes::from_owner(Zeroizing::new(piece.to_vec()))));
        }
        if let Delivery::BreaksOff = self.delivery {
            pieces.truncate(pieces.len() / 2);
            pieces.push(Err(azure_core::Error::with_message(ErrorKind::Io, "it broke off")));
        }
        let status = if let Delivery::Refuses = self.delivery { 403 } else { 200 };
        AsyncRawResponse::new(status.into(), headers, stream::iter(pieces).boxed())
    }
}
