//! The error of a refused operation explains how to fix it.

use std::time::Duration;

use keyvault::ErrorKind;
use keyvault_emulator::{Emulator, Fault};

use super::recording::scene;

fn forbidden(inner: &str) -> Fault {
    let inner = format!(r#","innererror":{{"code":"{inner}"}}"#);
    Fault::status(403).body(format!(r#"{{"error":{{"code":"Forbidden","message":"x\r\n\"y\""{inner}}}}}"#))
}

#[tokio::test(start_paused = true)]
async fn every_403_names_the_missing_permission_and_the_identity() {
    let (emulator, client) = scene(Emulator::builder()).await;
    for (inner, reading, writing) in [
        ("ForbiddenByRbac", "Key Vault Secrets User", "Key Vault Secrets Officer"),
        ("AccessDenied", "Get", "Set"),
        ("ForbiddenByFirewall", "firewall", "firewall"),
        ("ForbiddenByConnection", "private endpoint", "private endpoint"),
    ] {
        emulator.clear_faults();
        emulator.fault(forbidden(inner));
        for (error, advice) in
            [(client.get("a").await.unwrap_err(), reading), (client.set("a", "x").await.unwrap_err(), writing)]
        {
            assert_eq!((error.kind(), error.inner_code()), (ErrorKind::Denied, Some(inner)));
            assert!(error.advice().unwrap().contains(advice), "{error:?}");
            assert!(error.request_id().is_some_and(|id| id.len() == 36), "{error:?}");
            assert!(error.report().contains(error.request_id().unwrap()), "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn errors_distinguish_purge_protection_and_certificates_from_missing_rights() {
    let (emulator, client) = scene(Emulator::builder().purge_protection().deletion_time(Duration::ZERO)).await;
    client.set("a", "x").await.unwrap();
    client.delete("a").await.unwrap();
    let error = client.purge("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.advice().unwrap().contains("purge protection"), "{error:?}");
    emulator.fault(forbidden("SecretManagedByKeyVault"));
    let error = client.begin_delete("b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.advice().unwrap().contains("certificate"), "{error:?}");
}
