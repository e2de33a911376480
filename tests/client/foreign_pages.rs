//! A page of a proxy or a firewall is not mistaken for a vault's answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join;
use keyvault::{Error, ErrorKind, SecretClient};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::task::yield_now;
use tokio::time::Instant;

const PAGE: &str = "<!DOCTYPE html><html><body>Blocked: canary-7f3a9c</body></html>";

const SECRET: &str = r#"{"value":"value","id":"https://contoso.vault.azure.net/secrets/a/0af1"}"#;

fn client(status: u16, server: &'static str, body: &'static str) -> SecretClient {
    let wire = FakeTransport::scripted(move |_| Ok(FakeResponse::new(status, body).header("server", server)));
    wire.client(&FakeCredential::fixed("squid-token-0123456789")).build().unwrap()
}

/// Returns the error of each operation, of a client of its own: a 429 slows down what follows.
async fn errors(status: u16, server: &'static str, body: &'static str) -> [Error; 3] {
    let client = || client(status, server, body);
    let list = client().list().pages();
    let first_page = futures::StreamExt::into_future(list).await.0.unwrap();
    [
        client().get("a").await.unwrap_err(),
        client().set("a", "canary-value-1").await.unwrap_err(),
        first_page.unwrap_err(),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_by_its_status_and_server() {
    for status in [200, 302, 400, 401, 403, 404, 407, 429, 451, 500, 502, 503, 504, 511] {
        for body in [PAGE, "Access denied by policy", "\u{feff}<html>", "<?xml version=\"1.0\"?><error/>"] {
            for error in errors(status, "Zscaler/6.2", body).await {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{status} {body}: {error:?}");
                let report = error.report();
                assert!(report.contains("response is not a vault's answer"), "{status} {body}: {report}");
                assert!(report.contains(&format!("Zscaler answered {status}")), "{status} {body}: {report}");
                for wrong in ["role", "Key Vault Secrets", "6.2", "html", "policy"] {
                    assert!(!report.contains(wrong), "{status} {body}: {wrong} in {report}");
                }
                assert_free_of(&report, &["canary"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vaults_own_refusals_stay_what_they_are() {
    let refused = r#"{"error":{"code":"Forbidden","innererror":{"code":"ForbiddenByRbac"}}}"#;
    for body in [refused, "", " "] {
        for error in errors(403, "nginx", body).await {
            assert_eq!(error.kind(), ErrorKind::Denied, "{body}: {error:?}");
            assert!(!error.report().contains("nginx"), "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_with_status_429_slows_the_client_down() {
    let refused = AtomicBool::new(false);
    let wire = FakeTransport::scripted(move |_| {
        Ok(match refused.swap(true, Ordering::Relaxed) {
            false => FakeResponse::new(429, PAGE).header("retry-after", "7"),
            true => FakeResponse::new(200, SECRET),
        })
    });
    let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
    let started = Instant::now();
    let (first, ()) = join(client.get("a"), async {
        // The client is told to wait before this request is sent.
        while client.stats().refusals == 0 {
            yield_now().await;
        }
        client.get("b").await.unwrap_err();
        assert!(started.elapsed() >= Duration::from_secs(7));
    })
    .await;
    assert_eq!(first.unwrap().expose_secret(), "value");
    let took = started.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(9)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_servers_name_is_not_what_it_received() {
    // Text of the token, of the body, and text that is no name.
    for server in ["squid-token", "canary-value", "relay 7f3a", "7f3a9c", "\u{e4}", ""] {
        let [_, error, _] = errors(403, server, PAGE).await;
        let name = if server == "relay 7f3a" { "relay" } else { "a server without a name" };
        assert!(error.report().contains(&format!("{name} answered 403")), "{server}: {error:?}");
    }
}
