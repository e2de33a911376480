//! Ten thousand references resolve in linear time.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use keyvault::{InMemory, Live};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::{BOTH, Framework, Service};

const MANY: usize = 10_000;
/// A debug build on a busy machine needs a few seconds. A quadratic algorithm would need minutes.
const SOON: Duration = Duration::from_secs(20);

fn vault() -> InMemory {
    let vault = super::service::vault("contoso");
    (0..MANY).for_each(|i| _ = vault.set(&format!("s-{i}"), format!("value {i}")).unwrap());
    vault
}

async fn in_time<T>(what: &str, framework: Framework, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    assert!(began.elapsed() < SOON, "{framework:?} took {:?} for {what}", began.elapsed());
    println!("{framework:?} {what}: {:?}", began.elapsed());
    done
}

#[tokio::test]
async fn ten_thousand_references_in_one_table_are_resolved_soon() {
    let mut file = String::from("[table]\n");
    (0..MANY).for_each(|i| writeln!(file, "k{i} = 'x @KeyVault(SecretName=s-{i})'").unwrap());
    #[derive(Deserialize)]
    struct Settings {
        table: BTreeMap<String, String>,
    }
    for framework in BOTH {
        let service = Service::new(&file).references_only().resolver(vault());
        let live: Live<Settings> = in_time("start", framework, service.start(framework)).await.unwrap();
        assert_eq!(live.current().table.len(), MANY);
        assert_eq!(live.current().table["k9999"], "x value 9999");
        in_time("refresh", framework, live.refresh_now()).await.unwrap();
        let resolved = in_time("resolve", framework, service.resolve(framework)).await.unwrap();
        assert_eq!(resolved.extract::<Settings>().unwrap().table["k0"], "x value 0");
    }
}

#[tokio::test]
async fn ten_thousand_references_in_one_list_are_resolved_soon() {
    let element = |i| match i % 10 {
        0 => format!("'@KeyVault(SecretName=missing-{i};Optional=true)',"),
        _ => format!("'@KeyVault(SecretName=s-{i})',"),
    };
    let file = format!("list = [{}]", (0..MANY).map(element).collect::<String>());
    #[derive(Deserialize)]
    struct Settings {
        list: Vec<String>,
    }
    for framework in BOTH {
        let service = Service::new(&file).references_only().resolver(vault());
        let live: Live<Settings> = in_time("start", framework, service.start(framework)).await.unwrap();
        assert_eq!(live.current().list.len(), MANY / 10 * 9);
        assert_eq!(live.current().list[0], "value 1");
        assert_eq!(live.current().list.last().unwrap(), "value 9999");
    }
}

#[tokio::test]
async fn ten_thousand_secrets_are_mapped_by_name_in_time() {
    for framework in BOTH {
        let vault = vault();
        let service = Service::new("").resolver(vault.clone());
        let live: Live<BTreeMap<String, String>> = in_time("start", framework, service.start(framework)).await.unwrap();
        assert_eq!(live.current().len(), MANY);
        assert_eq!(live.current()["s_9999"], "value 9999");
        vault.set("s-17", "rotated").unwrap();
        let change = in_time("refresh", framework, live.refresh_now()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["s_17"], "{framework:?}");
        let resolved = in_time("resolve", framework, service.resolve(framework)).await.unwrap();
        resolved.extract::<IgnoredAny>().unwrap();
    }
}

#[tokio::test]
async fn ten_thousand_bad_references_are_reported_soon() {
    let file: String = (0..MANY).map(|i| format!("k{i} = '@KeyVault(SecretName=missing-{i})'\n")).collect();
    for framework in BOTH {
        let service = Service::new(&file).references_only();
        let error = in_time("failure", framework, service.start::<IgnoredAny>(framework)).await.unwrap_err();
        assert_eq!(error.failures().len(), MANY, "{framework:?}");
        let report = in_time("report", framework, async { error.report() }).await;
        assert_eq!(report.matches("SecretNotFound").count(), MANY, "{framework:?}");
    }
}

#[tokio::test]
async fn a_megabyte_of_settings_with_ten_thousand_references_is_loaded_soon() {
    let mut file = String::new();
    for i in 0..MANY {
        if i % 100 == 0 {
            writeln!(file, "[table{}]", i / 100).unwrap();
        }
        let uri = format!("SecretUri=https://contoso.vault.azure.net/secrets/s-{i}");
        writeln!(file, "setting-number-{i} = \"prefix @Microsoft.KeyVault({uri}) suffix\" # a comment").unwrap();
    }
    assert!(file.len() > 1_000_000, "{}", file.len());
    for framework in BOTH {
        let service = Service::new(&file).references_only().resolver(vault());
        let live: Live<BTreeMap<String, BTreeMap<String, String>>> =
            in_time("start of 1 MB", framework, service.start(framework)).await.unwrap();
        assert_eq!(live.current()["table99"]["setting-number-9999"], "prefix value 9999 suffix");
        let published = live.published();
        assert_eq!(published.report().rows().len(), MANY, "{framework:?}");
        assert!(
            published.report().rows().iter().all(|row| row.origin.contains("settings.toml line ")),
            "{framework:?}"
        );
    }
}
