//! A Storage queue, over the official client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport};
use azure_storage_queue::models::{QueueClientReceiveMessagesOptions, ReceivedMessage};
use azure_storage_queue::{QueueClient, QueueClientOptions};
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;
use url::Url;

use super::message_queue::{MOST_AT_ONCE, Message, MessageQueue};
use crate::error::{Error, ErrorKind, Result, ServiceAnswer};
use crate::http::http_client;

/// A Storage queue. Every call ends within 30 seconds.
pub(super) struct AzureQueue(QueueClient);

impl AzureQueue {
    /// Creates a client, without I/O. The query of `url` may be a shared access signature; otherwise there is a
    /// credential.
    pub(super) fn new(
        url: Url,
        credential: Option<Arc<dyn TokenCredential>>,
        mut options: ClientOptions,
        certificate_authorities: &[String],
    ) -> Result<Self> {
        if options.transport.is_none() {
            let capped = CappedClient(Arc::new(http_client(certificate_authorities)?));
            options.transport = Some(Transport::new(Arc::new(capped)));
        }
        // Exactly one layer retries: the receiver.
        options.retry = RetryOptions::none();
        let options = QueueClientOptions { client_options: options, ..QueueClientOptions::default() };
        // The error of the SDK shows the URL.
        let client = QueueClient::new(url, credential, Some(options));
        client.map(Self).map_err(|_| Error::invalid("client of the queue could not be created"))
    }
}

#[async_trait]
impl MessageQueue for AzureQueue {
    async fn receive(&self) -> Result<Vec<Message>> {
        let options = QueueClientReceiveMessagesOptions {
            number_of_messages: Some(MOST_AT_ONCE as i32),
            visibility_timeout: Some(HIDDEN_SECONDS),
            ..QueueClientReceiveMessagesOptions::default()
        };
        let received = async { self.0.receive_messages(Some(options)).await?.into_model() };
        let received = with_deadline(received).await?;
        Ok(received.items.unwrap_or_default().into_iter().filter_map(message_of).collect())
    }

    async fn delete(&self, message: &Message) -> Result<()> {
        let deleted = with_deadline(self.0.delete_message(&message.id, &message.receipt, None)).await;
        // Another receiver has the message, or it expired.
        ok_if_not_found(deleted.map(drop))
    }

    async fn create(&self) -> Result<()> {
        with_deadline(self.0.create(None)).await.map(drop)
    }

    async fn remove(&self) -> Result<()> {
        ok_if_not_found(with_deadline(self.0.delete(None)).await.map(drop))
    }
}

fn message_of(received: ReceivedMessage) -> Option<Message> {
    // The identifier becomes part of a URL path.
    let id = received.message_id.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))?;
    Some(Message {
        id,
        receipt: received.pop_receipt?,
        text: received.message_text.unwrap_or_default(),
        received: received.dequeue_count.unwrap_or(1),
    })
}

fn ok_if_not_found(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

async fn with_deadline<T>(call: impl Future<Output = azure_core::Result<T>>) -> Result<T> {
    Error::unless_on_runtime()?;
    match timeout(DEADLINE, call).await {
        Ok(outcome) => outcome.map_err(|error| redacted(&error)),
        Err(_) => Err(Error::new(ErrorKind::Unavailable, "queue did not answer in time")),
    }
}

/// Converts an error of the SDK without its text, which contains the URL: the URL may have a signature.
fn redacted(error: &azure_core::Error) -> Error {
    let AzureErrorKind::HttpResponse { status, error_code, .. } = error.kind() else {
        return match error.kind() {
            AzureErrorKind::Credential => Error::new(ErrorKind::Denied, "credential returned no token for the queue"),
            AzureErrorKind::DataConversion => Error::new(ErrorKind::Unavailable, "response is not that of a queue"),
            _ => Error::new(ErrorKind::Unavailable, "queue could not be reached"),
        };
    };
    let status = u16::from(*status);
    let code = error_code.as_deref().and_then(ServiceAnswer::code_of);
    let error = match status {
        401 | 403 => Error::new(ErrorKind::Denied, "access to the queue is denied").with_help(
            "grant the identity the role Storage Queue Data Message Processor, or Contributor for a queue of its own",
        ),
        404 => Error::new(ErrorKind::NotFound, "queue or message not found"),
        429 => Error::new(ErrorKind::Throttled { retry_after: None }, "queue is throttled"),
        409 => Error::new(ErrorKind::Conflict, "queue is being deleted"),
        400..500 => Error::new(ErrorKind::Invalid, "queue refused the request"),
        _ => Error::new(ErrorKind::Unavailable, "queue failed"),
    };
    error.with_answer(ServiceAnswer { http_status: status, code, inner_code: None, request_id: None })
}

/// An HTTP client that fails once a response exceeds the largest valid one.
#[derive(Debug)]
struct CappedClient(Arc<dyn HttpClient>);

#[async_trait]
impl HttpClient for CappedClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, headers, body) = self.0.execute_request(request).await?.deconstruct();
        let mut left = LARGEST_RESPONSE;
        let body = body.and_then(move |part| {
            let fits = left.checked_sub(part.len());
            left = fits.unwrap_or_default();
            let too_large = || azure_core::Error::with_message(AzureErrorKind::DataConversion, "response is too large");
            std::future::ready(fits.map(|_| part).ok_or_else(too_large))
        });
        Ok(AsyncRawResponse::new(status, headers, body.boxed()))
    }
}

/// The longest text of a message is [64 KiB](https://learn.microsoft.com/rest/api/storageservices/put-message), and XML
/// may escape one character as six.
const LARGEST_RESPONSE: usize = MOST_AT_ONCE * 6 * 64 * 1024;

/// The time for which a received message is hidden: long enough to delete it, short enough to return soon after a
/// crash.
const HIDDEN_SECONDS: i32 = 60;
const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures::stream;

    use super::*;

    /// A service whose responses never end.
    #[derive(Debug, Default)]
    struct EndlessService {
        sent: Arc<AtomicUsize>,
    }

    const PART: Bytes = Bytes::from_static(&[b'<'; 64 * 1024]);

    #[async_trait]
    impl HttpClient for EndlessService {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            let sent = Arc::clone(&self.sent);
            let body = stream::repeat_with(move || {
                sent.fetch_add(PART.len(), Ordering::Relaxed);
                Ok(PART)
            });
            Ok(AsyncRawResponse::new(200.into(), Default::default(), body.boxed()))
        }
    }

    /// A service that never answers.
    #[derive(Debug)]
    struct SilentService;

    #[async_trait]
    impl HttpClient for SilentService {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            std::future::pending().await
        }
    }

    fn queue(client: impl HttpClient + 'static) -> AzureQueue {
        let transport = Some(Transport::new(Arc::new(client)));
        let options = ClientOptions { transport, ..ClientOptions::default() };
        let url = "https://contoso.queue.core.windows.net/shop?sig=canary".parse().unwrap();
        AzureQueue::new(url, None, options, &[]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline() {
        let begun = tokio::time::Instant::now();
        let error = queue(SilentService).receive().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!((DEADLINE..DEADLINE * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_endless_response_is_not_read_beyond_the_limit() {
        let endless = EndlessService::default();
        let sent = Arc::clone(&endless.sent);
        let error = queue(CappedClient(Arc::new(endless))).receive().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent <= LARGEST_RESPONSE + PART.len(), "{sent} bytes were read");
    }
}
