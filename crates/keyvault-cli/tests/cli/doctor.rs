//! `keyvault doctor`.

use std::process::Command;

use keyvault_emulator::{Denial, Fault, Operation};
use keyvault_test_support::json_schema::assert_conforms;
use keyvault_test_support::variables::NOWHERE;

use crate::fixture::{CANARY, Fixture, run};

/// Returns the command without a token, on a machine without an identity.
fn without_token(fixture: &Fixture) -> Command {
    let mut command = fixture.command("doctor");
    command.env_remove("KEYVAULT_TOKEN").envs(NOWHERE);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_vault_passes_and_no_secret_is_printed() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    let token = fixture.emulator.token();
    let mut command = fixture.command("doctor");
    command.args(["--secret", "db"]).env("KEYVAULT_TOKEN", &token);
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    for line in [
        "  ok    KEYVAULT_TOKEN",
        "  ok    reachable",
        "  ok    clock",
        "  ok    get  ",
        "  ok    list ",
        "  ok    secret db",
    ] {
        assert!(output.out.contains(line), "{line}\n{}", output.out);
    }
    assert!(!output.out.contains(&token) && !output.err.contains(&token));
    assert!(fixture.emulator.request_log().iter().all(|request| request.method == "GET"), "doctor only reads");
    let mut command = fixture.command("doctor");
    command.arg("--json");
    let json = run(command).await.assert_code(0).json();
    assert_eq!(json["healthy"], true);
    assert_eq!(json["sections"][1]["checks"][0]["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_comes_with_advice() {
    let fixture = Fixture::start().await;
    fixture.emulator.deny(Denial::Rbac, &[Operation::List]);
    let output = run(fixture.command("doctor")).await;
    assert!(output.assert_code(0).out.contains("warn  list "), "{}", output.out);
    fixture.emulator.deny(Denial::Rbac, &[Operation::Get]);
    let output = run(fixture.command("doctor")).await;
    assert!(
        output.assert_code(4).out.contains("FAIL  get  ") && output.out.contains("Key Vault Secrets User"),
        "{}",
        output.out
    );
    assert!(output.out.lines().all(|line| line.chars().count() <= 80), "{}", output.out);

    let mut command = fixture.command_without_vault("doctor");
    command.args(["--vault", "https://127.0.0.1:9", "--timeout", "2s"]);
    assert!(run(command).await.assert_code(5).out.contains("FAIL  reachable"));

    let mut command = without_token(&fixture);
    command.env("AZURE_TENANT_ID", "t").env("AZURE_CLIENT_ID", CANARY);
    let output = run(command).await;
    output.assert_code(4).assert_no_canary();
    let text = output.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("are set without AZURE_CLIENT_SECRET"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credential_in_use_and_a_wrong_clock_are_reported() {
    let fixture = Fixture::start().await;
    let mut command = without_token(&fixture);
    command
        .env("IDENTITY_ENDPOINT", fixture.emulator.identity_endpoint())
        .env("IDENTITY_HEADER", fixture.emulator.identity_header());
    let output = run(command).await;
    output.assert_code(0);
    assert!(
        output.out.contains("-     environment") && output.out.contains("ok    managed identity"),
        "{}",
        output.out
    );
    assert!(!output.out.contains(fixture.emulator.identity_header()));

    let date = "Mon, 01 Jan 2024 00:00:00 GMT";
    fixture.emulator.fault_next(1, Fault::status(404).header("date", date));
    let output = run(fixture.command("doctor")).await;
    assert!(output.assert_code(1).out.contains("FAIL  clock") && output.out.contains("ahead of"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_output_conforms_to_the_schema() {
    let fixture = Fixture::start().await;
    let schema = serde_json::from_str(include_str!("../../../../docs/schemas/doctor.schema.json")).expect("a schema");
    fixture.emulator.deny(Denial::Rbac, &[Operation::List]);
    let mut healthy = fixture.command("doctor");
    healthy.arg("--json");
    let mut failed = fixture.command("doctor");
    failed.args(["--json", "--secret", "gone"]);
    let mut without_credential = without_token(&fixture);
    without_credential.arg("--json").env("AZURE_TENANT_ID", "t");
    let mut without_vault = fixture.command_without_vault("doctor");
    without_vault.arg("--json");
    for (command, is_healthy, status) in [
        (healthy, true, "warning"),
        (failed, false, "failed"),
        (without_credential, false, "failed"),
        (without_vault, true, "none"),
    ] {
        let output = run(command).await.json();
        assert_conforms(&output, &schema);
        assert_eq!(output["healthy"], is_healthy, "{output}");
        assert!(output.to_string().contains(&format!("\"status\":\"{status}\"")), "{status}: {output}");
    }
}
