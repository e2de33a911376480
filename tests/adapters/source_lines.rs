//! An error names the line of the file that contains the reference, unless the line is ambiguous.

use keyvault::Error;
use keyvault_test_support::canary::assert_free_of;
use serde::de::IgnoredAny;

use super::service::{BOTH, Service, WAYS};

#[tokio::test]
async fn a_broken_reference_is_reported_with_file_line_and_key() {
    let file = "\
# the service
first = 'plain'
missing = '@KeyVault(SecretName=missing)'

[database]
password = \"canary @KeyVault(SecretNam=canary) canary\"
twice = '@KeyVault(SecretName=same)'
hosts = [
  'a',
  '@KeyVault(SecretName=host)',
]
again = '@KeyVault(SecretName=same)'
unclosed = '@KeyVault(SecretName=canary'
escaped = \"@KeyVault(SecretName=\\u0061)\"
";
    let service = Service::new(file).references_only();
    let expected = [
        ("database.again", Some(12)),
        ("database.escaped", None),
        ("database.hosts[1]", Some(10)),
        ("database.password", Some(6)),
        ("database.twice", Some(7)),
        ("database.unclosed", Some(13)),
        ("missing", Some(3)),
    ];
    for way in WAYS {
        let error = service.settings::<IgnoredAny>(way).await.unwrap_err();
        let found: Vec<_> =
            error.failures().iter().map(|failure| (failure.setting().unwrap(), line(failure))).collect();
        assert_eq!(found, expected, "{way:?} {error:?}");
        let origin = error.failures()[6].origin().unwrap();
        assert!(origin.ends_with("settings.toml line 3 key missing"), "{way:?} {origin}");
        let rows = error.load_report().unwrap().rows();
        assert!(rows.iter().any(|row| row.origin == origin), "{way:?}");
        assert_free_of(&format!("{error:?} {}", error.load_report().unwrap()), &["canary"]);
    }
}

fn line(failure: &Error) -> Option<usize> {
    let (_, rest) = failure.origin()?.split_once(" line ")?;
    rest.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn resolved_references_have_lines_in_the_report_and_in_their_origins() {
    let service = Service::new("a = 1\nvalue = '@KeyVault(SecretName=a)'").secret("a", "A").references_only();
    for framework in BOTH {
        let resolved = service.resolve(framework).await.unwrap();
        assert!(resolved.report().rows()[0].origin.contains("settings.toml line 2 key value"), "{framework:?}");
        let origin = resolved.origins().get("value").unwrap().to_string();
        assert!(origin.contains("settings.toml line 2 key value → secret a"), "{framework:?} {origin}");
    }
}

#[tokio::test]
async fn a_line_that_moved_is_no_change() {
    let service = Service::new("value = '@KeyVault(SecretName=a)'").secret("a", "A").references_only();
    for framework in BOTH {
        service.file.write("value = '@KeyVault(SecretName=a)'");
        let live = service.start::<super::service::One<String>>(framework).await.unwrap();
        service.file.write("\n\n# moved\nvalue = '@KeyVault(SecretName=a)'");
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert!(live.published().report().rows()[0].origin.contains("line 4"), "{framework:?}");
    }
}
