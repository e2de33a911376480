//! A vault: secrets, their versions, and what was deleted but can still be recovered.
//!
//! Pure state: every function is told the time, and nothing here knows HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::{WireError, json};
use crate::policy::Policy;
use crate::random;
use crate::route::{is_name, is_version};
use crate::secret::{SetSecret, UpdateSecret, Version};

/// A secret with all its versions, oldest first; there is always one.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Item {
    /// The name in the case in which it was first written.
    pub(crate) name: String,
    pub(crate) versions: Vec<Version>,
    /// The moment from which reads see it, after a recovery that takes time; zero otherwise, so that a clock which is put
    /// back hides nothing.
    #[serde(skip)]
    pub(crate) visible_at: Duration,
}

impl Item {
    /// Returns the newest version.
    pub(crate) fn latest(&self) -> &Version {
        self.versions.last().expect("a secret has a version")
    }

    fn version_mut(&mut self, id: Option<&str>) -> Option<&mut Version> {
        match id {
            Some(id) => self.versions.iter_mut().find(|version| version.id == id),
            None => self.versions.last_mut(),
        }
    }
}

/// A deleted secret.
#[derive(Deserialize, Serialize)]
pub(crate) struct Deleted {
    pub(crate) item: Item,
    pub(crate) deleted_at: Duration,
    pub(crate) purged_at: Duration,
    /// The moment the deletion is through; until then the secret is nowhere to be seen.
    pub(crate) ready_at: Duration,
}

/// A vault, empty at first. Keys are upper-cased names: the service lists in that order.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Vault {
    live: BTreeMap<String, Item>,
    deleted: BTreeMap<String, Deleted>,
    /// Until when a name is not free again, though what it named is purged.
    #[serde(skip)]
    purging: BTreeMap<String, Duration>,
}

impl Vault {
    /// Makes a new version, always, also of an equal value; nothing is inherited from the one before.
    pub(crate) fn set(&mut self, name: &str, secret: SetSecret, now: Duration) -> Result<&Item, WireError> {
        let key = key(name);
        self.check_not_deleted(&key, name, now)?;
        let id = secret.version.clone().unwrap_or_else(random::hex);
        if !is_version(&id) {
            return Err(WireError::bad_parameter("The version is not 32 hexadecimal digits."));
        }
        let item = self.live.entry(key).or_insert_with(|| Item {
            name: name.to_owned(),
            versions: Vec::new(),
            visible_at: Duration::ZERO,
        });
        if item.visible_at > now {
            return Err(WireError::being_recovered());
        }
        if item.versions.iter().any(|version| version.id == id) {
            return Err(WireError::bad_parameter("The version exists already."));
        }
        let previous = item.versions.last().map(|version| version.id.clone());
        item.versions.push(Version::new(id, secret, previous, now));
        Ok(item)
    }

    /// Tells whether what came from outside is what this would have made itself.
    pub(crate) fn is_sound(&self) -> bool {
        let deleted = self.deleted.iter().map(|(key, deleted)| (key, &deleted.item));
        self.live
            .iter()
            .chain(deleted)
            .all(|(own, item)| *own == key(&item.name) && is_name(&item.name) && !item.versions.is_empty())
    }

