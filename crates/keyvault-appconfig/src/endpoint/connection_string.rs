//! The connection string of a store.

use std::fmt;
use std::str::FromStr;

use keyvault::secret::ParseError;

use super::access_key::AccessKey;
use super::endpoint::Endpoint;

/// The connection string of a store: `Endpoint=https://contoso.azconfig.io;Id=…;Secret=…`.
///
/// `Debug` shows the endpoint only. The secret is zeroized on drop.
#[derive(Clone)]
pub struct ConnectionString {
    endpoint: Endpoint,
    access_key: AccessKey,
}

impl ConnectionString {
    /// Parses a connection string as the portal shows it: `Endpoint`, `Id` and `Secret`, in any order, with white space
    /// around each part.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if a part is missing, unknown, repeated or empty, if the endpoint is not that of a
    /// [store](Endpoint::parse), or if the secret is not Base64. The message does not repeat the input.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (mut endpoint, mut id, mut secret) = (None, None, None);
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(malformed)?;
            let place = match name {
                "Endpoint" => &mut endpoint,
                "Id" => &mut id,
                "Secret" => &mut secret,
                _ => return Err(malformed()),
            };
            if value.is_empty() || place.replace(value).is_some() {
                return Err(malformed());
            }
        }
        let (Some(endpoint), Some(id), Some(secret)) = (endpoint, id, secret) else { return Err(malformed()) };
        Ok(Self { endpoint: Endpoint::parse(endpoint)?, access_key: AccessKey::new(id, secret)? })
    }

    /// Returns the endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the access key.
    pub fn access_key(&self) -> &AccessKey {
        &self.access_key
    }
}

fn malformed() -> ParseError {
    ParseError::new("connection string is not Endpoint=…;Id=…;Secret=…")
        .with_help("copy the connection string from the access settings of the store")
}

impl FromStr for ConnectionString {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_connection_string_has_an_endpoint_and_an_access_key() {
        for text in [
            "Endpoint=https://contoso.azconfig.io;Id=ab-l1-s0:Y2FuYXJ5;Secret=Y2FuYXJ5Cg==",
            " Secret=Y2FuYXJ5Cg== ; Id=ab-l1-s0:Y2FuYXJ5 ;Endpoint=https://contoso.azconfig.io/;\n",
        ] {
            let parsed = ConnectionString::parse(text).expect(text);
            assert_eq!(parsed.endpoint().origin(), "https://contoso.azconfig.io", "{text}");
            assert_eq!(parsed.access_key().id(), "ab-l1-s0:Y2FuYXJ5", "{text}");
            let shown = format!("{parsed:?} {:?}", parsed.access_key());
            assert!(!shown.contains("Y2FuYXJ5Cg") && !shown.contains("canary"), "{shown}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        for text in [
            "",
            "canary",
            "Endpoint=https://contoso.azconfig.io",
            "Endpoint=https://contoso.azconfig.io;Id=canary",
            "Endpoint=https://contoso.azconfig.io;Id=canary;Secret=",
            "Endpoint=https://contoso.azconfig.io;Id=;Secret=Y2FuYXJ5",
            "Endpoint=https://contoso.azconfig.io;Id=canary;Secret=canary!",
            "Endpoint=https://contoso.azconfig.io;Id=canary;Secret=Y2FuYXJ5;Id=canary",
            "Endpoint=https://contoso.azconfig.io;Id=canary;Secret=Y2FuYXJ5;Canary=1",
            "endpoint=https://contoso.azconfig.io;id=canary;secret=Y2FuYXJ5",
            "Endpoint=http://contoso.azconfig.io;Id=canary;Secret=Y2FuYXJ5",
            "Endpoint=https://canary.azconfig.io.evil.example;Id=canary;Secret=Y2FuYXJ5",
            "Endpoint=https://contoso.azconfig.io;Id=can&ary;Secret=Y2FuYXJ5",
            "Endpoint=https://contoso.azconfig.io;Id=can\u{e4}ry;Secret=Y2FuYXJ5",
        ] {
            let error = ConnectionString::parse(text).expect_err(text);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            _ = ConnectionString::parse(&text);
        }
    }
}
