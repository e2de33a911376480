//! What a vault answers: bodies of secrets, lists and errors, and the headers that are read.

use std::sync::Arc;

use futures::TryStreamExt;
use keyvault::{Error, Secret};
use tokio::time::Instant;

use crate::wire::{Answer, TIMEOUT, Wire};
use crate::{assert_error_is_value_free, assert_value_free, run};

/// The body of a secret: it is the secret that was asked for, or an error without a value in it.
pub(crate) fn secret_body(data: &[u8]) {
    let wire = Wire::new([Answer { status: 200, body: data.to_vec(), ..Answer::default() }]);
    if let Ok(secret) = get(&wire) {
        assert_eq!(secret.id().name().as_str().to_ascii_lowercase(), "a");
        assert!(secret.id().version().is_some());
        assert_value_free(&secret.id());
    }
    wire.assert_only_the_vault_was_asked(1);
}

/// A page of a list, and wherever it leads: to this vault, and to an end.
pub(crate) fn list_body(data: &[u8]) {
    let page = |body: &[u8]| Answer { status: 200, body: body.to_vec(), ..Answer::default() };
    let wire = Wire::new([page(data), page(br#"{"value":[]}"#)]);
    let list: Result<Vec<_>, Error> = run(wire.client().list().try_collect());
    if let Err(error) = list {
        assert_error_is_value_free(&error);
    }
    wire.assert_only_the_vault_was_asked(2);
}

/// The body of an error of any status; the first byte chooses which.
pub(crate) fn error_body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    const STATUSES: [u16; 14] = [400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503, 504, 301, 599];
    let status = STATUSES[usize::from(*first) % STATUSES.len()];
    let wire = Wire::new([Answer { status, body: body.to_vec(), ..Answer::default() }]);
    assert!(get(&wire).is_err(), "{status} was taken for a success");
    wire.assert_only_the_vault_was_asked(MOST_REQUESTS);
}

/// What a throttling vault says of when to come back: the call ends in time all the same.
pub(crate) fn retry_after(data: &[u8]) {
    let Some((value, name)) = header(data).zip(data.first()) else { return };
    let name = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"][usize::from(*name) % 3];
    let wire = Wire::new([Answer { status: 429, headers: vec![(name, value)], ..Answer::default() }]);
    assert!(get(&wire).is_err());
    wire.assert_only_the_vault_was_asked(MOST_REQUESTS);
}

/// A challenge: whatever it names, the token goes to the vault or nowhere.
pub(crate) fn challenge(data: &[u8]) {
    let Some(value) = header(data) else { return };
    let wire = Wire::new([Answer { status: 401, headers: vec![("www-authenticate", value)], ..Answer::default() }]);
    assert!(get(&wire).is_err());
    assert!(get(&wire).is_err());
    wire.assert_only_the_vault_was_asked(4);
}

/// Five attempts, each with one more token at the most.
const MOST_REQUESTS: usize = 10;

fn get(wire: &Arc<Wire>) -> Result<Secret, Error> {
    let client = wire.client();
    run(async {
        let begun = Instant::now();
        let outcome = client.get("a").await;
        assert!(begun.elapsed() <= TIMEOUT, "a call outlived its deadline");
        if let Err(error) = &outcome {
            assert_error_is_value_free(error);
        }
        outcome
    })
}

/// The text of a header, if it can be one.
fn header(data: &[u8]) -> Option<String> {
    let text = str::from_utf8(data.get(1..)?).ok()?;
    text.bytes().all(|b| (b' '..=b'~').contains(&b)).then(|| text.to_owned())
}
