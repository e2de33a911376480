//! One thing to ask of a vault.

use bytes::Bytes;
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use super::verb::Verb;
use crate::error::{Error, Result};
use crate::secret::SecretId;

/// A request before it is authorised: what, where, about which secret, and with which body.
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) url: Url,
    pub(super) secret: Option<SecretId>,
    /// Wiped when the last copy is dropped; the copies that the TLS library makes are out of our hands.
    pub(super) body: Option<Bytes>,
}

impl Call {
    pub(super) fn new(verb: Verb, url: Url) -> Self {
        Self { verb, url, secret: None, body: None }
    }

    /// Names the secret, for errors and for logs at debug level.
    pub(super) fn about(mut self, secret: &SecretId) -> Self {
        self.secret = Some(secret.clone());
        self
    }

    /// Gives it a body of JSON.
    pub(super) fn with_json(mut self, body: &impl Serialize) -> Result<Self> {
        self.body = Some(Bytes::from_owner(json(body)?));
        Ok(self)
    }
}

/// Writes JSON into a buffer that never grows: growing would leave copies of a secret behind.
fn json(body: &impl Serialize) -> Result<Zeroizing<Vec<u8>>> {
    let unwritable = |_| Error::invalid("request could not be written");
    let mut length = Length(0);
    serde_json::to_writer(&mut length, body).map_err(unwritable)?;
    let mut text = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *text, body).map_err(unwritable)?;
    Ok(text)
}

/// Counts what is written into it.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_into_one_buffer_of_its_size() {
        let body = json(&serde_json::json!({"value": "a\"b\n".repeat(1_000)})).unwrap();
        assert_eq!(body.len(), body.capacity());
    }
}
