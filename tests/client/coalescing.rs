//! A resolver fetches each secret once per vault, with bounded concurrency.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use keyvault::{Error, ErrorKind, InMemory, ReferenceStatus, Resolver, SecretId};
use keyvault_emulator::{Emulator, Fault, SetSecret};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::{client_of, transport_to};
use tokio::time::{advance, timeout};

/// Creates a resolver of the vault contoso on an emulator in this process. Its secrets are `s0` = `v0` and so on.
async fn scene(secrets: usize) -> (Arc<Emulator>, Resolver) {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    for n in 0..secrets {
        emulator.vault("contoso").set(&format!("s{n}"), &format!("v{n}"));
    }
    let credential = FakeCredential::fixed(emulator.token());
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    (emulator, client.into())
}

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("{CONTOSO}/secrets/{name}")).unwrap()
}

async fn resolved(resolver: &Resolver, text: &str) -> Option<String> {
    let resolved = resolver.resolve(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    resolved.map(|resolved| resolved.expose_secret().to_owned())
}

#[tokio::test]
async fn each_reference_goes_to_its_own_vault() {
    let [contoso, shared] = [Emulator::start().await.unwrap(), Emulator::start().await.unwrap()];
    contoso.set("a", "of contoso");
    shared.set("a", "of shared");
    let clients = [&contoso, &shared]
        .map(|emulator| client_of(emulator, &FakeCredential::fixed(emulator.token())).build().unwrap());
    let [first, second] = clients;
    let resolver = Resolver::builder(first).vault(second).build().unwrap();
    let text = format!("@KeyVault(SecretName=a), @KeyVault(SecretUri={}/secrets/a)", shared.vault_url());
    assert_eq!(resolved(&resolver, &text).await.unwrap(), "of contoso, of shared");
    for emulator in [&contoso, &shared] {
        assert_eq!((emulator.requests().get, emulator.requests().unauthorized), (1, 0));
    }
}

#[tokio::test]
async fn a_secret_with_many_references_is_fetched_once() {
    let (emulator, resolver) = scene(20).await;
    let spelling = |n: usize| match n % 4 {
        0 => format!("@KeyVault(SecretName=s{})", n % 20),
        1 => format!("@Microsoft.KeyVault(VaultName=contoso;SecretName=S{})", n % 20),
        2 => format!("@Microsoft.KeyVault(SecretUri={CONTOSO}:443/secrets/s{}/)", n % 20),
        _ => format!("@KeyVault(VaultName=CONTOSO;SecretName=s{};Optional=true)", n % 20),
    };
    let text: Vec<String> = (0..100).map(spelling).collect();
    let expected: Vec<String> = (0..100).map(|n| format!("v{}", n % 20)).collect();
    assert_eq!(resolved(&resolver, &text.join(",")).await.unwrap(), expected.join(","));
    assert_eq!(emulator.requests().total, 20);
    assert_eq!(resolved(&resolver, &text.join(",")).await.unwrap(), expected.join(","));
    assert_eq!(emulator.requests().total, 20, "what was fetched is kept");
}

#[tokio::test(start_paused = true)]
async fn at_most_100_secrets_are_fetched_at_the_same_time() {
    let (emulator, resolver) = scene(200).await;
    emulator.set_latency(Duration::from_millis(50));
    let ids: Vec<SecretId> = (0..200).map(|n| id(&format!("s{n}"))).collect();
    let begun = tokio::time::Instant::now();
    for secret in join_all(ids.iter().map(|id| resolver.get(id))).await {
        secret.unwrap();
    }
    assert_eq!(emulator.max_in_flight(), 100);
    // 200 secrets need two waves, so the bound is reached.
    assert_eq!(begun.elapsed().as_millis() / 50, 2);
}

#[tokio::test(start_paused = true)]
async fn the_bound_counts_for_all_vaults_together() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    emulator.set_latency(Duration::from_millis(50));
    let credential = FakeCredential::fixed(emulator.token());
    let contoso = transport_to(&emulator).client(&credential).build().unwrap();
    let shared = contoso.with_vault("https://shared.vault.azure.net").unwrap();
    let resolver = Resolver::builder(contoso).vault(shared).concurrency(8).build().unwrap();
    let mut text = String::new();
    for n in 0..40 {
        for vault in ["contoso", "shared"] {
            emulator.vault(vault).set(&format!("s{n}"), "x");
            text += &format!("@KeyVault(VaultName={vault};SecretName=s{n})");
        }
    }
    assert_eq!(resolved(&resolver, &text).await.unwrap().len(), 80);
    assert_eq!(emulator.max_in_flight(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_tasks_share_one_request_for_the_same_secret() {
    let (emulator, resolver) = scene(1).await;
    emulator.set_latency(Duration::from_millis(50));
    let tasks = (0..50).map(|_| {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.get(&id("s0")).await })
    });
    for secret in join_all(tasks).await {
        assert_eq!(secret.unwrap().unwrap().expose_secret(), "v0");
    }
    assert_eq!(emulator.requests().total, 1);
}

#[tokio::test(start_paused = true)]
async fn concurrent_readers_share_a_failure_and_later_readers_do_not() {
    let (emulator, resolver) = scene(1).await;
    emulator.set_latency(Duration::from_millis(50));
    emulator.fault_next(1, Fault::status(403));
    let wanted = id("s0");
    let errors: Vec<Error> =
        join_all((0..50).map(|_| resolver.get(&wanted))).await.into_iter().map(Result::unwrap_err).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Denied));
    assert_eq!(emulator.requests().total, 1);
    resolver.get(&wanted).await.unwrap();
    assert_eq!(emulator.requests().total, 2, "a failure is not kept as a value");
}

