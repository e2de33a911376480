//! The time to wait for the next item of a list.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use keyvault::{Error, ErrorKind, ReferenceStatus, Result};
use tokio::time::timeout;

/// Fails a list that yields no item for `time`, although the requests for its pages succeed.
pub(crate) fn with_item_timeout<'s, T: Send + 's>(
    list: BoxStream<'s, Result<T>>,
    time: Duration,
) -> BoxStream<'s, Result<T>> {
    // The client's own timeout of a request comes first, because its error says more.
    let bound = time + time.min(Duration::from_secs(1));
    let next = move |list: Option<BoxStream<'s, Result<T>>>| async move {
        let mut list = list?;
        match timeout(bound, list.next()).await {
            Ok(item) => Some((item?, Some(list))),
            Err(_) => {
                let error = Error::new(ErrorKind::Unavailable, "vault sends pages without items and no end");
                Some((Err(error.with_status(ReferenceStatus::FetchTimedOut)), None))
            }
        }
    };
    stream::unfold(Some(list), next).boxed()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::TryStreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_list_that_yields_nothing_ends() {
        let items = stream::iter([Ok(1), Ok(2)]).chain(stream::pending()).boxed();
        let listed: Result<Vec<u32>> = with_item_timeout(items, Duration::from_secs(30)).try_collect().await;
        assert_eq!(listed.unwrap_err().kind(), ErrorKind::Unavailable);
        let items = stream::iter([Ok(1), Ok(2)]).boxed();
        assert_eq!(with_item_timeout(items, Duration::from_secs(30)).try_collect::<Vec<u32>>().await.unwrap(), [1, 2]);
    }
}
