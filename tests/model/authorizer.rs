//! The token of a client.

use std::sync::Arc;

use shuttle::future::spawn;

use crate::check;
use crate::transport::{Answer, CountingCredential, FakeTransport};

/// The vault rejects the first token. Depending on the schedule, each request is sent with the first token, or waits
/// for the first or the second fetch.
#[test]
fn concurrent_requests_fetch_one_token_and_one_more_after_its_rejection() {
    check(async || {
        let transport = FakeTransport::new(|request| match request.token {
            "1" => Answer::Unauthorized,
            _ => Answer::Secret,
        });
        let credential = Arc::new(CountingCredential::default());
        let client = transport.client(&credential);
        let requests = [(); 3].map(|()| {
            let client = client.clone();
            spawn(async move { client.get("a").await })
        });
        for request in requests {
            request.await.unwrap().unwrap();
        }
        assert_eq!(credential.tokens(), 2);
    });
}
