//! The cost of ten thousand references is linear in their number.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use keyvault::{InMemory, Live};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::{BOTH, Framework, Service};

const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// A linear cost grows by ten, a quadratic one by a hundred.
const MOST_GROWTH: u32 = 30;

/// Runs a story with a thousand references and with ten thousand, and compares the processor time of this thread: that
/// is independent of the load of the machine and, as a ratio, of its speed. Only Linux shows it.
async fn assert_linear(story: impl AsyncFn(Framework, usize)) {
    for framework in BOTH {
        let mut costs = Vec::new();
        // The first run pays for what is set up once.
        for count in [FEW, FEW, MANY] {
            let before = processor_time();
            story(framework, count).await;
            costs.extend(before.zip(processor_time()).map(|(before, after)| after - before));
        }
        println!("{framework:?} {costs:?}");
        if let [_, few, many] = costs[..] {
            assert!(many < few * MOST_GROWTH, "{framework:?}: {FEW} cost {few:?}, and {MANY} cost {many:?}");
        }
    }
}

#[cfg(target_os = "linux")]
fn processor_time() -> Option<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Option<Duration> {
    None
}

fn vault(count: usize) -> InMemory {
    let vault = super::service::vault("contoso");
    (0..count).for_each(|i| _ = vault.set(&format!("s-{i}"), format!("value {i}")).unwrap());
    vault
}

#[tokio::test]
async fn references_in_one_table_cost_linear_time() {
    #[derive(Deserialize)]
    struct Settings {
        table: BTreeMap<String, String>,
    }
    assert_linear(async |framework, count| {
        let mut file = String::from("[table]\n");
        (0..count).for_each(|i| writeln!(file, "k{i} = 'x @KeyVault(SecretName=s-{i})'").unwrap());
        let vault = vault(count);
        let service = Service::new(&file).references_only().resolver(vault.clone());
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert_eq!(live.current().table.len(), count);
        assert_eq!(live.current().table[&format!("k{}", count - 1)], format!("x value {}", count - 1));
        assert_eq!(vault.reads().gets, count as u64);
        live.refresh_now().await.unwrap();
        let resolved = service.resolve(framework).await.unwrap();
        assert_eq!(resolved.extract::<Settings>().unwrap().table["k0"], "x value 0");
    })
    .await;
}

#[tokio::test]
async fn references_in_one_list_cost_linear_time() {
    #[derive(Deserialize)]
    struct Settings {
        list: Vec<String>,
    }
    let element = |i| match i % 10 {
        0 => format!("'@KeyVault(SecretName=missing-{i};Optional=true)',"),
        _ => format!("'@KeyVault(SecretName=s-{i})',"),
    };
    assert_linear(async |framework, count| {
        let file = format!("list = [{}]", (0..count).map(element).collect::<String>());
        let service = Service::new(&file).references_only().resolver(vault(count));
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert_eq!(live.current().list.len(), count / 10 * 9);
        assert_eq!(live.current().list[0], "value 1");
        assert_eq!(*live.current().list.last().unwrap(), format!("value {}", count - 1));
    })
    .await;
}

#[tokio::test]
async fn secrets_mapped_by_name_cost_linear_time() {
    assert_linear(async |framework, count| {
        let vault = vault(count);
        let service = Service::new("").resolver(vault.clone());
        let live: Live<BTreeMap<String, String>> = service.start(framework).await.unwrap();
        assert_eq!(live.current().len(), count);
        assert_eq!(live.current()["s_999"], "value 999");
        vault.set("s-17", "rotated").unwrap();
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["s_17"], "{framework:?}");
        let resolved = service.resolve(framework).await.unwrap();
        resolved.extract::<IgnoredAny>().unwrap();
    })
    .await;
}

#[tokio::test]
async fn bad_references_cost_linear_time() {
    assert_linear(async |framework, count| {
        let file: String = (0..count).map(|i| format!("k{i} = '@KeyVault(SecretName=missing-{i})'\n")).collect();
        let service = Service::new(&file).references_only();
        let error = service.start::<IgnoredAny>(framework).await.unwrap_err();
        assert_eq!(error.failures().len(), count, "{framework:?}");
        assert_eq!(error.report().matches("SecretNotFound").count(), count, "{framework:?}");
    })
    .await;
}

#[tokio::test]
async fn a_megabyte_of_settings_costs_linear_time() {
    assert_linear(async |framework, count| {
        let mut file = String::new();
        for i in 0..count {
            if i % 100 == 0 {
                writeln!(file, "[table{}]", i / 100).unwrap();
            }
            let uri = format!("SecretUri=https://contoso.vault.azure.net/secrets/s-{i}");
            writeln!(file, "setting-number-{i} = \"prefix @Microsoft.KeyVault({uri}) suffix\" # a comment").unwrap();
        }
        assert!(count < MANY || file.len() > 1_000_000, "{}", file.len());
        let service = Service::new(&file).references_only().resolver(vault(count));
        let live: Live<BTreeMap<String, BTreeMap<String, String>>> = service.start(framework).await.unwrap();
        assert_eq!(live.current()["table9"]["setting-number-999"], "prefix value 999 suffix");
        let published = live.published();
        assert_eq!(published.report().rows().len(), count, "{framework:?}");
        assert!(
            published.report().rows().iter().all(|row| row.origin.contains("settings.toml line ")),
            "{framework:?}"
        );
    })
    .await;
}
