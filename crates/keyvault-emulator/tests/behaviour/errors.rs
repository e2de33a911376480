//! Errors: status, code, inner code, message.

use keyvault_emulator::{Emulator, SetSecret};

use crate::{call, get, with_version};

const MISSING_VERSION: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn each_error_has_the_status_and_codes_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    let vault = emulator.vault("contoso");
    vault.set("live", "1");
    vault.set_secret("off", SetSecret::new("1").enabled(false));
    vault.set("gone", "1");
    vault.delete("gone");
    vault.set_secret("gone-off", SetSecret::new("1").enabled(false));
    vault.delete("gone-off");
    let missing = format!("/secrets/live/{MISSING_VERSION}");
    let too_long = format!(r#"{{"value":"{}"}}"#, "a".repeat(25_601));

    for (method, path, body, expected) in [
        ("GET", "/secrets/none", "", (404, "SecretNotFound", "")),
        ("GET", &missing, "", (404, "SecretNotFound", "")),
        ("GET", "/secrets/gone", "", (404, "SecretNotFound", "")),
        ("PATCH", "/secrets/none/", "{}", (404, "SecretNotFound", "")),
        ("DELETE", "/secrets/none", "", (404, "SecretNotFound", "")),
        ("POST", "/secrets/none/backup", "", (404, "SecretNotFound", "")),
        ("POST", "/deletedsecrets/none/recover", "", (404, "SecretNotFound", "")),
        ("GET", "/deletedsecrets/live", "", (404, "SecretNotFound", "")),
        ("DELETE", "/deletedsecrets/live", "", (404, "SecretNotFound", "")),
        ("GET", "/secrets/off", "", (403, "Forbidden", "SecretDisabled")),
        ("GET", "/deletedsecrets/gone-off", "", (403, "Forbidden", "SecretDisabled")),
        ("PUT", "/secrets/GONE", r#"{"value":"2"}"#, (409, "Conflict", "ObjectIsDeletedButRecoverable")),
        ("PUT", "/secrets/a_b", r#"{"value":"2"}"#, (400, "BadParameter", "")),
        ("PUT", "/secrets/long", &too_long, (400, "BadParameter", "")),
        ("PUT", "/secrets/a", "{}", (400, "BadParameter", "")),
        ("PUT", "/secrets/", r#"{"value":"2"}"#, (405, "MethodNotAllowed", "")),
        ("GET", "/secrets/live/latest", "", (400, "BadParameter", "")),
        ("GET", "/secrets/live?outContentType=application/x-pem-file", "", (400, "BadParameter", "")),
        ("GET", "/secrets?maxresults=0", "", (400, "BadParameter", "")),
        ("GET", "/secrets?maxresults=26", "", (400, "BadParameter", "")),
        ("GET", "/secrets?$skiptoken=invalid", "", (400, "BadParameter", "")),
        ("POST", "/secrets/restore", r#"{"value":"AAAA"}"#, (400, "Malformed backup blob", "")),
        ("GET", "/keys", "", (404, "NotFound", "")),
    ] {
        let response = call(&emulator, method, &with_version(path), body).await;
        let (status, code, inner) = response.error();
        assert_eq!((status, code.as_str(), inner.as_str()), expected, "{method} {path}: {}", response.text());
    }
}

#[tokio::test]
async fn each_error_has_the_message_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    let vault = emulator.vault("contoso");
    vault.set("gone", "1");
    vault.delete("gone");
    let versioned = format!("/secrets/none/{MISSING_VERSION}");
    for (method, path, message) in [
        (
            "GET",
            "/secrets/None",
            "A secret with (name/id) None was not found in this key vault. If you recently deleted this secret you \
             may be able to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182",
        ),
        ("GET", &versioned, "A secret with (name/id) none/0123456789abcdef0123456789abcdef was not found"),
        ("GET", "/deletedsecrets/none", "Deleted Secret not found: none"),
        ("POST", "/secrets/none", "HTTP POST not allowed"),
        ("GET", "/secrets/a.b", "The request URI contains an invalid name: a.b"),
        (
            "PUT",
            "/secrets/gone",
            "Secret gone is currently in a deleted but recoverable state, and its name cannot be reused; in this \
             state, the secret can only be recovered or purged.",
        ),
    ] {
        let response = call(&emulator, method, &with_version(path), r#"{"value":"1"}"#).await.json();
        let found = response["error"]["message"].as_str().unwrap();
        assert!(found.starts_with(message), "{method} {path}: {found}");
    }
}

#[tokio::test]
async fn the_api_version_is_required_and_must_be_known() {
    let emulator = Emulator::start().await.unwrap();
    for (query, start) in [
        ("", "api-version must be specified"),
        ("?api-version=1.0", "The specified version (1.0) is not recognized."),
        ("?version=7.4", "api-version must be specified"),
    ] {
        let response = call(&emulator, "GET", &format!("/secrets{query}"), "").await;
        assert_eq!(response.error(), (400, "BadParameter".to_owned(), String::new()), "{query}");
        assert!(response.json()["error"]["message"].as_str().unwrap().starts_with(start), "{query}");
    }
}

#[tokio::test]
async fn a_disabled_latest_version_is_an_error_even_with_an_older_enabled_one() {
    let emulator = Emulator::start().await.unwrap();
    let vault = emulator.vault("contoso");
    let old = vault.set("a", "1");
    let new = vault.set("a", "2");
    assert!(vault.set_enabled("a", None, false));
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 403);
    assert_eq!(get(&emulator, &format!("/secrets/a/{new}")).await.status(), 403);
    assert_eq!(get(&emulator, &format!("/secrets/a/{old}")).await.json()["value"], "1");
    assert_eq!(get(&emulator, "/secrets").await.json()["value"][0]["attributes"]["enabled"], false);
    assert!(!vault.set_enabled("b", None, false), "the secret does not exist");
}
