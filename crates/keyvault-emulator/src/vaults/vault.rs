//! A vault: live secrets and deleted secrets that can still be recovered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backup;
use super::name::{is_name, is_version};
use super::recovery_policy::RecoveryPolicy;
use super::secret_version::SecretVersion;
use super::set_secret::SetSecret;
use super::stored_secret::{DeletedSecret, StoredSecret};
use super::update_secret::UpdateSecret;
use crate::protocol::{ErrorResponse, ObjectKind, ObjectName};
use crate::random;

/// A vault, empty at first. Keys are upper-cased names, the order in which the service lists them.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(crate) struct Vault {
    pub(super) live: BTreeMap<String, StoredSecret>,
    deleted: BTreeMap<String, DeletedSecret>,
    /// The end of each purge in progress, before which the name cannot be set again.
    #[serde(skip)]
    purging: BTreeMap<String, Duration>,
}

impl Vault {
    /// Adds a version, even for an equal value. It inherits nothing from the previous version.
    pub(crate) fn set(
        &mut self,
        name: &str,
        mut secret: SetSecret,
        now: Duration,
    ) -> Result<&StoredSecret, ErrorResponse> {
        self.check_free(ObjectName::secret(name), now)?;
        let id = secret.version.clone().unwrap_or_else(random::hex);
        if !is_version(&id) {
            return Err(ErrorResponse::bad_parameter("The version is not 32 hexadecimal digits."));
        }
        let stored = self.live.entry(key(name)).or_insert_with(|| StoredSecret::empty(name));
        if stored.versions.iter().any(|version| version.id == id) {
            return Err(ErrorResponse::bad_parameter("The version exists already."));
        }
        let previous = stored.versions.last().map(|version| version.id.clone());
        let policy = secret.policy.take();
        stored.versions.push(SecretVersion::new(id, secret, previous, now));
        if let Some(policy) = policy {
            stored.change_policy(&policy, now)?;
        }
        Ok(stored)
    }

    /// Returns whether this program could have written the vault: keys match valid names, and each secret has a
    /// version.
    pub(crate) fn is_valid(&self) -> bool {
        let deleted = self.deleted.iter().map(|(key, deleted)| (key, &deleted.secret));
        self.live.iter().chain(deleted).all(|(stored_key, secret)| {
            *stored_key == key(&secret.name) && is_name(&secret.name) && !secret.versions.is_empty()
        })
    }

