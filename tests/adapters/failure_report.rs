//! One error reports every failed reference of a load.

use keyvault::ReferenceStatus::{AccessToKeyVaultDenied, InvalidSyntax, SecretNotFound, SecretVersionNotFound};
use keyvault::{Error, ErrorKind};
use keyvault_test_support::canary::assert_value_free;
use serde::de::IgnoredAny;

use super::service::{BOTH, Service, WAYS, block_on, with_variables};

#[test]
fn every_broken_reference_is_reported_with_its_setting_origin_and_status() {
    let settings = r#"
        good = "@KeyVault(SecretName=good)"
        [database]
        password = "@KeyVault(SecretName=db-password)"
        hosts = ["a", "@KeyVault(SecretName"]
        [mail]
        key = "@KeyVault(VaultName=stranger;SecretName=mail-key)"
        pinned = "@KeyVault(SecretName=good;SecretVersion=0123456789abcdef0123456789abcdef)"
        both = "@KeyVault(SecretName=one-gone)@KeyVault(SecretName=other-gone)"
        disabled = "@KeyVault(SecretName=disabled;Optional=true)"
    "#;
    with_variables(&[("SHOP_FROM__OUTSIDE", "@KeyVault(SecretName=not-there)")], || {
        let service = Service::new(settings).secret("good", "canary");
        service.vault.set_with("disabled", "canary", |properties| properties.set_enabled(false)).unwrap();
        let expected = [
            ("database.hosts[1]", "settings.toml", InvalidSyntax, None),
            ("database.password", "settings.toml", SecretNotFound, Some("db-password in contoso")),
            ("from.outside", "variable SHOP_FROM__OUTSIDE", SecretNotFound, Some("not-there in contoso")),
            ("mail.both", "settings.toml", SecretNotFound, Some("one-gone in contoso")),
            ("mail.both", "settings.toml", SecretNotFound, Some("other-gone in contoso")),
            ("mail.disabled", "settings.toml", AccessToKeyVaultDenied, Some("disabled in contoso")),
            ("mail.key", "settings.toml", AccessToKeyVaultDenied, Some("mail-key in stranger")),
            ("mail.pinned", "settings.toml", SecretVersionNotFound, Some("good version 01234567")),
        ];
        for way in WAYS {
            let error = block_on(service.settings::<IgnoredAny>(way)).unwrap_err();
            let mut failures: Vec<&Error> = error.failures().iter().collect();
            failures.sort_by_key(|failure| (failure.setting(), failure.to_string()));
            assert_eq!(failures.len(), expected.len(), "{way:?} {error:?}");
            for (failure, (key, place, status, secret)) in failures.into_iter().zip(expected) {
                assert_eq!(failure.setting(), Some(key), "{way:?} {error:?}");
                assert_eq!(failure.status(), status, "{way:?} {failure}");
                assert!(failure.origin().is_some_and(|origin| origin.contains(place)), "{way:?} {failure}");
                assert!(failure.secret().is_some() == secret.is_some(), "{way:?} {failure}");
                for text in [error.to_string(), error.report(), format!("{error:?}")] {
                    for fact in [key, place, status.as_str(), secret.unwrap_or(key)] {
                        assert!(text.contains(fact), "{way:?} {fact} is not in {text}");
                    }
                    // Each single failure carries its own details too.
                    assert!(failure.to_string().contains(secret.unwrap_or(key)), "{failure}");
                }
            }
            assert!(!error.is_transient(), "{way:?}");
            assert_value_free(&error, &["canary"]);
        }
    });
}

#[tokio::test]
async fn an_unreachable_vault_is_reported_for_every_setting_that_needs_it() {
    let service =
        Service::new("a = '@KeyVault(SecretName=a)'\nb = ['@KeyVault(SecretName=b)']\nc = 'plain'").references_only();
    service.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
    // `resolve` lists the names first, so it fails before it reads a reference.
    for framework in BOTH {
        let error = service.start::<IgnoredAny>(framework).await.unwrap_err();
        let settings: Vec<_> = error.failures().iter().filter_map(Error::setting).collect();
        assert_eq!(settings.len(), 2, "{framework:?} {error:?}");
        assert!(settings.contains(&"a") && settings.contains(&"b[0]"), "{framework:?} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Denied);
    }
}