    /// Tells whether a name is taken, by a secret or by a deleted one.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.live.contains_key(&key(name)) || self.deleted.contains_key(&key(name))
    }

    /// Refuses what can only be done to the certificate behind a secret.
    pub(crate) fn check_not_managed(&self, name: &str, action: &str) -> Result<(), WireError> {
        let is_managed = self.live.get(&key(name)).is_some_and(|item| item.latest().backing.is_some());
        if is_managed { Err(WireError::managed(action)) } else { Ok(()) }
    }

    /// Reads a version, or the newest. Only a disabled one is refused: dates are for information.
    pub(crate) fn get(&self, name: &str, version: Option<&str>, now: Duration) -> Result<(&Item, &Version), WireError> {
        let item = self.visible(name, now).ok_or_else(|| WireError::secret_not_found(name, version))?;
        let found = match version {
            Some(id) => item.versions.iter().find(|version| version.id == id),
            None => Some(item.latest()),
        };
        let found = found.ok_or_else(|| WireError::secret_not_found(name, version))?;
        if found.enabled { Ok((item, found)) } else { Err(WireError::disabled()) }
    }

    /// Changes a version, or the newest.
    pub(crate) fn update(
        &mut self,
        name: &str,
        version: Option<&str>,
        update: UpdateSecret,
        now: Duration,
    ) -> Result<(&Item, &Version), WireError> {
        let missing = || WireError::secret_not_found(name, version);
        let item = self.live.get_mut(&key(name)).filter(|item| item.visible_at <= now).ok_or_else(missing)?;
        let found = item.version_mut(version).ok_or_else(missing)?;
        found.update(update, now);
        let id = found.id.clone();
        let found = item.versions.iter().find(|version| version.id == id).ok_or_else(missing)?;
        Ok((item, found))
    }

    /// Deletes a secret with all its versions; it can be recovered until its retention is over.
    pub(crate) fn delete(&mut self, name: &str, policy: Policy, now: Duration) -> Result<&Deleted, WireError> {
        let key = key(name);
        if self.visible(name, now).is_none() {
            return Err(WireError::secret_not_found(name, None));
        }
        let item = self.live.remove(&key).ok_or_else(|| WireError::secret_not_found(name, None))?;
        let retention = Duration::from_secs(u64::from(policy.retention_days) * 86_400);
        let deleted = Deleted { item, deleted_at: now, purged_at: now + retention, ready_at: now + policy.transition };
        Ok(self.deleted.entry(key).or_insert(deleted))
    }

    /// Returns the secrets that reads see, by key.
    pub(crate) fn live(&self) -> &BTreeMap<String, Item> {
        &self.live
    }

    /// Returns the versions of a secret by identifier, the order in which the service lists them.
    pub(crate) fn versions(&self, name: &str, now: Duration) -> Option<(&Item, BTreeMap<String, &Version>)> {
        let item = self.visible(name, now)?;
        let upper = key(name);
        let versions = item.versions.iter().map(|version| (format!("{upper}/{}", version.id), version)).collect();
        Some((item, versions))
    }

    /// Returns the deleted secrets by key, those included whose deletion still runs.
    pub(crate) fn deleted(&self) -> &BTreeMap<String, Deleted> {
        &self.deleted
    }

    /// Reads a deleted secret; a disabled one is refused here too.
    pub(crate) fn get_deleted(&self, name: &str, now: Duration) -> Result<&Deleted, WireError> {
        let deleted = self.deleted.get(&key(name)).filter(|deleted| deleted.ready_at <= now);
        let deleted = deleted.ok_or_else(|| WireError::deleted_not_found(name))?;
        if deleted.item.latest().enabled { Ok(deleted) } else { Err(WireError::disabled()) }
    }

    /// Brings back a deleted secret with all its versions.
    pub(crate) fn recover(&mut self, name: &str, policy: Policy, now: Duration) -> Result<&Item, WireError> {
        let key = key(name);
        match self.deleted.get(&key) {
            None => return Err(WireError::secret_not_found(name, None)),
            Some(deleted) if deleted.ready_at > now => return Err(WireError::being_deleted()),
            Some(_) => {}
        }
        let deleted = self.deleted.remove(&key).ok_or_else(|| WireError::secret_not_found(name, None))?;
        let item = Item { visible_at: now + policy.transition, ..deleted.item };
        Ok(self.live.entry(key).or_insert(item))
    }

    /// Removes a deleted secret for good.
    pub(crate) fn purge(&mut self, name: &str, policy: Policy, now: Duration) -> Result<(), WireError> {
        let key = key(name);
        match self.deleted.get(&key) {
            None => Err(WireError::deleted_not_found(name)),
            Some(deleted) if deleted.ready_at > now => Err(WireError::being_deleted()),
            Some(_) if policy.purge_protection => Err(WireError::purge_protected("emulator")),
            Some(_) => {
                self.deleted.remove(&key);
                self.purging.insert(key, now + policy.transition);
                Ok(())
            }
        }
    }

    /// Purges what has been deleted for longer than the retention, as the service does by itself.
    pub(crate) fn sweep(&mut self, now: Duration) {
        self.deleted.retain(|_, deleted| deleted.purged_at > now);
        self.purging.retain(|_, free_at| *free_at > now);
    }

    /// Writes out a secret with all its versions. Unlike the service's, the text is not encrypted.
    pub(crate) fn backup(&self, name: &str, now: Duration) -> Result<String, WireError> {
        let item = self.visible(name, now).ok_or_else(|| WireError::secret_not_found(name, None))?;
        if item.versions.len() > MOST_IN_BACKUP {
            return Err(WireError::bad_parameter(format!("A backup holds at most {MOST_IN_BACKUP} versions.")));
        }
        Ok(URL_SAFE_NO_PAD.encode(json(item)))
    }

    /// Brings back a secret from its backup; a name in use, live or deleted, is a conflict.
    pub(crate) fn restore(&mut self, backup: &str, base: &str, now: Duration) -> Result<&Item, WireError> {
        let corrupt = WireError::corrupt_backup;
        let bytes = URL_SAFE_NO_PAD.decode(backup.trim_end_matches('=')).map_err(|_| corrupt())?;
        let item: Item = serde_json::from_slice(&bytes).map_err(|_| corrupt())?;
        let version = item.versions.last().filter(|_| is_name(&item.name)).ok_or_else(corrupt)?;
        let key = key(&item.name);
        if self.live.contains_key(&key) || self.deleted.contains_key(&key) || self.is_purging(&key, now) {
            let message = format!(
                "There was a conflict restoring the secret '{base}/secrets/{}/{}'. This can happen if either: a \
                 second secret with the same name was created, or the secret is deleted but recoverable.",
                item.name, version.id
            );
            return Err(WireError::new(409, "Conflict", message));
        }
        Ok(self.live.entry(key).or_insert(Item { visible_at: Duration::ZERO, ..item }))
    }

    fn visible(&self, name: &str, now: Duration) -> Option<&Item> {
        self.live.get(&key(name)).filter(|item| item.visible_at <= now)
    }

    fn is_purging(&self, key: &str, now: Duration) -> bool {
        self.purging.get(key).is_some_and(|free_at| *free_at > now)
    }

    fn check_not_deleted(&self, key: &str, name: &str, now: Duration) -> Result<(), WireError> {
        match self.deleted.get(key) {
            None if self.is_purging(key, now) => Err(WireError::being_deleted()),
            None => Ok(()),
            Some(deleted) if deleted.ready_at > now => Err(WireError::being_deleted()),
            Some(_) => Err(WireError::deleted_but_recoverable(name)),
        }
    }
}

