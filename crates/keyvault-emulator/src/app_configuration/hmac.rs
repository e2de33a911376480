//! HMAC-SHA256 authentication: the checks of a signed request.
//!
//! See [HMAC authentication](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request};
use ring::{digest, hmac};

use super::access_key::{Access, AccessKeys};
use super::date;

/// The scheme of the header `Authorization`.
pub(crate) const SCHEME: &str = "HMAC-SHA256";

/// Checks the signature of a request. `parameters` is the header `Authorization` after the scheme. The error is the
/// description for the header `WWW-Authenticate`.
pub(crate) fn check(
    request: &Request<Bytes>,
    parameters: &str,
    keys: &AccessKeys,
    now: Duration,
) -> Result<Access, String> {
    let parameters = Parameters::parse(parameters);
    let values = signed_values(request, parameters.signed_headers.unwrap_or_default())?;
    check_date(request.headers(), parameters.signed_headers.unwrap_or_default(), now)?;

    let (Some(credential), Some(signature)) = (parameters.credential, parameters.signature) else {
        return Err(MISSING_PARAMETER.to_owned());
    };
    let (key, access) = keys.find(credential).ok_or("Invalid Credential")?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let signed = format!("{}\n{target}\n{values}", request.method());
    let key = key.signing_key().ok_or("Invalid Credential")?;
    let signature = STANDARD.decode(signature);
    let is_valid = signature.is_ok_and(|signature| hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
    if !is_valid {
        return Err("Invalid Signature".to_owned());
    }

    let hash = STANDARD.encode(digest::digest(&digest::SHA256, request.body()));
    if request.headers().get(CONTENT_HASH).is_none_or(|header| header.as_bytes() != hash.as_bytes()) {
        return Err("Invalid request content hash".to_owned());
    }
    Ok(access)
}

/// The parameters of the header `Authorization`.
#[derive(Default)]
struct Parameters<'a> {
    credential: Option<&'a str>,
    signed_headers: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    /// Parses the parameters. The service accepts a comma as a separator too, because some clients send one.
    fn parse(text: &'a str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in text.split(['&', ',']).filter_map(|parameter| parameter.trim().split_once('=')) {
            let parameter = match name {
                "Credential" => &mut parameters.credential,
                "SignedHeaders" => &mut parameters.signed_headers,
                "Signature" => &mut parameters.signature,
                _ => continue,
            };
            parameter.get_or_insert(value);
        }
        parameters
    }
}

/// Returns the values of the signed headers, separated by semicolons. Fails if a required header is not among them.
fn signed_values(request: &Request<Bytes>, names: &str) -> Result<String, String> {
    if names.is_empty() {
        return Err(MISSING_PARAMETER.to_owned());
    }
    let mut values = Vec::new();
    for name in header_names(names) {
        let value = header(request, name).ok_or_else(|| format!("Signed request header '{name}' is not provided"))?;
        values.push(value);
    }
    let has = |required: &[&str]| header_names(names).any(|name| required.iter().any(|r| r.eq_ignore_ascii_case(name)));
    for required in [&[DATE, MS_DATE][..], &["host"], &[CONTENT_HASH]] {
        if !has(required) {
            return Err(format!("{} is required as a signed header", required[0]));
        }
    }
    Ok(values.join(";"))
}

/// Returns the names of the signed headers. The service ignores spaces around a name.
fn header_names(names: &str) -> impl Iterator<Item = &str> {
    names.split(';').map(str::trim)
}

/// Returns the value of a header. HTTP/2 has the host in the URI.
fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
    match value {
        None if name.eq_ignore_ascii_case(HOST.as_str()) => request.uri().authority().map(|host| host.as_str()),
        value => value,
    }
}

/// Checks the signed date. `x-ms-date` has precedence.
fn check_date(headers: &HeaderMap, names: &str, now: Duration) -> Result<(), String> {
    let is_signed = |header: &str| header_names(names).any(|name| name.eq_ignore_ascii_case(header));
    let name = if is_signed(MS_DATE) { MS_DATE } else { DATE };
    let date = headers.get(name).and_then(|value| value.to_str().ok()).and_then(date::parse);
    let date = date.ok_or("Invalid access token date")?;
    if date.abs_diff(now) > MAX_SKEW { Err("The access token has expired".to_owned()) } else { Ok(()) }
}

