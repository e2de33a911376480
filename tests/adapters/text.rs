//! A secret never changes the structure of the text around its reference, and a near-miss of a reference never passes
//! as text.

use keyvault::{Error, ErrorKind, Policy, ReferenceStatus};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::log::Log;

use super::service::{BOTH, One, Service, WAYS};

/// A secret with a meaning in each format, and a canary in each of its parts.
const AWKWARD: &str = "canary@evil.example/?#;Server=evil\"'\\<&>$(id) 100%41";

fn service(value: &str) -> Service {
    Service::new(&format!("value = {}", serde_json::json!(value))).references_only().secret("s", AWKWARD)
}

#[tokio::test]
async fn an_encoded_secret_keeps_the_structure_of_the_text() {
    let url = "canary%40evil.example%2F%3F%23%3BServer%3Devil%22%27%5C%3C%26%3E%24%28id%29%20100%2541";
    let json = r#"canary@evil.example/?#;Server=evil\"'\\<&>$(id) 100%41"#;
    let xml = "canary@evil.example/?#;Server=evil&quot;&#39;\\&lt;&amp;&gt;$(id) 100%41";
    let ado = r#"canary@evil.example/?#;Server=evil""'\<&>$(id) 100%41"#;
    let shell = r#"canary@evil.example/?#;Server=evil"'\''\<&>$(id) 100%41"#;
    let base64 = "Y2FuYXJ5QGV2aWwuZXhhbXBsZS8/IztTZXJ2ZXI9ZXZpbCInXDwmPiQoaWQpIDEwMCU0MQ==";
    for (text, expected) in [
        ("postgres://app:REF(url)@db/shop", format!("postgres://app:{url}@db/shop")),
        ("Server=db;Password=REF(ado);Encrypt=true", format!("Server=db;Password=\"{ado}\";Encrypt=true")),
        (r#"{"a": "REF(json)", "b": REF(json)}"#, format!(r#"{{"a": "{json}", "b": "{json}"}}"#)),
        ("<a b=\"REF(xml)\">REF(xml)</a>", format!("<a b=\"{xml}\">{xml}</a>")),
        ("a: REF(yaml)", format!("a: \"{json}\"")),
        ("run REF(shell)", format!("run '{shell}'")),
        ("REF(base64)", base64.to_owned()),
        (r#"{"url": "https://a:REF(url)@b"}"#, format!(r#"{{"url": "https://a:{url}@b"}}"#)),
        ("https://REF(none)", format!("https://{AWKWARD}")),
    ] {
        let text = text.replace("REF(", "@KeyVault(SecretName=s;Encode=");
        for way in WAYS {
            let settings = service(&text).settings::<One<String>>(way).await.unwrap();
            assert_eq!(settings.value, expected, "{way:?} {text}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_would_change_the_structure_is_an_error_with_the_remedy() {
    for (text, help) in [
        ("postgres://app:REF@db/shop", "Encode=url"),
        ("Server=db;Password=REF;Encrypt=true", "Encode=ado"),
        (r#"{"password": "REF"}"#, "Encode=json"),
        ("<a>REF</a>", "Encode=xml"),
        ("grant_type=x&client_secret=REF", "Encode=url"),
    ] {
        let text = text.replace("REF", "@KeyVault(SecretName=s)");
        for way in WAYS {
            let error = service(&text).settings::<One<String>>(way).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{text}: {error}");
            assert_eq!(error.setting(), Some("value"), "{text}: {error}");
            assert!(error.advice().is_some_and(|advice| advice.contains(help)), "{text}: {error:?}");
            assert_eq!(error.secret().map(|secret| secret.name().as_str()), Some("s"), "{text}: {error}");
            assert_value_free(&error, &["canary", "evil"]);
            let safe = service(&text).secret("s", "plain-2").settings::<One<String>>(way).await.unwrap();
            assert_eq!(safe.value, text.replace("@KeyVault(SecretName=s)", "plain-2"), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_rotation_to_a_secret_that_would_change_the_structure_keeps_the_settings() {
    for framework in BOTH {
        let service = service("postgres://app:@KeyVault(SecretName=s)@db/shop").secret("s", "first");
        let live = service.start::<One<String>>(framework).await.unwrap();
        service.vault.set("s", "second@evil.example/").unwrap();
        let error = live.refresh_now().await.unwrap_err();
        assert!(error.report().contains("Encode=url"), "{framework:?} {error:?}");
        assert_eq!(live.current().value, "postgres://app:first@db/shop", "{framework:?}");
        assert!(live.health().last_error.is_some(), "{framework:?}");
    }
}

#[tokio::test]
async fn tags_and_base64_are_parts_of_a_secret() {
    for way in WAYS {
        let read = async |text: &str| -> Result<String, Error> {
            let service = service(text);
            service.vault.set_with("s", "Y29ycmVjdCBob3JzZQ==", |properties| properties.set_tag("user", "ann"))?;
            Ok(service.settings::<One<String>>(way).await?.value.clone())
        };
        let tag = read("@KeyVault(SecretName=s;Tag=user)").await.unwrap();
        let text = read("@KeyVault(SecretName=s;Encoding=base64)").await.unwrap();
        assert_eq!((tag.as_str(), text.as_str()), ("ann", "correct horse"), "{way:?}");
        let error = read("@KeyVault(SecretName=s;Tag=User)").await.unwrap_err();
        assert!(error.to_string().contains("no tag"), "{way:?} {error}");
    }
}

/// Each contains a canary where a person may paste a secret.
const NEAR_MISSES: [&str; 8] = [
    "@Microsft.KeyVault(SecretName=canary)",
    "@Microsoft.KeyVaults(SecretName=canary)",
    "@Microsoft.KeyVault[SecretName=canary]",
    "Microsoft.KeyVault(SecretName=canary)",
    "@\u{200b}KeyVault(SecretName=canary)",
    "\u{feff}@KeyVault(SecretName=s)",
    "\"@KeyVault(SecretName=s)\"",
    "@KeyVault(SecretName=s) and KeyVault(SecretName=canary)",
];

#[tokio::test]
async fn a_near_miss_fails_the_load_and_names_what_was_meant() {
    for text in NEAR_MISSES {
        for way in WAYS {
            let error = service(text).settings::<One<String>>(way).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
            assert_eq!(error.status(), ReferenceStatus::InvalidSyntax, "{text}: {error}");
            assert_eq!(error.setting(), Some("value"), "{text}: {error}");
            assert!(error.advice().is_some(), "{text}: {error}");
            assert_value_free(&error, &["canary"]);
        }
    }
}

#[tokio::test]
async fn a_policy_lets_a_near_miss_pass_with_a_warning() {
    for framework in BOTH {
        let text = "write KeyVault(SecretName=canary)";
        let log = Log::begin();
        let service = service(text).policy("value", Policy::AllowNearMiss);
        let live = service.start::<One<String>>(framework).await.unwrap();
        assert_eq!(live.current().value, text, "{framework:?}");
        let log = log.text();
        assert!(log.contains("WARN") && log.contains("without @"), "{framework:?} {log}");
        assert!(!log.contains("canary"), "{framework:?} {log}");
    }
}

#[tokio::test]
async fn white_space_around_a_whole_reference_is_not_part_of_the_value() {
    for (text, expected) in [
        ("  @KeyVault(SecretName=s)\n", "secret"),
        ("\r\n\t@KeyVault(\n  SecretName=s\n)\r\n", "secret"),
        (" x @KeyVault(SecretName=s) ", " x secret "),
        ("@KeyVault(SecretName=s) @KeyVault(SecretName=s) ", "secret secret "),
        (" plain ", " plain "),
    ] {
        for way in WAYS {
            let settings = service(text).secret("s", "secret").settings::<One<String>>(way).await.unwrap();
            assert_eq!(settings.value, expected, "{way:?} {text:?}");
        }
    }
}
