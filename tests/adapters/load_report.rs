//! Every load has a report with a row for each reference and each mapped secret, for people and for scripts.

use std::collections::BTreeMap;

use keyvault::report::ReportRow;
use keyvault::settings::ConfigValue;
use keyvault::{ReferenceStatus, Report, Resolver};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::json_schema::assert_conforms;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::service::{BOTH, Service, WAYS, block_on, vault, with_variables};

const SCHEMA: &str = include_str!("../../docs/schemas/report.schema.json");

fn rows(report: &Report) -> Vec<(&str, &str, Option<&str>)> {
    report.rows().iter().map(|row| (&*row.setting, row.status.as_str(), row.secret.as_deref())).collect()
}

fn row<'r>(report: &'r Report, setting: &str) -> &'r ReportRow {
    report.rows().iter().find(|row| row.setting == setting).unwrap()
}

#[test]
fn a_successful_load_reports_every_reference_and_every_mapped_secret() {
    with_variables(&[("SHOP_FROM__OUTSIDE", "@KeyVault(SecretName=outside)")], || {
        let service = Service::new(
            "url = 'a:@KeyVault(SecretName=user)@KeyVault(SecretName=password)'\nplain = 'x'\nhidden = 'by the file'
             gone = '@KeyVault(SecretName=gone;Optional=true)'",
        );
        let service = service.secret("user", "canary").secret("password", "canary").secret("outside", "canary");
        let service = service.secret("Database--Password", "canary").secret("Hidden", "canary");
        for framework in BOTH {
            let live = block_on(service.start::<IgnoredAny>(framework)).unwrap();
            let published = live.published();
            let resolved = block_on(service.resolve(framework)).unwrap();
            for report in [published.report(), resolved.report()] {
                let expected = [
                    ("database.password", "Resolved", Some("Database--Password")),
                    ("from.outside", "Resolved", Some("outside")),
                    ("gone", "SecretNotFound", Some("gone")),
                    ("outside", "Resolved", Some("outside")),
                    ("password", "Resolved", Some("password")),
                    ("url", "Resolved", Some("user")),
                    ("url", "Resolved", Some("password")),
                    ("user", "Resolved", Some("user")),
                ];
                assert_eq!(rows(report), expected, "{framework:?} {report}");
                assert!(report.is_resolved(), "{framework:?}");
                assert!(row(report, "gone").is_absent && row(report, "gone").is_optional, "{framework:?}");
                assert_eq!(row(report, "database.password").origin, "the names in vault contoso", "{framework:?}");
                assert!(row(report, "url").origin.contains("settings.toml"), "{framework:?}");
                assert_eq!(row(report, "from.outside").origin, "variable SHOP_FROM__OUTSIDE", "{framework:?}");
                assert!(row(report, "user").version.is_some(), "{framework:?}");
                assert_free_of(&format!("{report} {report:?}"), &["canary"]);
            }
        }
    });
}

#[tokio::test]
async fn a_failed_load_reports_the_resolved_references_too() {
    let service = Service::new(
        "good = '@KeyVault(SecretName=good)'\nbad = '@KeyVault(SecretName=bad)'\nworse = '@KeyVault(x) @KeyVault(y'",
    );
    let service = service.secret("good", "canary").references_only();
    for way in WAYS {
        let error = service.settings::<IgnoredAny>(way).await.unwrap_err();
        let report = error.load_report().unwrap();
        let expected = [
            ("bad", "SecretNotFound", Some("bad")),
            ("worse", "InvalidSyntax", None),
            ("worse", "InvalidSyntax", None),
            ("good", "Resolved", Some("good")),
        ];
        assert_eq!(rows(report), expected, "{way:?}");
        assert!(!report.is_resolved(), "{way:?}");
        assert_eq!(error.failures().len(), 3, "{way:?} {error:?}");
    }
}

#[tokio::test]
async fn values_that_do_not_fit_leave_the_report_of_their_references() {
    let service = Service::new("value = '@KeyVault(SecretName=port)'").secret("port", "canary").references_only();
    for way in WAYS {
        let error = service.settings::<super::service::One<u16>>(way).await.unwrap_err();
        assert_eq!(rows(error.load_report().unwrap()), [("value", "Resolved", Some("port"))], "{way:?}");
    }
}

#[tokio::test]
async fn leaves_are_checked_with_and_without_a_network() {
    let contoso = vault("contoso");
    contoso.set("good", "canary").unwrap();
    let leaves = || {
        let texts = [
            ("A", "x@KeyVault(SecretName=good)"),
            ("B", "@KeyVault(SecretName=bad)"),
            ("C", "@KeyVault(VaultName=stranger;SecretName=good)"),
            ("D", "@KeyVault(SecretNam=good)"),
            ("E", "plain"),
            ("F", "@KeyVault(SecretName=bad;Optional=true)"),
        ];
        texts
            .map(|(name, text)| ConfigValue::text([name].into_iter().collect(), format!("variable {name}"), text))
            .into()
    };
    let resolver = Resolver::from(contoso.clone());
    let checked = resolver.check(leaves()).await;
    let values: BTreeMap<String, Result<Option<&str>, ReferenceStatus>> = checked
        .values()
        .map(|(leaf, value)| {
            let text = value
                .map(|text| text.map(keyvault::settings::Resolved::expose_secret))
                .map_err(keyvault::Error::status);
            (leaf.key().to_string(), text)
        })
        .collect();
    assert_eq!(values["A"], Ok(Some("xcanary")));
    assert_eq!(values["B"], Err(ReferenceStatus::SecretNotFound));
    assert_eq!(values["C"], Err(ReferenceStatus::AccessToKeyVaultDenied));
    assert_eq!(values["D"], Err(ReferenceStatus::InvalidSyntax));
    assert_eq!(values["E"], Ok(Some("plain")));
    assert_eq!(values["F"], Ok(None));
    assert_free_of(&format!("{checked:?}"), &["canary"]);
    assert_eq!(checked.report().rows().len(), 5);

    let reads = contoso.reads();
    let report = resolver.check_offline(leaves());
    let statuses: Vec<_> = report.rows().iter().map(|row| (&*row.setting, row.status.as_str())).collect();
    let expected = [
        ("C", "AccessToKeyVaultDenied"),
        ("D", "InvalidSyntax"),
        ("A", "Initialized"),
        ("B", "Initialized"),
        ("F", "Initialized"),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(contoso.reads(), reads, "no request was sent");
}

#[tokio::test]
async fn a_report_conforms_to_its_schema() {
    let service = Service::new(
        "good = '@KeyVault(SecretName=good)'\nbad = '@KeyVault(SecretName=bad)'\nworse = '@KeyVault('
         gone = '@KeyVault(SecretName=gone;Optional=true)'",
    );
    let service = service.references_only();
    service
        .vault
        .set_with("good", "canary", |properties| properties.set_expires(std::time::SystemTime::UNIX_EPOCH))
        .unwrap();
    let error = service.start::<IgnoredAny>(BOTH[0]).await.unwrap_err();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let report = serde_json::to_value(error.load_report().unwrap()).unwrap();
    assert_eq!(report["rows"].as_array().unwrap().len(), 4);
    assert_conforms(&report, &schema);
}
