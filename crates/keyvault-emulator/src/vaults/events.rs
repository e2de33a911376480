//! The events that Event Grid sends about a vault.
//!
//! They follow from the versions and the time alone, so they need no log. See
//! [the schema](https://learn.microsoft.com/azure/event-grid/event-schema-key-vault).

use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::secret_version::{CertificateBacking, SecretVersion};
use super::stored_secret::StoredSecret;
use super::vault::Vault;

/// Returns the events of a vault until now, oldest first, in the Event Grid schema.
pub(crate) fn events(vault: &Vault, url: &str, vault_name: &str, now: Duration) -> Vec<Value> {
    let mut events = Vec::new();
    let live = vault.live().values().map(|stored| (stored, now));
    // A deleted secret has no events any more.
    let deleted = vault.deleted().values().map(|deleted| (&deleted.secret, deleted.deleted_at.min(now)));
    for (stored, until) in live.chain(deleted) {
        for (at, version) in stored.versions.iter().enumerate() {
            let replaced_at = stored.versions.get(at + 1).map_or(u64::MAX, |next| next.created);
            for (kind, time) in times(version) {
                // Only the current version expires.
                if time <= until.as_secs() && (time < replaced_at || kind == Kind::NewVersionCreated) {
                    let types = object_types(version);
                    events.extend(
                        types
                            .iter()
                            .map(|object| (time, event(stored, version, object, kind, (url, vault_name), time))),
                    );
                }
            }
        }
    }
    events.sort_by_key(|(time, _)| *time);
    events.into_iter().map(|(_, event)| event).collect()
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    NewVersionCreated,
    NearExpiry,
    Expired,
}

/// Returns the times of the events of a version, in seconds since 1970.
fn times(version: &SecretVersion) -> Vec<(Kind, u64)> {
    let mut times = vec![(Kind::NewVersionCreated, version.created)];
    if let Some(expires) = version.exp.and_then(|expires| u64::try_from(expires).ok()) {
        let not_before_creation = |time: u64| time.max(version.created);
        times.push((Kind::NearExpiry, not_before_creation(expires.saturating_sub(NEAR_EXPIRY))));
        times.push((Kind::Expired, not_before_creation(expires)));
    }
    times
}

/// Returns the objects that a version belongs to: a secret, and the certificate behind it.
fn object_types(version: &SecretVersion) -> &'static [&'static str] {
    match &version.backing {
        None => &["Secret"],
        Some(backing) if CertificateBacking::is_issued(backing) => &["Certificate", "Secret"],
        Some(_) => &[],
    }
}

fn event(
    stored: &StoredSecret,
    version: &SecretVersion,
    object: &str,
    kind: Kind,
    (url, vault_name): (&str, &str),
    time: u64,
) -> Value {
    let kind = format!("Microsoft.KeyVault.{object}{kind:?}");
    let seconds = i64::try_from(time).unwrap_or(i64::MAX);
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|date| date.format(&Rfc3339).ok());
    json!({
        "id": id(&kind, &version.id),
        "topic": format!("{TOPIC}/{vault_name}"),
        "subject": stored.name,
        "eventType": kind,
        "eventTime": date,
        "data": {
            "Id": format!("{url}/{}s/{}/{}", object.to_ascii_lowercase(), stored.name, version.id),
            "VaultName": vault_name,
            "ObjectType": object,
            "ObjectName": stored.name,
            "Version": version.id,
            "NBF": version.nbf,
            "EXP": version.exp,
        },
        "dataVersion": "1",
        "metadataVersion": "1",
    })
}

/// Returns the same UUID whenever the event is read.
fn id(kind: &str, version: &str) -> String {
    let hash = digest(&SHA256, format!("{kind} {version}").as_bytes());
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// "Near" is 30 days in the service.
const NEAR_EXPIRY: u64 = 30 * 86_400;
const TOPIC: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/emulator/providers/Microsoft.KeyVault/vaults";