    /// Returns whether a live or deleted secret has this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.live.contains_key(&key(name)) || self.deleted.contains_key(&key(name))
    }

    /// Fails if a certificate manages the secret.
    pub(crate) fn check_not_managed(&self, name: &str, action: &str) -> Result<(), ErrorResponse> {
        let is_managed = self.live.get(&key(name)).is_some_and(|stored| stored.latest().backing.is_some());
        if is_managed { Err(ErrorResponse::managed(action)) } else { Ok(()) }
    }

    /// Returns a version, or the latest. Fails if it is disabled. Dates do not matter, as in the service.
    pub(crate) fn get(
        &self,
        name: &str,
        version: Option<&str>,
        now: Duration,
    ) -> Result<(&StoredSecret, &SecretVersion), ErrorResponse> {
        let (secret, found) = self.find(ObjectName::secret(name), version, now)?;
        if found.is_readable() { Ok((secret, found)) } else { Err(ErrorResponse::disabled()) }
    }

    /// Returns a version, or the latest, even if it is disabled.
    pub(crate) fn find(
        &self,
        object: ObjectName<'_>,
        version: Option<&str>,
        now: Duration,
    ) -> Result<(&StoredSecret, &SecretVersion), ErrorResponse> {
        let missing = || ErrorResponse::not_found(object, version);
        let secret = self.visible(object, now).ok_or_else(missing)?;
        Ok((secret, secret.version(version).ok_or_else(missing)?))
    }

    /// Updates a version, or the latest.
    pub(crate) fn update(
        &mut self,
        object: ObjectName<'_>,
        version: Option<&str>,
        update: UpdateSecret,
        now: Duration,
    ) -> Result<(&StoredSecret, &SecretVersion), ErrorResponse> {
        let missing = || ErrorResponse::not_found(object, version);
        self.visible(object, now).ok_or_else(missing)?;
        let secret = self.live.get_mut(&key(object.name)).ok_or_else(missing)?;
        secret.version_mut(version).ok_or_else(missing)?.update(update, now);
        let secret = &*secret;
        Ok((secret, secret.version(version).ok_or_else(missing)?))
    }

    /// Deletes an object with all its versions. It can be recovered until its retention ends.
    pub(crate) fn delete(
        &mut self,
        object: ObjectName<'_>,
        policy: RecoveryPolicy,
        now: Duration,
    ) -> Result<&DeletedSecret, ErrorResponse> {
        let missing = || ErrorResponse::not_found(object, None);
        self.visible(object, now).ok_or_else(missing)?;
        let key = key(object.name);
        let secret = self.live.remove(&key).ok_or_else(missing)?;
        let (purged_at, ready_at) = (now + policy.retention(), now + policy.transition);
        let deleted = DeletedSecret { secret, deleted_at: now, purged_at, ready_at };
        Ok(self.deleted.entry(key).or_insert(deleted))
    }

    /// Returns the live secrets by key, including those whose recovery is in progress.
    pub(crate) fn live(&self) -> &BTreeMap<String, StoredSecret> {
        &self.live
    }

    /// Returns the versions of a secret by identifier, the order in which the service lists them. `None` if there is no
    /// such secret.
    pub(crate) fn versions(
        &self,
        name: &str,
        now: Duration,
    ) -> Option<(&StoredSecret, BTreeMap<String, &SecretVersion>)> {
        let secret = self.visible(ObjectName::secret(name), now)?;
        let upper = key(name);
        let versions = secret.versions.iter().map(|version| (format!("{upper}/{}", version.id), version)).collect();
        Some((secret, versions))
    }

    /// Returns the deleted secrets by key, including those whose deletion is in progress.
    pub(crate) fn deleted(&self) -> &BTreeMap<String, DeletedSecret> {
        &self.deleted
    }

    /// Returns a deleted object, even if it is disabled.
    pub(crate) fn find_deleted(&self, object: ObjectName<'_>, now: Duration) -> Result<&DeletedSecret, ErrorResponse> {
        let deleted = self.any_deleted(object).filter(|deleted| deleted.ready_at <= now);
        deleted.ok_or_else(|| ErrorResponse::deleted_not_found(object))
    }

    /// Returns a deleted secret. Fails if its latest version is disabled.
    pub(crate) fn get_deleted(&self, name: &str, now: Duration) -> Result<&DeletedSecret, ErrorResponse> {
        let deleted = self.find_deleted(ObjectName::secret(name), now)?;
        if deleted.secret.latest().is_readable() { Ok(deleted) } else { Err(ErrorResponse::disabled()) }
    }

    /// Recovers a deleted object with all its versions.
    pub(crate) fn recover(
        &mut self,
        object: ObjectName<'_>,
        policy: RecoveryPolicy,
        now: Duration,
    ) -> Result<&StoredSecret, ErrorResponse> {
        let missing = || ErrorResponse::not_found(object, None);
        if self.any_deleted(object).ok_or_else(missing)?.ready_at > now {
            return Err(ErrorResponse::being_deleted(object.kind));
        }
        let key = key(object.name);
        let deleted = self.deleted.remove(&key).ok_or_else(missing)?;
        let secret = StoredSecret { visible_at: now + policy.transition, ..deleted.secret };
        Ok(self.live.entry(key).or_insert(secret))
    }

    /// Removes a deleted object permanently.
    pub(crate) fn purge(
        &mut self,
        object: ObjectName<'_>,
        policy: RecoveryPolicy,
        now: Duration,
    ) -> Result<(), ErrorResponse> {
        match self.any_deleted(object) {
            None => Err(ErrorResponse::deleted_not_found(object)),
            Some(deleted) if deleted.ready_at > now => Err(ErrorResponse::being_deleted(object.kind)),
            Some(_) if policy.purge_protection => Err(ErrorResponse::purge_protected("emulator")),
            Some(_) => {
                let key = key(object.name);
                self.deleted.remove(&key);
                self.purging.insert(key, now + policy.transition);
                Ok(())
            }
        }
    }

    /// Purges the deleted secrets whose retention has ended, as the service does on its own.
    pub(crate) fn purge_expired(&mut self, now: Duration) {
        self.deleted.retain(|_, deleted| deleted.purged_at > now);
        self.purging.retain(|_, free_at| *free_at > now);
    }

    /// Returns a backup of an object with all its versions.
    pub(crate) fn backup(&self, object: ObjectName<'_>, now: Duration) -> Result<String, ErrorResponse> {
        let secret = self.visible(object, now).ok_or_else(|| ErrorResponse::not_found(object, None))?;
        if secret.versions.len() > MAX_BACKUP_VERSIONS {
            return Err(ErrorResponse::bad_parameter(format!(
                "A backup contains at most {MAX_BACKUP_VERSIONS} versions."
            )));
        }
        Ok(backup::seal(secret))
    }

    /// Restores an object from its backup. Fails if a live or deleted one has the same name.
    pub(crate) fn restore(
        &mut self,
        kind: ObjectKind,
        backup: &str,
        base: &str,
        now: Duration,
    ) -> Result<&StoredSecret, ErrorResponse> {
        let secret =
            backup::open(backup).filter(|secret| secret.is_of(kind)).ok_or_else(ErrorResponse::corrupt_backup)?;
        let key = key(&secret.name);
        if self.live.contains_key(&key) || self.deleted.contains_key(&key) || self.is_purging(&key, now) {
            let object = ObjectName { kind, name: &secret.name };
            return Err(ErrorResponse::restore_conflict(object, &secret.latest().id, base));
        }
        Ok(self.live.entry(key).or_insert(StoredSecret { visible_at: Duration::ZERO, ..secret }))
    }

    fn visible(&self, object: ObjectName<'_>, now: Duration) -> Option<&StoredSecret> {
        let stored = self.live.get(&key(object.name))?;
        (stored.visible_at <= now && stored.is_of(object.kind)).then_some(stored)
    }

    /// Returns a deleted object, even if its deletion is in progress.
    fn any_deleted(&self, object: ObjectName<'_>) -> Option<&DeletedSecret> {
        self.deleted.get(&key(object.name)).filter(|deleted| deleted.secret.is_of(object.kind))
    }

    fn is_purging(&self, key: &str, now: Duration) -> bool {
        self.purging.get(key).is_some_and(|free_at| *free_at > now)
    }

    /// Fails if a version cannot be added: a deleted secret has the name, or a recovery is in progress.
    pub(super) fn check_free(&self, object: ObjectName<'_>, now: Duration) -> Result<(), ErrorResponse> {
        let key = key(object.name);
        if self.live.get(&key).is_some_and(|stored| stored.visible_at > now) {
            return Err(ErrorResponse::being_recovered(object.kind));
        }
        match self.deleted.get(&key) {
            None if self.is_purging(&key, now) => Err(ErrorResponse::being_deleted(object.kind)),
            None => Ok(()),
            Some(deleted) if deleted.ready_at > now => Err(ErrorResponse::being_deleted(object.kind)),
            Some(_) => Err(ErrorResponse::deleted_but_recoverable(object)),
        }
    }
}

