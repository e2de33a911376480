//! Responses of a vault: the bodies of secrets, lists and errors, and the headers that the library reads.

use std::sync::Arc;

use futures::TryStreamExt;
use keyvault::{Error, Secret};
use tokio::time::Instant;

use crate::transport::{FixedTransport, Response, TIMEOUT};
use crate::{assert_error_is_value_free, assert_value_free, run};

/// Checks the body of a secret: the result is the requested secret, or an error without a value.
pub(crate) fn secret_body(data: &[u8]) {
    let transport = FixedTransport::new([Response { status: 200, body: data.to_vec(), ..Response::default() }]);
    if let Ok(secret) = get(&transport) {
        assert_eq!(secret.id().name().as_str().to_ascii_lowercase(), "a");
        assert!(secret.id().version().is_some());
        assert_value_free(&secret.id());
    }
    transport.assert_only_the_vault_received(1);
}

/// Checks a page of a list: its link leads to this vault only, and the list ends.
pub(crate) fn list_body(data: &[u8]) {
    let page = |body: &[u8]| Response { status: 200, body: body.to_vec(), ..Response::default() };
    let transport = FixedTransport::new([page(data), page(br#"{"value":[]}"#)]);
    let list: Result<Vec<_>, Error> = run(transport.client().list().try_collect());
    if let Err(error) = list {
        assert_error_is_value_free(&error);
    }
    transport.assert_only_the_vault_received(2);
}

/// Checks the body of an error. The first byte chooses the status.
pub(crate) fn error_body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    const STATUSES: [u16; 14] = [400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503, 504, 301, 599];
    let status = STATUSES[usize::from(*first) % STATUSES.len()];
    let transport = FixedTransport::new([Response { status, body: body.to_vec(), ..Response::default() }]);
    assert!(get(&transport).is_err(), "status {status} was a success");
    transport.assert_only_the_vault_received(MAX_REQUESTS);
}

/// Checks the header of a throttling vault that delays the retry: the call ends before its deadline.
pub(crate) fn retry_after(data: &[u8]) {
    let Some((value, name)) = header(data).zip(data.first()) else { return };
    let name = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"][usize::from(*name) % 3];
    let transport =
        FixedTransport::new([Response { status: 429, headers: vec![(name, value)], ..Response::default() }]);
    assert!(get(&transport).is_err());
    transport.assert_only_the_vault_received(MAX_REQUESTS);
}

/// Checks a challenge: the token goes to this vault only, whatever authority the challenge names.
pub(crate) fn challenge(data: &[u8]) {
    let Some(value) = header(data) else { return };
    let transport = FixedTransport::new([Response {
        status: 401,
        headers: vec![("www-authenticate", value)],
        ..Response::default()
    }]);
    assert!(get(&transport).is_err());
    assert!(get(&transport).is_err());
    transport.assert_only_the_vault_received(4);
}

/// Five attempts, each with at most one more token.
const MAX_REQUESTS: usize = 10;

fn get(transport: &Arc<FixedTransport>) -> Result<Secret, Error> {
    let client = transport.client();
    run(async {
        let started = Instant::now();
        let outcome = client.get("a").await;
        assert!(started.elapsed() <= TIMEOUT, "the call exceeded its deadline");
        if let Err(error) = &outcome {
            assert_error_is_value_free(error);
        }
        outcome
    })
}

/// Returns the input without its first byte as a header value. `None` if it is not a valid one.
fn header(data: &[u8]) -> Option<String> {
    let text = str::from_utf8(data.get(1..)?).ok()?;
    text.bytes().all(|b| (b' '..=b'~').contains(&b)).then(|| text.to_owned())
}
