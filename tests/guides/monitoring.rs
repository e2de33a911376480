//! The guide on monitoring has what a program shows: the members of its health, the metrics and the events.

use std::collections::BTreeSet;
use std::fs;

use keyvault::{InMemory, Live};
use keyvault_test_support::CONTOSO;
use serde::Deserialize;
use serde_json::Value;

use crate::pages::{Page, root};
use crate::source_texts::source_texts;

#[derive(Deserialize)]
struct Settings {}

#[tokio::test(start_paused = true)]
async fn the_health_of_the_guide_has_the_members_of_health() {
    let vault = InMemory::new(CONTOSO.parse().unwrap());
    vault.set("db-password", "correct horse").unwrap();
    let live: Live<Settings> = keyvault_figment::layered(vault, figment::Figment::new).start().await.unwrap();
    let health = serde_json::to_value(live.health()).unwrap();
    let blocks = guide().code_blocks();
    let shown = blocks.iter().find(|block| block.language == "json" && block.text.contains("is_healthy")).unwrap();
    let shown: Value = serde_json::from_str(&shown.text).unwrap();
    assert_eq!(members(&shown), members(&health));
    assert_eq!(members(&shown["secrets"][0]), members(&health["secrets"][0]));
}

#[test]
fn the_guide_lists_every_metric() {
    let texts = source_texts("crates/keyvault/src").into_iter().map(|text| text.text);
    let metrics: BTreeSet<String> = texts.filter(|text| text.starts_with("keyvault_")).collect();
    assert!(metrics.len() > 5, "{metrics:?}");
    assert_eq!(cells_after("| `keyvault_"), metrics.iter().map(|name| name.replace("keyvault_", "")).collect());
}

#[test]
fn every_event_of_the_guide_is_in_the_sources() {
    let events: BTreeSet<String> =
        ["INFO", "WARN", "DEBUG"].into_iter().flat_map(|level| cells_after(&format!("| `{level}` | `"))).collect();
    assert!(events.len() > 8, "{events:?}");
    let sources: String = ["live", "derive", "credential", "client"].into_iter().flat_map(sources_of).collect();
    for event in events {
        assert!(sources.contains(&format!("\"{event}\"")), "no source has the event {event:?}");
    }
}

fn guide() -> Page {
    Page::read("docs/monitoring.md")
}

fn members(value: &Value) -> BTreeSet<&String> {
    value.as_object().unwrap().keys().collect()
}

/// Returns what follows `begin` in the rows of the guide's tables, up to the next backtick.
fn cells_after(begin: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/monitoring.md")).unwrap();
    text.lines().filter_map(|line| Some(line.strip_prefix(begin)?.split('`').next()?.to_owned())).collect()
}

/// Returns the files of a room of core.
fn sources_of(room: &str) -> Vec<String> {
    let files = fs::read_dir(root().join("crates/keyvault/src").join(room)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}
