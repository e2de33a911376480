//! Denials of a caller with a valid token, and throttling.

use std::time::Duration;

use keyvault_emulator::{Denial, Emulator, Operation, Throttle};

use crate::{call, get, with_version};

#[tokio::test]
async fn each_denial_has_the_inner_code_and_message_of_the_service() {
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
        let response = get(&emulator, "/secrets/a").await;
        assert_eq!(response.error(), (403, "Forbidden".to_owned(), inner.to_owned()));
        let found = response.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(found.starts_with(&message), "{found}");
        emulator.clear_denials();
    }
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200);
}

#[tokio::test]
async fn a_denial_can_select_operations_or_a_secret_and_the_network_has_precedence() {
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
        let response = call(&emulator, method, &with_version(path), r#"{"value":"1"}"#).await;
        assert_eq!(response.error().2, inner, "{method} {path}");
    }
    emulator.deny(Denial::Firewall, &[Operation::Get]);
    assert_eq!(get(&emulator, "/secrets/b").await.error().2, "ForbiddenByFirewall");
}

#[tokio::test]
async fn one_secret_can_be_denied() {
    let emulator = Emulator::start().await.unwrap();
    for name in ["db", "db-password"] {
        emulator.vault("contoso").set(name, "1");
        emulator.vault("fabrikam").set(name, "1");
        emulator.set(name, "1");
    }
    emulator.vault("Contoso").deny_secret("DB", Denial::Rbac);
    for (method, path, inner) in [
        ("GET", "/secrets/db", "ForbiddenByRbac"),
        ("GET", "/secrets/d%62", "ForbiddenByRbac"),
        ("GET", "/secrets/db/versions", "ForbiddenByRbac"),
        ("DELETE", "/secrets/Db", "ForbiddenByRbac"),
        ("GET", "/secrets/db-password", ""),
        ("GET", "/secrets", ""),
    ] {
        assert_eq!(call(&emulator, method, &with_version(path), "").await.error().2, inner, "{method} {path}");
    }
    let from = async |host: &str| {
        let request = http::Request::get(format!("https://{host}/secrets/db?api-version=7.4"))
            .header("authorization", format!("Bearer {}", emulator.token()))
            .body(bytes::Bytes::new())
            .unwrap();
        emulator.handle(request).await.status().as_u16()
    };
    assert_eq!((from("fabrikam.vault.azure.net").await, from("127.0.0.1").await), (200, 200), "other vaults");
    emulator.deny_secret("db", Denial::Firewall);
    assert_eq!((from("fabrikam.vault.azure.net").await, from("127.0.0.1").await), (200, 403));
    emulator.clear_denials();
    assert_eq!(get(&emulator, "/secrets/db").await.status(), 200);
}

#[tokio::test]
async fn a_challenge_has_precedence_over_a_denial() {
    let emulator = Emulator::start().await.unwrap();
    emulator.deny_all(Denial::Firewall);
    let request = http::Request::get("https://localhost/secrets?api-version=7.4").body(bytes::Bytes::new()).unwrap();
    assert_eq!(emulator.handle(request).await.status(), 401);
}

#[tokio::test]
async fn a_vault_beyond_its_limits_responds_429_until_the_window_passes() {
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
    let rejected = get(&emulator, "/secrets").await;
    assert_eq!(
        rejected.text(),
        r#"{"error":{"code":"Throttled","message":"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"}}"#
    );
    assert_eq!(rejected.header("retry-after"), None);
    let set = call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await;
    assert_eq!(set.status(), 200, "new versions have their own limit");

    emulator.advance_clock(Duration::from_secs(10));
    assert_eq!(statuses().await, [200, 200, 429]);
    emulator.throttle(Throttle::service().others(0).retry_after(Duration::from_secs(3)));
    assert_eq!(get(&emulator, "/secrets").await.header("retry-after"), Some("3"));
    emulator.unthrottle();
    assert_eq!(statuses().await, [200, 200, 200]);
}

#[tokio::test]
async fn the_limits_of_the_service_are_300_sets_and_4000_other_requests_in_ten_seconds() {
    let emulator = Emulator::builder().throttle(Throttle::service()).start().await.unwrap();
    emulator.freeze_clock();
    for (method, path, limit) in [("PUT", "/secrets/a", 300), ("GET", "/secrets", 4_000)] {
        for n in 0..=limit {
            let response = call(&emulator, method, &with_version(path), r#"{"value":"1"}"#).await;
            assert_eq!(response.status(), if n < limit { 200 } else { 429 }, "{method} {n}");
        }
    }
}