#[tokio::test]
async fn the_cache_keeps_no_more_secrets_than_its_capacity() {
    let (emulator, _) = scene(600).await;
    let credential = FakeCredential::fixed(emulator.token());
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    let resolver = Resolver::builder(client).cache_capacity(10).build().unwrap();
    for round in 1..=2 {
        emulator.reset_requests();
        for n in 0..600 {
            resolver.get(&id(&format!("s{n}"))).await.unwrap();
        }
        // The cache evicts in batches.
        let gets = emulator.requests().get;
        assert!(gets >= 500, "round {round}: {gets} requests for 600 secrets, 10 of which may be kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_is_fetched_once_and_the_latest_again_after_its_maximum_age() {
    let (emulator, resolver) = scene(1).await;
    let latest = id("s0");
    let first = resolver.get(&latest).await.unwrap();
    emulator.vault("contoso").set("s0", "rotated");
    let pinned = first.id().clone();
    assert_eq!(resolver.get(&latest).await.unwrap().expose_secret(), "v0", "five minutes may pass");
    assert_eq!(emulator.requests().total, 1);

    assert_eq!(resolver.get(&pinned).await.unwrap().expose_secret(), "v0");
    assert_eq!(emulator.requests().total, 2);
    for _ in 0..10 {
        advance(Duration::from_secs(86_400)).await;
        assert_eq!(resolver.get(&pinned).await.unwrap().expose_secret(), "v0");
    }
    assert_eq!(emulator.requests().total, 2, "a version never changes");
    assert_eq!(resolver.get(&latest).await.unwrap().expose_secret(), "rotated");
    assert_eq!(emulator.requests().total, 3);
}

#[tokio::test]
async fn a_pinned_reference_resolves_to_its_version_and_the_others_to_the_latest() {
    let (emulator, resolver) = scene(0).await;
    let old = emulator.vault("contoso").set("a", "old");
    let old = old.rsplit('/').next().unwrap();
    emulator.vault("contoso").set("a", "new");
    let text = format!("@KeyVault(SecretName=a;SecretVersion={old}) @KeyVault(SecretName=a)");
    assert_eq!(resolved(&resolver, &text).await.unwrap(), "old new");
    let missing = "@KeyVault(SecretName=a;SecretVersion=00000000000000000000000000000000)";
    let error = resolver.resolve(missing).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, ReferenceStatus::SecretVersionNotFound));
}

#[tokio::test]
async fn an_optional_reference_is_absent_only_if_its_secret_does_not_exist() {
    let (emulator, resolver) = scene(1).await;
    assert_eq!(resolved(&resolver, "@KeyVault(SecretName=missing;Optional=true)").await, None);
    assert_eq!(resolved(&resolver, "@KeyVault(SecretName=s0;Optional=true)").await.unwrap(), "v0");
    let part = "x=@KeyVault(SecretName=s0);y=@KeyVault(SecretName=missing;Optional=true)";
    assert_eq!(resolved(&resolver, part).await, None, "half a text is no text");
    let error = resolver.resolve("@KeyVault(SecretName=missing)").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, ReferenceStatus::SecretNotFound));

    emulator.vault("contoso").set_secret("off", SetSecret::new("x").enabled(false));
    assert!(resolver.resolve("@KeyVault(SecretName=off;Optional=true)").await.is_err(), "disabled is not missing");
    emulator.fault(Fault::status(403));
    assert!(resolver.resolve("@KeyVault(SecretName=other;Optional=true)").await.is_err(), "denied is not missing");
    emulator.fault(Fault::status(404).body("<html>no such host</html>"));
    assert!(resolver.resolve("@KeyVault(SecretName=other;Optional=true)").await.is_err(), "and neither is no vault");
}

