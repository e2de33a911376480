//! What a queue is asked for.

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

use crate::client::http_client;
use crate::error::{Error, ErrorKind, Result, ServiceAnswer};

/// One message, hidden from other readers until it is deleted or its time is up.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) text: String,
    /// How often it was received, with this time.
    pub(super) received: i64,
}

/// A queue of messages: Azure's, or one that a test makes up. Every call ends within a deadline.
#[async_trait]
pub(super) trait Messages: Send + Sync + 'static {
    /// Takes up to `most` messages and hides them for a while.
    async fn receive(&self) -> Result<Vec<Message>>;

    async fn delete(&self, message: &Message) -> Result<()>;

    /// Makes the queue; one that is there is left as it is.
    async fn create(&self) -> Result<()>;

    /// Removes the queue; one that is not there is no error.
    async fn remove(&self) -> Result<()>;
}

/// The most that one request gives.
pub(super) const MOST_AT_ONCE: usize = 32;

/// A queue in a storage account, over the official client.
pub(super) struct AzureMessages(QueueClient);

impl AzureMessages {
    /// `url` may have a shared access signature in its query; the credential is for one that has none.
    pub(super) fn new(
        url: Url,
        credential: Option<Arc<dyn TokenCredential>>,
        mut options: ClientOptions,
        certificate_authorities: &[String],
    ) -> Result<Self> {
        if options.transport.is_none() {
            let capped = Capped(Arc::new(http_client(certificate_authorities)?));
            options.transport = Some(Transport::new(Arc::new(capped)));
        }
        // One layer retries, and it is the reader.
        options.retry = RetryOptions::none();
        let options = QueueClientOptions { client_options: options, ..QueueClientOptions::default() };
        // Its error would show the URL.
        let client = QueueClient::new(url, credential, Some(options));
        client.map(Self).map_err(|_| Error::invalid("client of the queue could not be made"))
    }
}

#[async_trait]
impl Messages for AzureMessages {
    async fn receive(&self) -> Result<Vec<Message>> {
        let options = QueueClientReceiveMessagesOptions {
            number_of_messages: Some(MOST_AT_ONCE as i32),
            visibility_timeout: Some(HIDDEN_SECONDS),
            ..QueueClientReceiveMessagesOptions::default()
        };
        let received = async { self.0.receive_messages(Some(options)).await?.into_model() };
        let received = in_time(received).await?;
        Ok(received.items.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn delete(&self, message: &Message) -> Result<()> {
        let deleted = in_time(self.0.delete_message(&message.id, &message.receipt, None)).await;
        // Somebody else has it by now, or it has expired.
        gone_is_done(deleted.map(drop))
    }

    async fn create(&self) -> Result<()> {
        in_time(self.0.create(None)).await.map(drop)
    }

    async fn remove(&self) -> Result<()> {
        gone_is_done(in_time(self.0.delete(None)).await.map(drop))
    }
}

fn message(received: ReceivedMessage) -> Option<Message> {
    // The id goes into a path.
    let id = received.message_id.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))?;
    Some(Message {
        id,
        receipt: received.pop_receipt?,
        text: received.message_text.unwrap_or_default(),
        received: received.dequeue_count.unwrap_or(1),
    })
}

fn gone_is_done(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

async fn in_time<T>(call: impl Future<Output = azure_core::Result<T>>) -> Result<T> {
    match timeout(CALL_WITHIN, call).await {
        Ok(outcome) => outcome.map_err(|error| value_free(&error)),
        Err(_) => Err(Error::new(ErrorKind::Unavailable, "queue did not answer in time")),
    }
}

/// Says what went wrong without the SDK's text: it has the URL in it, and the URL may have a signature.
fn value_free(error: &azure_core::Error) -> Error {
    let AzureErrorKind::HttpResponse { status, error_code, .. } = error.kind() else {
        return match error.kind() {
            AzureErrorKind::Credential => Error::new(ErrorKind::Denied, "credential gave no token for the queue"),
            AzureErrorKind::DataConversion => Error::new(ErrorKind::Unavailable, "answer is not one of a queue"),
            _ => Error::new(ErrorKind::Unavailable, "queue could not be reached"),
        };
    };
    let status = u16::from(*status);
    let code = error_code.as_deref().and_then(ServiceAnswer::code_of);
    let error = match status {
        401 | 403 => Error::new(ErrorKind::Denied, "queue may not be read").with_help(
            "grant the identity the role Storage Queue Data Message Processor, or Contributor for a queue of its own",
        ),
        404 => Error::new(ErrorKind::NotFound, "queue or message not found"),
        429 => Error::new(ErrorKind::Throttled { retry_after: None }, "queue is asked too often"),
        409 => Error::new(ErrorKind::Conflict, "queue is being deleted"),
        400..500 => Error::new(ErrorKind::Invalid, "queue refused the request"),
        _ => Error::new(ErrorKind::Unavailable, "queue failed"),
    };
    error.with_answer(ServiceAnswer { http_status: status, code, inner_code: None, request_id: None })
}

/// The connection to a queue, which stops reading where no true answer goes on.
#[derive(Debug)]
struct Capped(Arc<dyn HttpClient>);

#[async_trait]
impl HttpClient for Capped {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, headers, body) = self.0.execute_request(request).await?.deconstruct();
        let mut left = LARGEST_ANSWER;
        let body = body.and_then(move |part| {
            let fits = left.checked_sub(part.len());
            left = fits.unwrap_or_default();
            let too_large = || azure_core::Error::with_message(AzureErrorKind::DataConversion, "answer is too large");
            std::future::ready(fits.map(|_| part).ok_or_else(too_large))
        });
        Ok(AsyncRawResponse::new(status, headers, body.boxed()))
    }
}

/// The longest text of a message is [64 KiB](https://learn.microsoft.com/rest/api/storageservices/put-message), and XML
/// may write a character of it as six.
const LARGEST_ANSWER: usize = MOST_AT_ONCE * 6 * 64 * 1024;

/// How long a message is hidden: longer than the reader takes to delete it, short enough to come back soon after a crash.
const HIDDEN_SECONDS: i32 = 60;
const CALL_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures::stream;

    use super::*;

    /// A service whose answers have no end.
    #[derive(Debug, Default)]
    struct Endless {
        given: Arc<AtomicUsize>,
    }

    const PART: Bytes = Bytes::from_static(&[b'<'; 64 * 1024]);

    #[async_trait]
    impl HttpClient for Endless {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            let given = Arc::clone(&self.given);
            let body = stream::repeat_with(move || {
                given.fetch_add(PART.len(), Ordering::Relaxed);
                Ok(PART)
            });
            Ok(AsyncRawResponse::new(200.into(), Default::default(), body.boxed()))
        }
    }

    #[tokio::test]
    async fn an_answer_of_a_gigabyte_is_not_read_beyond_the_cap() {
        let endless = Endless::default();
        let given = Arc::clone(&endless.given);
        let transport = Some(Transport::new(Arc::new(Capped(Arc::new(endless)))));
        let options = ClientOptions { transport, ..ClientOptions::default() };
        let url = "https://contoso.queue.core.windows.net/shop?sig=canary".parse().unwrap();
        let messages = AzureMessages::new(url, None, options, &[]).unwrap();
        let error = messages.receive().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let given = given.load(Ordering::Relaxed);
        assert!(given <= LARGEST_ANSWER + PART.len(), "{given} bytes were read");
    }
}
