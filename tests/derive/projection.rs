//! A projection follows a part of the settings.

use keyvault::live::Projection;

use super::service::{Database, Service, Settings};

#[tokio::test(start_paused = true)]
async fn a_projection_follows_the_settings_and_keeps_them_refreshed() {
    let service = Service::new();
    let live = service.live().await;
    let database: Projection<Settings, Database> = live.map(|settings| &settings.database);
    let held = database.current();
    let mut watcher = live.watch();
    drop(live);
    service.vault.set("database--password", "second").unwrap();
    watcher.changed().await.expect("the projection is a handle");
    assert_eq!((held.password.as_str(), database.clone().current().password.as_str()), ("first", "second"));
    assert!(!format!("{database:?}{held:?}").contains("first"), "neither shows a value");
}
