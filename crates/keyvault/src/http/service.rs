//! How one service of Azure differs from another.

use std::fmt;

use azure_core::http::Request as SdkRequest;
use tracing::Span;

use super::operation::Operation;
use super::refusal::unauthorized;
use super::request::Subject;
use crate::error::{Error, Result};

/// What the pipeline asks the client of one service, apart from its [operations](Operation).
pub trait Service: fmt::Debug + Send + Sync + 'static {
    /// Returns the word for one instance of the service in error texts: `vault`, `store`.
    fn noun(&self) -> &'static str;

    /// Creates the span of a request. Its fields `status`, `attempts`, `duration` and `request_id` are empty at first.
    fn span(&self, operation: &dyn Operation) -> Span;

    /// Logs at debug level that a request has ended, within its span.
    fn log(&self, subject: Option<&Subject>);

    /// Returns the scope that the challenge of a 401 asks for. `None` if the token is to have the same scope.
    ///
    /// # Errors
    ///
    /// [`Denied`](crate::ErrorKind::Denied) if the challenge asks for a token to another service.
    fn scope(&self, challenge: &str) -> Result<Option<String>> {
        _ = challenge;
        Ok(None)
    }

    /// Signs a request, which is complete apart from the headers that this sets. Called for each attempt of a pipeline
    /// without an authorizer.
    ///
    /// # Errors
    ///
    /// Whatever prevents the signature: the request is not sent.
    fn sign(&self, request: &mut SdkRequest) -> Result<()> {
        _ = request;
        Err(unauthorized(self.noun()))
    }

    /// Adds what is known about this instance to any error of a request.
    fn explain(&self, error: Error) -> Error {
        error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use azure_core::http::headers::{AUTHORIZATION, Headers};
    use azure_core::http::{AsyncRawResponse, HttpClient, Transport};

    use super::super::pipeline::Pipeline;
    use super::super::pipeline_settings::PipelineSettings;
    use super::super::request::Request;
    use super::super::response::Response;
    use super::super::testing::{GET, Store};
    use super::*;
    use crate::secret::Vault;

    /// Answers with these statuses, the last one first, and records what authorized the requests.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<u16>>, Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl HttpClient for Scripted {
        async fn execute_request(&self, request: &SdkRequest) -> azure_core::Result<AsyncRawResponse> {
            let authorization = request.headers().get_optional_str(&AUTHORIZATION).unwrap_or_default();
            self.1.lock().unwrap().push(authorization.to_owned());
            let status = self.0.lock().unwrap().pop().unwrap_or(200);
            let mut headers = Headers::new();
            for (name, value) in
                [("etag", "\"a\""), ("sync-token", "b=c;sn=1"), ("link", "</kv?after=d>; rel=\"next\"")]
            {
                headers.insert(name, value);
            }
            Ok(AsyncRawResponse::from_bytes(status.into(), headers, "{}"))
        }
    }

    async fn send(statuses: &[u16]) -> (Result<Response>, Vec<String>) {
        let wire = Arc::new(Scripted(Mutex::new(statuses.to_vec()), Mutex::default()));
        let mut settings = PipelineSettings::new("1.0", 9);
        settings.options.transport = Some(Transport::new(Arc::clone(&wire) as _));
        let origin = Vault::parse("https://contoso.azconfig.io").unwrap();
        let pipeline = Pipeline::new(origin, Arc::new(Store::default()), None, settings).unwrap();
        let request = Request::new(&GET, pipeline.url(&["kv", "a/b"]).unwrap());
        let subject = Subject::Setting { key: "a/b".to_owned(), place: "contoso".to_owned() };
        let request = request.about(subject).header("accept", "kv").header("if-none-match", "\"a\"");
        let response = pipeline.send(&request).await;
        let sent = wire.1.lock().unwrap().clone();
        (response, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn each_attempt_is_signed_anew_and_as_a_whole() {
        let (response, sent) = send(&[304, 503]).await;
        assert_eq!(sent, ["HMAC 0 GET /kv/a%2Fb kv", "HMAC 1 GET /kv/a%2Fb kv"]);
        let response = response.unwrap();
        assert_eq!((response.status, response.etag.as_deref()), (304, Some("\"a\"")));
        assert_eq!(response.sync_token.as_deref(), Some("b=c;sn=1"));
        assert_eq!(response.link.as_deref(), Some("</kv?after=d>; rel=\"next\""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_signature_is_final_and_the_error_is_in_the_words_of_the_service() {
        let (response, sent) = send(&[401]).await;
        assert_eq!(sent.len(), 1);
        let error = response.err().unwrap();
        assert_eq!(
            (error.to_string(), error.http_status()),
            ("a/b from contoso: UnauthorizedClient: store did not accept the token".to_owned(), Some(401))
        );
    }
}
