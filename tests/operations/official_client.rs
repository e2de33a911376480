//! Every operation sends the same requests as the official client and reads the same responses alike.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::{
    ContentType, RestoreSecretParameters, SecretAttributes, SecretClientGetSecretOptions,
    SecretClientListSecretPropertiesOptions, SecretClientUpdateSecretPropertiesOptions, SetSecretParameters,
    UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{SecretClient as Official, SecretClientOptions};
use futures::TryStreamExt;
use keyvault::SecretClient;
use keyvault::client::{SecretBackup, VersionProperties};
use keyvault_emulator::{Emulator, Operation};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;

use super::recording::{ApiRequest, Recording};
use crate::official_model::{Model, model_of_official};

/// The official client on an emulator, and a recording of its responses to replay to our client.
struct Pair {
    emulator: Arc<Emulator>,
    recording: Recording,
    official: Official,
}

impl Pair {
    async fn new() -> Self {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        let recording = Recording::of(&emulator);
        let credential = FakeCredential::fixed(emulator.token()) as Arc<dyn TokenCredential>;
        let options = SecretClientOptions {
            api_version: API_VERSION.to_owned(),
            client_options: recording.transport.options(),
            ..SecretClientOptions::default()
        };
        let official = Official::new(CONTOSO, credential, Some(options)).unwrap();
        // Its first request has no token and no body, a difference listed in `client::official_client`.
        official.get_secret("warm", None).await.unwrap_err();
        let pair = Self { emulator, recording, official };
        pair.ours();
        pair
    }

    /// Returns our client with the responses that the official client received since the last call, and the requests of
    /// the official client.
    fn ours(&self) -> (SecretClient, Recording, Vec<ApiRequest>) {
        let recording = Recording::replay(&self.recording);
        let client =
            recording.transport.client(&FakeCredential::fixed("token")).api_version(API_VERSION).build().unwrap();
        (client, recording, self.recording.take_requests())
    }
}

/// An API version that both support. Their defaults differ.
const API_VERSION: &str = "2025-07-01";

/// Converts an official model of a deleted secret. There are two.
macro_rules! their_deleted {
    ($secret:expr) => {{
        let secret = $secret;
        let dates = [secret.deleted_date, secret.scheduled_purge_date];
        let recovery_id = secret.recovery_id.clone();
        model_of_official!(secret, None).deleted(dates, recovery_id)
    }};
}

fn at(seconds: i64) -> (SystemTime, Option<OffsetDateTime>) {
    let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap());
    (ours, Some(OffsetDateTime::from_unix_timestamp(seconds).unwrap()))
}

fn one_tag() -> Option<HashMap<String, String>> {
    Some(HashMap::from([("k".to_owned(), "v".to_owned())]))
}

#[tokio::test]
async fn set_and_get_send_the_same_requests() {
    let pair = Pair::new().await;
    let (expires, their_expires) = at(4_102_444_800);
    let (not_before, their_not_before) = at(1);
    for (value, parameters, properties) in [
        ("a\"\\\n\u{1}ü🔑/", SetSecretParameters::default(), VersionProperties::new()),
        (
            "",
            SetSecretParameters {
                content_type: Some("text/plain".to_owned()),
                secret_attributes: Some(SecretAttributes {
                    enabled: Some(true),
                    expires: their_expires,
                    not_before: their_not_before,
                    ..Default::default()
                }),
                tags: one_tag(),
                ..Default::default()
            },
            VersionProperties::new()
                .content_type("text/plain")
                .enabled(true)
                .expires(expires)
                .not_before(not_before)
                .tag("k", "v"),
        ),
    ] {
        let parameters = SetSecretParameters { value: Some(value.to_owned()), ..parameters };
        let set = pair.official.set_secret("Db-1", parameters.try_into().unwrap(), None).await.unwrap();
        let set = set.into_model().unwrap();
        let (client, recording, expected) = pair.ours();
        let our_set = client.set_with("Db-1", value, properties).await.unwrap();
        assert_eq!(
            Model::of_ours(our_set.properties(), Some(our_set.expose_secret())),
            model_of_official!(set.clone(), set.value)
        );
        assert_eq!(recording.take_requests(), expected);

        let version = our_set.id().version().unwrap().to_string();
        let options = SecretClientGetSecretOptions { secret_version: Some(version.clone()), ..Default::default() };
        let got = pair.official.get_secret("Db-1", Some(options)).await.unwrap().into_model().unwrap();
        let latest = pair.official.get_secret("Db-1", None).await.unwrap().into_model().unwrap();
        let pem = Some(ContentType::Pem);
        let options = SecretClientGetSecretOptions { out_content_type: pem, ..Default::default() };
        let refused = pair.official.get_secret("Db-1", Some(options)).await.unwrap_err();
        let (client, recording, expected) = pair.ours();
        let our_got = client.get_version("Db-1", &version).await.unwrap();
        let our_latest = client.get("Db-1").await.unwrap();
        assert_eq!(
            Model::of_ours(our_got.properties(), Some(our_got.expose_secret())),
            model_of_official!(got.clone(), got.value)
        );
        assert_eq!(
            Model::of_ours(our_latest.properties(), Some(our_latest.expose_secret())),
            model_of_official!(latest.clone(), latest.value)
        );
        assert_eq!(client.get_pem("Db-1").await.unwrap_err().http_status(), refused.http_status().map(u16::from));
        assert_eq!(recording.take_requests(), expected);
    }
}

