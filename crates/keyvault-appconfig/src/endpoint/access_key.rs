//! The access key of a store, and the signature of a request.

use std::fmt;
use std::time::SystemTime;

use azure_core::base64;
use hmac::{Hmac, KeyInit, Mac};
use keyvault::secret::ParseError;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// An access key of a store: an identifier, and a secret that signs requests by HMAC-SHA256.
///
/// `Debug` shows the identifier only. The secret is zeroized on drop.
#[derive(Clone)]
pub struct AccessKey {
    id: String,
    secret: Zeroizing<Vec<u8>>,
}

/// The parts of a request that its signature covers.
pub(crate) struct SignedRequest<'r> {
    /// The method in upper case.
    pub(crate) method: &'r str,
    /// The path and the query as they are sent, percent-encoded.
    pub(crate) target: &'r str,
    /// The host, with the port if it is not 443.
    pub(crate) host: &'r str,
    pub(crate) body: &'r [u8],
}

impl AccessKey {
    /// Creates an access key from its identifier and its secret in Base64, as the portal shows them.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if the identifier has characters that no header can carry, or if the secret is empty or not
    /// Base64. The message does not repeat the input.
    pub fn new(id: &str, secret: &str) -> Result<Self, ParseError> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && !b"&,;\"".contains(&b)) {
            return Err(ParseError::new("identifier of the access key is malformed"));
        }
        let secret = base64::decode(secret).map(Zeroizing::new);
        match secret {
            Ok(secret) if !secret.is_empty() => Ok(Self { id: id.to_owned(), secret }),
            _ => Err(ParseError::new("secret of the access key is not Base64")),
        }
    }

    /// Returns the identifier.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the headers that authorize a request sent at `now`: `x-ms-date`, `x-ms-content-sha256` and
    /// `authorization`
    /// ([the scheme](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac)).
    pub(crate) fn sign(&self, request: &SignedRequest<'_>, now: SystemTime) -> [(&'static str, String); 3] {
        let date = httpdate::fmt_http_date(now);
        let content_hash = base64::encode(Sha256::digest(request.body));
        let SignedRequest { method, target, host, .. } = request;
        let signed = format!("{method}\n{target}\n{date};{host};{content_hash}");
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(signed.as_bytes());
        let signature = base64::encode(mac.finalize().into_bytes());
        let authorization = format!(
            "HMAC-SHA256 Credential={}&SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
            self.id
        );
        [("x-ms-date", date), ("x-ms-content-sha256", content_hash), ("authorization", authorization)]
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The signatures that `azure-appconfiguration` 1.10.0 for Python computes for the same requests and the same time.
    #[test]
    fn requests_are_signed_as_the_official_client_signs_them() {
        let key = AccessKey::new("ab-l1-s0:id", "c2lnbmluZyBrZXkgb2YgYSB0ZXN0").unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (method, host, target, body, content_hash, signature) in [
            (
                "GET",
                "contoso.azconfig.io",
                "/kv?api-version=2023-11-01&key=shop%3A%2A&label=%00",
                "",
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                "Kxr07mogSdqmezm6qvI6GoHf+XUnmSKhHag+ZkSFi10=",
            ),
            (
                "PUT",
                "contoso.azconfig.io",
                "/kv/shop%3Aurl?api-version=2023-11-01&label=prod",
                "{\"value\":\"\u{e9}\"}",
                "aeRvPwaIAAq37rnkDmpRaiVCaM1kSiT09pz3rQY89Hk=",
                "2V0EtwQLFF7r6NBsHddydBm7WTl6q70mLZHn2n+Wr0s=",
            ),
            (
                "DELETE",
                "127.0.0.1:8443",
                "/kv/a%2Fb?api-version=2024-09-01",
                "",
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                "uQCYsiSjURLbFElj/sUglItbzhFSe8uyL+9fheJKwvg=",
            ),
        ] {
            let headers = key.sign(&SignedRequest { method, target, host, body: body.as_bytes() }, now);
            let authorization = format!(
                "HMAC-SHA256 Credential=ab-l1-s0:id&SignedHeaders=x-ms-date;host;x-ms-content-sha256&\
                 Signature={signature}"
            );
            let expected = [
                ("x-ms-date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
                ("x-ms-content-sha256", content_hash.to_owned()),
                ("authorization", authorization),
            ];
            assert_eq!(headers, expected, "{method} {target}");
        }
    }

    #[test]
    fn a_malformed_key_is_refused() {
        for (id, secret) in [("", "Y2FuYXJ5"), ("a&b", "Y2FuYXJ5"), ("a b", "Y2FuYXJ5"), ("id", ""), ("id", "canary!")]
        {
            let error = AccessKey::new(id, secret).expect_err(id);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{shown}");
        }
    }
}
