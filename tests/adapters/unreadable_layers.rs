//! An unreadable layer fails the load or keeps the last good settings, and no error quotes its content.

use std::io;
use std::time::Duration;

use config::{Config, ConfigError, File, Map, Source, Value};
use figment::Figment;
use keyvault::{Error, ErrorKind, Live};
use keyvault_test_support::canary::assert_value_free;

use super::service::{BOTH, Framework, One, Service, TemporaryFile, vault};

const BROKEN: [(&str, &str); 6] = [
    ("value = canary", "line 1"),
    ("value = 'fine'\npassword = 'canary", "line 2"),
    ("a = 1\nb = 2\ncanary", "line 3"),
    ("canary = 1\ncanary = 2", "line 2"),
    ("[canary\nvalue = 1", "line 1"),
    ("value = { canary = 1", "line 1"),
];

#[track_caller]
fn assert_unreadable(error: &Error, file: &str, line: &str) {
    assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{error}");
    assert!(!error.is_transient());
    for text in [error.to_string(), error.report()] {
        assert!(text.contains(file) && text.contains(line), "{text}");
    }
    assert_value_free(error, &["canary", "password", "fine"]);
}

#[tokio::test]
async fn a_file_that_does_not_parse_fails_the_start_with_its_name_and_line_but_no_content() {
    for (text, line) in BROKEN {
        for framework in BOTH {
            let service = Service::new(text);
            let error = service.start::<One<String>>(framework).await.expect_err(text);
            assert_unreadable(&error, "settings.toml", line);
            assert!(error.to_string().contains("column"), "{framework:?} {error}");
        }
    }
}

#[tokio::test]
async fn a_file_that_stops_parsing_leaves_the_last_good_settings() {
    for (text, line) in BROKEN {
        for framework in BOTH {
            let service = Service::new("value = '@KeyVault(SecretName=s)'").secret("s", "good");
            let live: Live<One<String>> = service.start(framework).await.unwrap();
            service.file.write(text);
            let error = live.refresh_now().await.expect_err(text);
            assert_unreadable(&error, "settings.toml", line);
            assert_eq!(live.current().value, "good", "{framework:?}");
            assert_eq!(live.health().consecutive_failures, 1, "{framework:?}");
            assert_eq!(live.published().generation(), 1, "{framework:?}");
            service.file.write("value = 'mended'");
            // The secret is no longer referred to, so it is mapped by name.
            assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["s", "value"], "{framework:?}");
            assert_eq!(live.current().value, "mended", "{framework:?}");
        }
    }
}

#[tokio::test]
async fn a_refresh_without_valid_settings_leaves_the_last_good_ones() {
    for text in ["value = [1, 2]", "", "value = '@KeyVault(SecretName=missing)'", "value = '@KeyVault('"] {
        for framework in BOTH {
            let service = Service::new("value = 'good'");
            let live: Live<One<String>> = service.start(framework).await.unwrap();
            service.file.write(text);
            let error = live.refresh_now().await.expect_err(text);
            assert_eq!(error.setting(), Some("value"), "{framework:?} {text} {error}");
            assert_eq!(live.current().value, "good", "{framework:?} {text}");
        }
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let file = TemporaryFile::new("");
    let missing = file.path().with_file_name("missing-settings.toml");
    for framework in BOTH {
        let path = missing.clone();
        let error = match framework {
            Framework::Config => {
                let layers = move || Config::builder().add_source(File::from(path.clone()));
                keyvault_config::layered(vault("contoso"), layers)
                    .minimum_failure_delay(Duration::ZERO)
                    .start::<One<String>>()
                    .await
            }
            Framework::Figment => {
                // `Toml::file` treats a missing file as empty.
                let layers = move || Figment::from(crate::required_file(&path));
                keyvault_figment::layered(vault("contoso"), layers)
                    .minimum_failure_delay(Duration::ZERO)
                    .start::<One<String>>()
                    .await
            }
        };
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{framework:?}");
        assert!(error.to_string().contains("missing-settings.toml"), "{framework:?} {error}");
    }
}

#[tokio::test]
async fn a_file_of_no_known_format_is_named() {
    let file = TemporaryFile::new("");
    let odd = file.path().with_extension("canary-format");
    std::fs::write(&odd, "value = 'canary content'").unwrap();
    let layers = move || Config::builder().add_source(File::from(odd.clone()));
    let error = keyvault_config::layered(vault("contoso"), layers)
        .minimum_failure_delay(Duration::ZERO)
        .start::<One<String>>()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("settings.canary-format"), "{error}");
    assert_value_free(&error, &["canary content"]);
}

/// A source of an application, whose error quotes a value.
#[derive(Clone, Debug)]
struct QuotingSource(fn() -> ConfigError);

impl Source for QuotingSource {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Err((self.0)())
    }
}

#[tokio::test]
async fn the_error_of_a_source_is_not_repeated() {
    let errors: [fn() -> ConfigError; 3] = [
        || ConfigError::Message("canary".to_owned()),
        || ConfigError::Foreign("canary".into()),
        || ConfigError::Foreign(Box::new(io::Error::other("canary"))),
    ];
    for error in errors {
        let layers = move || Config::builder().add_source(QuotingSource(error));
        let builder = keyvault_config::layered(vault("contoso"), layers).minimum_failure_delay(Duration::ZERO);
        let error = builder.start::<One<String>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{error}");
        assert_value_free(&error, &["canary"]);
    }
}

#[tokio::test]
async fn a_file_deleted_during_the_run_leaves_the_last_good_settings() {
    for framework in BOTH {
        let service = Service::new("value = 'good'");
        let live: Live<One<String>> = service.start(framework).await.unwrap();
        service.file.remove();
        let error = live.refresh_now().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{framework:?} {error}");
        assert_eq!(live.current().value, "good", "{framework:?}");
    }
}

#[tokio::test]
async fn a_path_to_a_file_that_is_not_text_fails_without_its_content() {
    for framework in BOTH {
        let service = Service::new("");
        std::fs::write(service.file.path(), b"value = 'canary \xff\xfe'\n\x00").unwrap();
        let error = service.start::<One<u16>>(framework).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{framework:?} {error}");
        assert!(error.to_string().contains("settings.toml"), "{framework:?} {error}");
        assert_value_free(&error, &["canary"]);
    }
}