#[tokio::test]
async fn a_reference_selects_a_json_member_and_may_be_part_of_a_text() {
    let (emulator, resolver) = scene(0).await;
    let contoso = emulator.vault("contoso");
    contoso.set("db", r#"{"user":"app","login":{"password":"a\"b"},"port":5432,"hosts":["h0","h1"]}"#);
    contoso.set("tricky", "@KeyVault(SecretName=db)");
    for (text, expected) in [
        ("@KeyVault(SecretName=db;Property=user)", "app"),
        ("@KeyVault(SecretName=db;Property=login.password)", "a\"b"),
        ("@KeyVault(SecretName=db;Property=port)", "5432"),
        (
            "Server=@KeyVault(SecretName=db;Property=hosts[1]);User=@KeyVault(SecretName=db;Property=user)",
            "Server=h1;User=app",
        ),
        ("@KeyVault(SecretName=tricky)", "@KeyVault(SecretName=db)"),
        ("@@KeyVault(SecretName=db)", "@KeyVault(SecretName=db)"),
        ("nothing of ours", "nothing of ours"),
        ("", ""),
    ] {
        assert_eq!(resolved(&resolver, text).await.unwrap(), expected, "{text}");
    }
    assert_eq!(emulator.requests().total, 2, "one per secret, however many members are used");
    for text in ["@KeyVault(SecretName=db;Property=none)", "@KeyVault(SecretName=tricky;Property=user)"] {
        let error = resolver.resolve(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{text}");
    }
}

#[tokio::test]
async fn all_failures_of_a_text_are_in_one_error() {
    let (emulator, resolver) = scene(1).await;
    emulator.fault_matching(None, |head| head.path_and_query.contains("denied"), Fault::status(403));
    emulator.set("s0", "canary");
    let text = "@KeyVault(SecretName=missing)@KeyVault(SecretName=s0)@KeyVault(SecretName=denied)";
    let error = resolver.resolve(text).await.unwrap_err();
    let mut kinds: Vec<_> = error.failures().iter().map(Error::status).collect();
    kinds.sort_by_key(|status| status.as_str());
    assert_eq!(kinds, [ReferenceStatus::AccessToKeyVaultDenied, ReferenceStatus::SecretNotFound]);
    assert!(!error.report().contains("canary"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_cancel_the_request_of_the_others() {
    let (emulator, resolver) = scene(1).await;
    emulator.set_latency(Duration::from_secs(2));
    let wanted = id("s0");
    // The first caller starts the request and is dropped before the response.
    let gives_up = timeout(Duration::from_secs(1), resolver.get(&wanted));
    let (gone, stayed, late) = tokio::join!(gives_up, resolver.get(&wanted), resolver.get(&wanted));
    assert!(gone.is_err());
    assert_eq!(stayed.unwrap().expose_secret(), "v0");
    assert_eq!(late.unwrap().expose_secret(), "v0");
    assert_eq!(emulator.requests().total, 2, "one for the dropped caller, and one for the two others");
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_return_their_permits() {
    let (emulator, resolver) = scene(100).await;
    emulator.fault(Fault::Hang);
    let ids: Vec<SecretId> = (0..100).map(|n| id(&format!("s{n}"))).collect();
    for _ in 0..3 {
        let all = join_all(ids.iter().map(|id| resolver.get(id)));
        assert!(timeout(Duration::from_secs(1), all).await.is_err());
    }
    emulator.clear_faults();
    for secret in join_all(ids.iter().map(|id| resolver.get(id))).await {
        secret.unwrap();
    }
}

#[tokio::test]
async fn two_stores_for_one_vault_and_no_concurrency_are_refused() {
    let store = || InMemory::new(CONTOSO.parse().unwrap());
    let twice = Resolver::builder(store()).vault(InMemory::new(format!("{CONTOSO}:443/").parse().unwrap()));
    assert_eq!(twice.build().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(Resolver::builder(store()).concurrency(0).build().unwrap_err().kind(), ErrorKind::Invalid);
    assert!(Resolver::builder(store()).concurrency(usize::MAX).build().is_ok(), "any concurrency of at least 1");
}
