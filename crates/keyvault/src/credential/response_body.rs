//! The body of an endpoint that issues tokens, with a limit on its size.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use zeroize::Zeroizing;

/// Reads a body. `None` if it is larger than any response with a token.
pub(super) async fn read(
    mut chunks: impl Stream<Item = azure_core::Result<Bytes>> + Unpin + Send,
) -> azure_core::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_RESPONSE));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// More than any response with a token has, in bytes.
const MAX_RESPONSE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_without_an_end_is_not_read_to_its_end() {
        let read_chunks = AtomicUsize::new(0);
        let endless = stream::repeat_with(|| {
            read_chunks.fetch_add(1, Ordering::Relaxed);
            Ok(Bytes::from_static(&[b' '; 1024]))
        });
        assert!(read(endless).await.unwrap().is_none());
        assert_eq!(read_chunks.load(Ordering::Relaxed), 65);
        let small = stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b"))]);
        assert_eq!(read(small).await.unwrap().unwrap().as_slice(), b"ab");
    }
}