const DATE: &str = "date";
const MS_DATE: &str = "x-ms-date";
const CONTENT_HASH: &str = "x-ms-content-sha256";
const MISSING_PARAMETER: &str = "[Credential][SignedHeaders][Signature] is required";
/// The maximum difference between the date of a request and the clock.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::super::access_key::AccessKey;
    use super::*;

    const NOW: Duration = Duration::from_secs(1_526_064_516);
    const DATE_OF_NOW: &str = "Fri, 11 May 2018 18:48:36 GMT";
    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn keys() -> AccessKeys {
        let key = |id: &str| AccessKey { id: id.to_owned(), secret: STANDARD.encode("secret") };
        AccessKeys { read_write: key("rw"), read_only: key("ro") }
    }

    /// A signed request, whose parts a test changes after it is signed.
    struct Signed {
        method: &'static str,
        target: &'static str,
        headers: Vec<(&'static str, String)>,
        body: &'static str,
        authorization: String,
    }

    /// Signs the date, the host and the content hash with the secret `secret`.
    fn signed(headers: &str, date: &str) -> Signed {
        sign(b"secret", "/kv?fields=*&api-version=1.0", headers, date)
    }

    fn sign(secret: &[u8], target: &'static str, signed: &str, date: &str) -> Signed {
        let headers = vec![
            ("x-ms-date", date.to_owned()),
            ("date", date.to_owned()),
            ("host", "contoso.azconfig.io".to_owned()),
            ("x-ms-content-sha256", EMPTY.to_owned()),
            ("accept", "*/*".to_owned()),
        ];
        let value = |name: &str| {
            let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        let values: Vec<String> = signed.split(';').map(str::trim).map(value).collect();
        let text = format!("GET\n{target}\n{}", values.join(";"));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        let authorization = format!("Credential=rw&SignedHeaders={signed}&Signature={}", STANDARD.encode(tag));
        Signed { method: "GET", target, headers, body: "", authorization }
    }

    fn result(signed: &Signed) -> String {
        result_with(signed, &keys())
    }

    fn result_with(signed: &Signed, keys: &AccessKeys) -> String {
        let mut request = Request::builder().method(signed.method).uri(signed.target);
        for (name, value) in &signed.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Bytes::from(signed.body)).unwrap();
        check(&request, &signed.authorization, keys, NOW).map_or_else(|error| error, |access| format!("{access:?}"))
    }

    const USUAL: &str = "x-ms-date;host;x-ms-content-sha256";

    #[test]
    fn a_request_signed_as_documented_is_valid() {
        // Computed outside this program, from the string of the documentation and the key `secret`.
        let text = format!("GET\n/kv?fields=*&api-version=1.0\n{DATE_OF_NOW};contoso.azconfig.io;{EMPTY}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), text.as_bytes());
        assert_eq!(STANDARD.encode(tag), "U6p+8+6wEZReMlOnKtVDZbNvrQmrAQeK3cF/Usp9HQM=");
        for headers in [
            USUAL,
            "date;host;x-ms-content-sha256",
            "Host;Accept;X-MS-Content-SHA256;X-MS-Date",
            " x-ms-date; host ;x-ms-content-sha256",
        ] {
            assert_eq!(result(&signed(headers, DATE_OF_NOW)), "ReadWrite", "{headers}");
        }
        let mut commas = signed(USUAL, DATE_OF_NOW);
        commas.authorization = commas.authorization.replace('&', ", ");
        assert_eq!(result(&commas), "ReadWrite");
        let mut read_only = signed(USUAL, DATE_OF_NOW);
        read_only.authorization = read_only.authorization.replace("Credential=rw", "Credential=ro");
        assert_eq!(result(&read_only), "ReadOnly");
    }

    #[test]
    fn the_vectors_of_the_contract_are_valid() {
        let key = AccessKey { id: "abcd-l0-s0:id".to_owned(), secret: "c2VjcmV0IG9mIGNvbnRvc28=".to_owned() };
        let keys = AccessKeys { read_write: key.clone(), read_only: key };
        let (now, contoso) = ("Sun, 29 Nov 2026 22:30:55 GMT", "contoso.azconfig.io");
        for (method, host, target, body, date, hash, signature) in [
            (
                "GET",
                contoso,
                "/kv?api-version=2023-11-01&key=shop%3A%2A&label=%00",
                "",
                now,
                EMPTY,
                "fb2rj3stQ2xAqRei2jOIWSFuKwFW5UYxFZOp61rcdeE=",
            ),
            (
                "PUT",
                contoso,
                "/kv/shop%3Adb%2Fhost?api-version=2023-11-01&label=prod",
                r#"{"value":"grüße"}"#,
                now,
                "AKg+N+E6Z+xS6HDIJ2dl5nSLa4e+c0VofnJTcXS79+c=",
                "Njbbk7V6F5XhBFwUMzfbk9BhpIxpLQDMVGxVAgvMYAU=",
            ),
            (
                "DELETE",
                "127.0.0.1:8483",
                "/kv/a?api-version=1.0",
                "",
                "Nov, 29 2026 22:30:55.123456 GMT",
                EMPTY,
                "ez4rnfhkLBrNa/Fcl67BkUq+TJQ8Wz48bd9+9s095/w=",
            ),
        ] {
            let request = Request::builder().method(method).uri(target).header("host", host).header("x-ms-date", date);
            let request = request.header("x-ms-content-sha256", hash).body(Bytes::from(body)).unwrap();
            let parameters = format!("Credential=abcd-l0-s0:id&SignedHeaders={USUAL}&Signature={signature}");
            assert_eq!(
                check(&request, &parameters, &keys, date::parse(now).unwrap()),
                Ok(Access::ReadWrite),
                "{target}"
            );
        }
    }

    #[test]
    fn an_unreadable_key_signs_nothing() {
        for secret in ["", "no base64"] {
            let read_write = AccessKey { id: "rw".to_owned(), secret: secret.to_owned() };
            let keys = AccessKeys { read_write, ..keys() };
            let request = sign(b"", "/kv", USUAL, DATE_OF_NOW);
            assert!(!keys.is_valid(), "{secret}");
            assert_eq!(result_with(&request, &keys), "Invalid Credential", "{secret}");
        }
        assert!(keys().is_valid());
    }

    #[test]
    fn the_date_may_be_off_by_15_minutes() {
        for (date, expected) in [
            ("Fri, 11 May 2018 18:33:36 GMT", "ReadWrite"),
            ("Fri, 11 May 2018 19:03:36 GMT", "ReadWrite"),
            ("May, 11 2018 18:48:36.500000 GMT", "ReadWrite"),
            ("Fri, 11 May 2018 18:33:35 GMT", "The access token has expired"),
            ("Fri, 11 May 2018 19:03:37 GMT", "The access token has expired"),
            ("", "Invalid access token date"),
            ("now", "Invalid access token date"),
        ] {
            assert_eq!(result(&signed(USUAL, date)), expected, "{date}");
        }
    }

    #[test]
    fn x_ms_date_has_precedence_over_date() {
        let mut both = signed("date;x-ms-date;host;x-ms-content-sha256", "Fri, 11 May 2018 12:00:00 GMT");
        assert_eq!(result(&both), "The access token has expired");
        both = sign(b"secret", "/kv", "date;host;x-ms-content-sha256", DATE_OF_NOW);
        both.headers[0].1 = "Fri, 11 May 2018 12:00:00 GMT".to_owned();
        assert_eq!(result(&both), "ReadWrite", "an unsigned x-ms-date does not count");
    }

    #[test]
    fn a_missing_parameter_or_signed_header_is_named() {
        for (signed_headers, expected) in [
            ("host;x-ms-content-sha256", "date is required as a signed header"),
            ("x-ms-date;x-ms-content-sha256", "host is required as a signed header"),
            ("x-ms-date;host", "x-ms-content-sha256 is required as a signed header"),
            ("x-ms-date;host;x-ms-content-sha256;x-none", "Signed request header 'x-none' is not provided"),
            ("", "[Credential][SignedHeaders][Signature] is required"),
        ] {
            assert_eq!(result(&signed(signed_headers, DATE_OF_NOW)), expected, "{signed_headers}");
        }
        for removed in ["Credential", "SignedHeaders", "Signature"] {
            let mut request = signed(USUAL, DATE_OF_NOW);
            request.authorization = request.authorization.replace(&format!("{removed}="), "Other=");
            assert_eq!(result(&request), "[Credential][SignedHeaders][Signature] is required", "{removed}");
        }
    }

    #[test]
    fn a_change_after_the_signature_is_detected() {
        type Change = fn(&mut Signed);
        let changes: [(&str, Change, &str); 8] = [
            ("method", |s| s.method = "DELETE", "Invalid Signature"),
            ("path", |s| s.target = "/kv/a?fields=*&api-version=1.0", "Invalid Signature"),
            ("query", |s| s.target = "/kv?fields=*&api-version=2.0", "Invalid Signature"),
            ("host", |s| s.headers[2].1 = "evil.azconfig.io".to_owned(), "Invalid Signature"),
            ("hash", |s| s.headers[3].1 = STANDARD.encode("x"), "Invalid Signature"),
            ("body", |s| s.body = "{}", "Invalid request content hash"),
            ("credential", |s| s.authorization = s.authorization.replace("=rw", "=other"), "Invalid Credential"),
            ("base64", |s| s.authorization.push('!'), "Invalid Signature"),
        ];
        for (name, change, expected) in changes {
            let mut request = signed(USUAL, DATE_OF_NOW);
            change(&mut request);
            assert_eq!(result(&request), expected, "{name}");
        }
    }
}