#[tokio::test]
async fn updates_send_the_same_requests() {
    let pair = Pair::new().await;
    let id = pair.emulator.vault("contoso").set("a", "x");
    let version = id.rsplit('/').next().unwrap().to_owned();
    let (expires, their_expires) = at(4_102_444_800);
    for (version, parameters, update) in [
        (None, UpdateSecretPropertiesParameters::default(), VersionProperties::new()),
        (
            Some(version),
            UpdateSecretPropertiesParameters {
                content_type: Some("t".to_owned()),
                secret_attributes: Some(SecretAttributes {
                    enabled: Some(false),
                    expires: their_expires,
                    ..Default::default()
                }),
                tags: one_tag(),
            },
            VersionProperties::new()
                .content_type("t")
                .enabled(false)
                .expires(expires)
                .tags(one_tag().unwrap().into_iter().collect()),
        ),
        (
            None,
            UpdateSecretPropertiesParameters { tags: Some(HashMap::new()), ..Default::default() },
            VersionProperties::new().tags(BTreeMap::new()),
        ),
    ] {
        let options =
            SecretClientUpdateSecretPropertiesOptions { secret_version: version.clone(), ..Default::default() };
        let parameters = parameters.try_into().unwrap();
        let updated = pair.official.update_secret_properties("a", parameters, Some(options)).await.unwrap();
        let (client, recording, expected) = pair.ours();
        let our_updated = match version {
            Some(version) => client.update_version("a", &version, update).await.unwrap(),
            None => client.update("a", update).await.unwrap(),
        };
        assert_eq!(Model::of_ours(&our_updated, None), model_of_official!(updated.into_model().unwrap(), None));
        assert_eq!(recording.take_requests(), expected);
    }
}

#[tokio::test]
async fn deletion_recovery_and_purge_send_the_same_requests() {
    let pair = Pair::new().await;
    pair.emulator.vault("contoso").set("a", "x");
    let deleted = pair.official.delete_secret("a", None).await.unwrap().into_model().unwrap();
    let got = pair.official.get_deleted_secret("a", None).await.unwrap().into_model().unwrap();
    let listed: Vec<_> = pair.official.list_deleted_secret_properties(None).unwrap().try_collect().await.unwrap();
    let recovered = pair.official.recover_deleted_secret("a", None).await.unwrap().into_model().unwrap();
    pair.official.delete_secret("a", None).await.unwrap();
    pair.official.purge_deleted_secret("a", None).await.unwrap();
    let missing = [
        pair.official.delete_secret("a", None).await.unwrap_err(),
        pair.official.get_deleted_secret("a", None).await.unwrap_err(),
        pair.official.recover_deleted_secret("a", None).await.unwrap_err(),
        pair.official.purge_deleted_secret("a", None).await.unwrap_err(),
    ];

    let (client, recording, expected) = pair.ours();
    assert_eq!(Model::of_our_deleted(client.begin_delete("a").await.unwrap().started()), their_deleted!(deleted));
    assert_eq!(Model::of_our_deleted(&client.get_deleted("a").await.unwrap()), their_deleted!(got));
    let our_listed: Vec<_> = client.list_deleted().try_collect().await.unwrap();
    assert_eq!(our_listed.iter().map(Model::of_our_deleted).collect::<Vec<_>>(), [their_deleted!(listed[0].clone())]);
    assert_eq!(
        Model::of_ours(client.begin_recover("a").await.unwrap().started(), None),
        model_of_official!(recovered, None)
    );
    drop(client.begin_delete("a").await.unwrap());
    client.purge("a").await.unwrap();
    let our_missing = [
        client.begin_delete("a").await.map(drop).unwrap_err(),
        client.get_deleted("a").await.map(drop).unwrap_err(),
        client.begin_recover("a").await.map(drop).unwrap_err(),
        client.purge("a").await.unwrap_err(),
    ];
    for (ours, theirs) in our_missing.into_iter().zip(missing) {
        assert_eq!(ours.http_status(), theirs.http_status().map(u16::from), "{ours:?}");
    }
    assert_eq!(recording.take_requests(), expected);
}

