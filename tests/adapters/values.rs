//! A secret reaches a text setting unchanged, and other types converted.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::service::{One, Service, Settings, WAYS};

#[tokio::test]
async fn text_arrives_unchanged_whatever_it_looks_like() {
    #[derive(Deserialize)]
    struct Settings {
        named: String,
        named_secret: SecretString,
        referred: String,
        referred_secret: SecretString,
        optional: Option<String>,
        list: Vec<String>,
        inside: String,
    }
    let long = "0123456789abcdef\n".repeat(25 * 1024 / 17 + 1);
    let texts = [
        "0123",
        "-0",
        "1e3",
        "0x10",
        "1_000",
        "9999999999999999999999999999999999999999",
        "1.50",
        "NaN",
        "inf",
        "true",
        "TRUE",
        "on",
        "null",
        "~",
        "[a]",
        "[1, 2]",
        "{a = 1}",
        "{\"a\":1}",
        "\"quoted\"",
        "'quoted'",
        " spaced ",
        "\n",
        "a\nb\r\nc\t",
        "\0",
        "a\0b",
        "\u{feff}bom",
        "🦀 ünïcödé",
        "#comment",
        "a=b;c=d",
        "${HOME}",
        "%20",
        "\\n",
        "@",
        "@@",
        "a@KeyVault",
        "1970-01-01T00:00:00Z",
        "",
        &long,
    ];
    let file = "referred = '@KeyVault(SecretName=s)'\nreferred_secret = '@KeyVault(SecretName=s)'\n\
         optional = '@KeyVault(SecretName=s)'\nlist = ['@KeyVault(SecretName=s)']\ninside = '<@KeyVault(SecretName=s)>'";
    for text in texts {
        let service = Service::new(file).secret("s", text).secret("named", text).secret("named-secret", text);
        for way in WAYS {
            let it = service.settings::<Settings>(way).await.unwrap();
            assert_eq!(it.named, text, "{way:?}");
            assert_eq!(it.named_secret.expose_secret(), text, "{way:?}");
            assert_eq!(it.referred, text, "{way:?}");
            assert_eq!(it.referred_secret.expose_secret(), text, "{way:?}");
            assert_eq!(it.optional.as_deref(), Some(text), "{way:?}");
            assert_eq!(it.list, [text], "{way:?}");
            assert_eq!(it.inside, format!("<{text}>"), "{way:?}");
        }
    }
}

/// Asserts that `text` becomes `expected` in a `T`: by name, by reference, in an option and in a list.
async fn assert_converts<T: Settings + PartialEq + std::fmt::Debug>(text: &str, expected: T) {
    #[derive(Deserialize)]
    struct Two<T> {
        named: T,
        referred: T,
        list: Vec<T>,
        option: Option<T>,
    }
    let file =
        "referred = '@KeyVault(SecretName=s)'\nlist = ['@KeyVault(SecretName=s)']\noption = '@KeyVault(SecretName=s)'";
    let service = Service::new(file).secret("s", text).secret("named", text);
    for way in WAYS {
        let two = service.settings::<Two<T>>(way).await.unwrap_or_else(|error| panic!("{way:?} {text}: {error}"));
        assert_eq!(two.named, expected, "{way:?} {text}");
        assert_eq!(two.referred, expected, "{way:?} {text}");
        assert_eq!(two.list.first(), Some(&expected), "{way:?} {text}");
        assert_eq!(two.option.as_ref(), Some(&expected), "{way:?} {text}");
    }
}

#[tokio::test]
async fn numbers_booleans_and_enums_are_read_from_text() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Fast,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Port(u16);

    assert_converts("5432", 5432_u16).await;
    assert_converts("5432", Port(5432)).await;
    assert_converts("0", 0_u8).await;
    assert_converts("18446744073709551615", u64::MAX).await;
    assert_converts("-9223372036854775808", i64::MIN).await;
    assert_converts("-5", -5_i8).await;
    assert_converts("-70000", -70_000_i32).await;
    assert_converts("1.5", 1.5_f64).await;
    assert_converts("-0.25", -0.25_f32).await;
    assert_converts("7", 7.0_f64).await;
    assert_converts("true", true).await;
    assert_converts("false", false).await;
    assert_converts("fast", Level::Fast).await;
    assert_converts("x", 'x').await;
    assert_converts("127.0.0.1", std::net::Ipv4Addr::LOCALHOST).await;
    assert_converts("5", std::num::NonZeroU16::new(5).unwrap()).await;
    assert_converts("C:\\temp", std::path::PathBuf::from("C:\\temp")).await;
}

#[tokio::test]
async fn a_number_with_leading_zeros_is_text_to_text_and_a_number_to_a_number() {
    let service = Service::new("value = '@KeyVault(SecretName=s)'").secret("s", "0123");
    for way in WAYS {
        assert_eq!(service.settings::<One<String>>(way).await.unwrap().value, "0123", "{way:?}");
        assert_eq!(service.settings::<One<u16>>(way).await.unwrap().value, 123, "{way:?}");
    }
}

#[tokio::test]
async fn a_number_out_of_range_is_reported() {
    for text in ["70000", "-1", "1.5", "", " ", "12a", "99999999999999999999999"] {
        let service = Service::new("value = '@KeyVault(SecretName=s)'").secret("s", text);
        for way in WAYS {
            let error = service.settings::<One<u16>>(way).await.expect_err(text);
            assert_eq!(error.setting(), Some("value"), "{way:?} {text} {error}");
        }
    }
}

#[tokio::test]
async fn a_list_in_one_secret_is_split_at_its_commas() {
    #[derive(Debug, Deserialize)]
    struct Lists {
        #[serde(deserialize_with = "keyvault::settings::comma_separated")]
        hosts: Vec<String>,
        #[serde(deserialize_with = "keyvault::settings::comma_separated")]
        named: std::collections::BTreeSet<u16>,
        #[serde(default, deserialize_with = "keyvault::settings::comma_separated")]
        written: Vec<u16>,
    }
    let file = "hosts = '@KeyVault(SecretName=s)'\nwritten = [1, 2]";
    for (text, hosts) in [("a,b , c\n", vec!["a", "b", "c"]), ("one", vec!["one"]), ("", vec![]), ("1", vec!["1"])] {
        let service = Service::new(file).secret("s", text).secret("named", "443, 80");
        for way in WAYS {
            let lists = service.settings::<Lists>(way).await.unwrap();
            assert_eq!(lists.hosts, hosts, "{way:?}");
            assert_eq!(lists.named, [80, 443].into(), "{way:?}");
            assert_eq!(lists.written, [1, 2], "{way:?}");
        }
    }
    let service = Service::new(file).secret("s", "").secret("named", "443, canary");
    for way in WAYS {
        let error = service.settings::<Lists>(way).await.unwrap_err();
        assert_eq!(error.setting(), Some("named"), "{way:?}");
        assert!(error.to_string().contains("expected a list separated by commas"), "{way:?} {error}");
        keyvault_test_support::canary::assert_value_free(&error, &["canary"]);
    }
}