/// Returns the key of a name. Names are case-insensitive.
pub(super) fn key(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// See [limitations](https://learn.microsoft.com/azure/key-vault/general/backup#limitations).
const MAX_BACKUP_VERSIONS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const SLOW: RecoveryPolicy =
        RecoveryPolicy { retention_days: 7, purge_protection: false, transition: Duration::from_secs(3) };

    fn codes(result: Result<impl Sized, ErrorResponse>) -> (u16, Option<&'static str>) {
        let error = result.err().unwrap();
        (error.status, error.inner_code)
    }

    #[test]
    fn a_deletion_in_progress_hides_the_secret_everywhere() {
        let mut vault = Vault::default();
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        vault.delete(ObjectName::secret("A"), SLOW, NOW).unwrap();
        assert_eq!(codes(vault.get("a", None, NOW)), (404, None));
        assert_eq!(codes(vault.get_deleted("a", NOW)), (404, None));
        assert_eq!(codes(vault.purge(ObjectName::secret("a"), SLOW, NOW)), (409, Some("ObjectIsBeingDeleted")));
        assert_eq!(codes(vault.recover(ObjectName::secret("a"), SLOW, NOW)), (409, Some("ObjectIsBeingDeleted")));
        assert_eq!(codes(vault.set("a", SetSecret::new("2"), NOW)), (409, Some("ObjectIsBeingDeleted")));

        let later = NOW + SLOW.transition;
        assert!(vault.get_deleted("a", later).is_ok());
        assert_eq!(codes(vault.set("a", SetSecret::new("2"), later)), (409, Some("ObjectIsDeletedButRecoverable")));
        vault.recover(ObjectName::secret("a"), SLOW, later).unwrap();
        assert_eq!(codes(vault.get("a", None, later)), (404, None));
        assert_eq!(codes(vault.set("a", SetSecret::new("2"), later)), (409, Some("ObjectIsBeingRecovered")));
        assert!(vault.get("a", None, later + SLOW.transition).is_ok());
    }

    #[test]
    fn a_purge_in_progress_keeps_the_name_reserved() {
        let mut vault = Vault::default();
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        let backup = vault.backup(ObjectName::secret("a"), NOW).unwrap();
        vault.delete(ObjectName::secret("a"), SLOW, NOW).unwrap();
        let purged = NOW + SLOW.transition;
        vault.purge(ObjectName::secret("a"), SLOW, purged).unwrap();
        assert_eq!(codes(vault.get_deleted("a", purged)), (404, None));
        assert_eq!(codes(vault.restore(ObjectKind::Secret, &backup, "https://v", purged)), (409, None));
        assert_eq!(codes(vault.set("a", SetSecret::new("2"), purged)), (409, Some("ObjectIsBeingDeleted")));
        assert!(vault.restore(ObjectKind::Secret, &backup, "https://v", purged + SLOW.transition).is_ok());
    }

    #[test]
    fn a_backup_contains_at_most_500_versions() {
        let mut vault = Vault::default();
        for _ in 0..500 {
            vault.set("a", SetSecret::new("1"), NOW).unwrap();
        }
        assert!(vault.backup(ObjectName::secret("a"), NOW).is_ok());
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        assert_eq!(codes(vault.backup(ObjectName::secret("a"), NOW)), (400, None));
    }

    #[test]
    fn a_deleted_secret_is_purged_when_its_retention_ends() {
        let mut vault = Vault::default();
        vault.set("a", SetSecret::new("1"), NOW).unwrap();
        vault.delete(ObjectName::secret("a"), SLOW, NOW).unwrap();
        let end = NOW + Duration::from_secs(7 * 86_400);
        vault.purge_expired(end - Duration::from_secs(1));
        assert!(vault.get_deleted("a", end).is_ok());
        vault.purge_expired(end);
        assert_eq!(codes(vault.get_deleted("a", end)), (404, None));
    }
}
