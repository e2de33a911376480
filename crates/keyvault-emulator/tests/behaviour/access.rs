//! Refusals of a caller whose token is good, and throttling.

use std::time::Duration;

use keyvault_emulator::{Denial, Emulator, Operation, Throttle};

use crate::{call, get, with_version};

#[tokio::test]
async fn each_denial_has_its_inner_code_and_its_own_words() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "hunter2");
    let (client, tenant) = (emulator.client_id(), emulator.tenant_id());
    let caller = format!("appid={client};oid={client};iss=https://sts.windows.net/{tenant}/");
    for (denial, inner, message) in [
        (
            Denial::AccessPolicy,
            "AccessDenied",
            format!(
                "The user, group or application 'appid={client};oid={client};numgroups=2;\
                 iss=https://sts.windows.net/{tenant}/' does not have secrets get permission on key vault \
                 'contoso;location=westus'. For help resolving this issue, please see \
                 https://go.microsoft.com/fwlink/?linkid=2125287"
            ),
        ),
        (
            Denial::Rbac,
            "ForbiddenByRbac",
            format!(
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or \
                 role definitions were changed recently, please observe propagation time.\r\nCaller: \
                 {caller}\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: "
            ),
        ),
        (
            Denial::Firewall,
            "ForbiddenByFirewall",
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: ".to_owned(),
        ),
        (
            Denial::PrivateLink,
            "ForbiddenByConnection",
            format!(
                "Public network access is disabled and request is not from a trusted service nor via an approved \
                 private link.\r\nCaller: {caller}"
            ),
        ),
    ] {
        emulator.deny_all(denial);
        let answer = get(&emulator, "/secrets/a").await;
        assert_eq!(answer.error(), (403, "Forbidden".to_owned(), inner.to_owned()));
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with(&message), "{said}");
        emulator.clear_denials();
    }
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200);
}

#[tokio::test]
async fn a_denial_can_be_for_some_operations_or_one_secret_and_the_network_asks_first() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    emulator.vault("contoso").set("b", "1");
    emulator.deny(Denial::AccessPolicy, &[Operation::List, Operation::Set]);
    emulator.deny_matching(Denial::Rbac, |head| head.path_and_query.starts_with("/secrets/b"));
    for (method, path, inner) in [
        ("GET", "/secrets/a", ""),
        ("GET", "/secrets", "AccessDenied"),
        ("PUT", "/secrets/a", "AccessDenied"),
        ("GET", "/secrets/b", "ForbiddenByRbac"),
        ("PUT", "/secrets/b", "AccessDenied"),
    ] {
        let answer = call(&emulator, method, &with_version(path), r#"{"value":"1"}"#).await;
        assert_eq!(answer.error().2, inner, "{method} {path}");
    }
    emulator.deny(Denial::Firewall, &[Operation::Get]);
    assert_eq!(get(&emulator, "/secrets/b").await.error().2, "ForbiddenByFirewall");
}

#[tokio::test]
async fn a_caller_without_a_token_is_challenged_before_it_is_denied() {
    let emulator = Emulator::start().await.unwrap();
    emulator.deny_all(Denial::Firewall);
    let request = http::Request::get("https://localhost/secrets?api-version=7.4").body(bytes::Bytes::new()).unwrap();
    assert_eq!(emulator.handle(request).await.status(), 401);
}

#[tokio::test]
async fn beyond_the_limits_a_vault_answers_429_until_the_window_has_passed() {
    let emulator = Emulator::builder().throttle(Throttle::service().sets(1).others(2)).start().await.unwrap();
    emulator.freeze_clock();
    let statuses = async || {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(get(&emulator, "/secrets").await.status());
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 429]);
    let refused = get(&emulator, "/secrets").await;
    assert_eq!(
        refused.text(),
        r#"{"error":{"code":"Throttled","message":"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"}}"#
    );
    assert_eq!(refused.header("retry-after"), None);
    let set = call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await;
    assert_eq!(set.status(), 200, "new versions have a limit of their own");

    emulator.advance_clock(Duration::from_secs(10));
    assert_eq!(statuses().await, [200, 200, 429]);
    emulator.throttle(Throttle::service().others(0).retry_after(Duration::from_secs(3)));
    assert_eq!(get(&emulator, "/secrets").await.header("retry-after"), Some("3"));
    emulator.unthrottle();
    assert_eq!(statuses().await, [200, 200, 200]);
}

#[tokio::test]
async fn the_service_takes_300_sets_and_4000_others_in_ten_seconds() {
    let emulator = Emulator::builder().throttle(Throttle::service()).start().await.unwrap();
    emulator.freeze_clock();
    for (method, path, most) in [("PUT", "/secrets/a", 300), ("GET", "/secrets", 4_000)] {
        for n in 0..=most {
            let answer = call(&emulator, method, &with_version(path), r#"{"value":"1"}"#).await;
            assert_eq!(answer.status(), if n < most { 200 } else { 429 }, "{method} {n}");
        }
    }
}