#[tokio::test]
async fn backups_and_lists_send_the_same_requests() {
    let pair = Pair::new().await;
    for n in 0..60 {
        pair.emulator.vault("contoso").set(&format!("s{n}"), "x");
    }
    let backup = pair.official.backup_secret("s7", None).await.unwrap().into_model().unwrap().value.unwrap();
    pair.official.delete_secret("s7", None).await.unwrap();
    pair.official.purge_deleted_secret("s7", None).await.unwrap();
    let parameters = RestoreSecretParameters { secret_backup: Some(backup.clone()) };
    let restored = pair.official.restore_secret(parameters.clone().try_into().unwrap(), None).await.unwrap();
    let restored = restored.into_model().unwrap();
    let conflict = pair.official.restore_secret(parameters.try_into().unwrap(), None).await.unwrap_err();
    let options = SecretClientListSecretPropertiesOptions { maxresults: Some(20), ..Default::default() };
    let listed: Vec<_> = pair.official.list_secret_properties(Some(options)).unwrap().try_collect().await.unwrap();
    let versions: Vec<_> =
        pair.official.list_secret_properties_versions("s1", None).unwrap().try_collect().await.unwrap();

    let (client, recording, expected) = pair.ours();
    let our_backup = client.backup("s7").await.unwrap();
    assert_eq!(our_backup.expose_secret(), backup);
    drop(client.begin_delete("s7").await.unwrap());
    client.purge("s7").await.unwrap();
    assert_eq!(Model::of_ours(&client.restore(&our_backup).await.unwrap(), None), model_of_official!(restored, None));
    let refused = client.restore(&SecretBackup::new(backup)).await.unwrap_err();
    assert_eq!(refused.http_status(), conflict.http_status().map(u16::from));
    let our_listed: Vec<_> = client.list().page_size(20).try_collect().await.unwrap();
    assert_eq!(our_listed.len(), 60);
    for (item, theirs) in our_listed.iter().zip(listed) {
        assert_eq!(Model::of_ours(item, None), model_of_official!(theirs, None));
    }
    let our_versions: Vec<_> = client.list_versions("s1").try_collect().await.unwrap();
    assert_eq!(Model::of_ours(&our_versions[0], None), model_of_official!(versions[0].clone(), None));
    assert_eq!(recording.take_requests(), expected);
}

/// The intended differences beyond those of `client::official_client`: the topic, the official client, our client.
///
/// Completion of a deletion cannot be compared: the official client has no poller for it.
const DIFFERENCES: [(&str, &str, &str); 4] = [
    ("a set that was answered 500", "sent 9 times", "sent 1 times"),
    ("a name with a path in it, deleted", "DELETE /keys/k", "nothing"),
    ("a 404 that is no SecretNotFound", "a 404 like others", "no vault with secrets"),
    ("the query of a next link", "written anew", "as the vault wrote it"),
];

#[tokio::test(start_paused = true)]
async fn every_difference_is_listed() {
    use keyvault_emulator::Fault;
    let mut found = Vec::new();
    let sent = |pair: &Pair| format!("sent {} times", pair.recording.take_requests().len());
    let pair = Pair::new().await;
    let parameters = SetSecretParameters { value: Some("x".to_owned()), ..Default::default() };
    pair.emulator.fault_matching(None, |head| head.operation == Operation::Set, Fault::status(500));
    pair.official.set_secret("a", parameters.try_into().unwrap(), None).await.unwrap_err();
    let theirs = sent(&pair);
    let recording = Recording::of(&pair.emulator);
    let client = recording.transport.client(&FakeCredential::fixed(pair.emulator.token())).build().unwrap();
    client.set("a", "x").await.unwrap_err();
    found.push([theirs, format!("sent {} times", recording.take_requests().len())]);

    _ = pair.official.delete_secret("../keys/k", None).await;
    let line = pair.recording.take_requests().pop().unwrap().line;
    client.begin_delete("../keys/k").await.unwrap_err();
    let ours = recording.take_requests().pop().map_or("nothing".to_owned(), |asked| asked.line);
    found.push([line.split('?').next().unwrap().to_owned(), ours]);

    pair.emulator.clear_faults();
    pair.emulator.fault(Fault::status(404).body("<html>"));
    let theirs = pair.official.get_secret("a", None).await.unwrap_err();
    let ours = client.get("a").await.unwrap_err();
    let like_others = theirs.http_status().map(u16::from) == Some(404);
    let clause = if ours.kind() == keyvault::ErrorKind::Unavailable { "no vault with secrets" } else { "not found" };
    found.push([if like_others { "a 404 like others" } else { "" }.to_owned(), clause.to_owned()]);

    pair.emulator.clear_faults();
    for name in ["a", "b"] {
        pair.emulator.vault("contoso").set(name, "x");
    }
    pair.emulator.page_size(1);
    _ = (pair.recording.take_requests(), recording.take_requests());
    pair.official.list_secret_properties(None).unwrap().try_collect::<Vec<_>>().await.unwrap();
    client.list().try_collect::<Vec<_>>().await.unwrap();
    let written = |recording: &Recording| match recording.take_requests()[1].line.contains("&$skiptoken=") {
        true => "as the vault wrote it".to_owned(),
        false => "written anew".to_owned(),
    };
    found.push([written(&pair.recording), written(&recording)]);
    for ((what, official, ours), found) in DIFFERENCES.into_iter().zip(found) {
        assert_eq!(found, [official, ours], "{what}");
    }
}