/// Names are compared without regard to case.
fn key(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// See [limitations](https://learn.microsoft.com/azure/key-vault/general/backup#limitations).
const MOST_IN_BACKUP: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const SLOW: Policy = Policy { retention_days: 7, purge_protection: false, transition: Duration::from_secs(3) };

    fn inner(result: Result<impl Sized, WireError>) -> (u16, Option<&'static str>) {
        let error = result.err().unwrap();
        (error.status, error.inner)
    }

    #[test]
    fn a_slow_deletion_hides_the_secret_everywhere_until_it_is_through() {
        let mut vault = Vault::default();
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        vault.delete("A", SLOW, NOW).unwrap();
        assert_eq!(inner(vault.get("a", None, NOW)), (404, None));
        assert_eq!(inner(vault.get_deleted("a", NOW)), (404, None));
        assert_eq!(inner(vault.purge("a", SLOW, NOW)), (409, Some("ObjectIsBeingDeleted")));
        assert_eq!(inner(vault.recover("a", SLOW, NOW)), (409, Some("ObjectIsBeingDeleted")));
        assert_eq!(inner(vault.set("a", SetSecret::new("2"), NOW)), (409, Some("ObjectIsBeingDeleted")));

        let then = NOW + SLOW.transition;
        assert!(vault.get_deleted("a", then).is_ok());
        assert_eq!(inner(vault.set("a", SetSecret::new("2"), then)), (409, Some("ObjectIsDeletedButRecoverable")));
        vault.recover("a", SLOW, then).unwrap();
        assert_eq!(inner(vault.get("a", None, then)), (404, None));
        assert_eq!(inner(vault.set("a", SetSecret::new("2"), then)), (409, Some("ObjectIsBeingRecovered")));
        assert!(vault.get("a", None, then + SLOW.transition).is_ok());
    }

    #[test]
    fn a_slow_purge_does_not_free_the_name_at_once() {
        let mut vault = Vault::default();
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        let backup = vault.backup("a", NOW).unwrap();
        vault.delete("a", SLOW, NOW).unwrap();
        let purged = NOW + SLOW.transition;
        vault.purge("a", SLOW, purged).unwrap();
        assert_eq!(inner(vault.get_deleted("a", purged)), (404, None));
        assert_eq!(inner(vault.restore(&backup, "https://v", purged)), (409, None));
        assert_eq!(inner(vault.set("a", SetSecret::new("2"), purged)), (409, Some("ObjectIsBeingDeleted")));
        assert!(vault.restore(&backup, "https://v", purged + SLOW.transition).is_ok());
    }

    #[test]
    fn a_backup_holds_500_versions_and_no_more() {
        let mut vault = Vault::default();
        for _ in 0..500 {
            vault.set("a", SetSecret::new("1"), NOW).unwrap();
        }
        assert!(vault.backup("a", NOW).is_ok());
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        assert_eq!(inner(vault.backup("a", NOW)), (400, None));
    }

    #[test]
    fn what_was_deleted_is_purged_when_its_retention_is_over() {
        let mut vault = Vault::default();
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        vault.delete("a", SLOW, NOW).unwrap();
        let end = NOW + Duration::from_secs(7 * 86_400);
        vault.sweep(end - Duration::from_secs(1));
        assert!(vault.get_deleted("a", end).is_ok());
        vault.sweep(end);
        assert_eq!(inner(vault.get_deleted("a", end)), (404, None));
    }
}
