//! `keyvault doctor`: what is wrong, and what to do.

use keyvault_emulator::{Denial, Fault, Operation};

use crate::scene::{CANARY, Scene, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_vault_is_well_and_nothing_is_printed_that_is_secret() {
    let scene = Scene::begin("doctor").await;
    scene.emulator.set("db", CANARY);
    let token = scene.emulator.token();
    let mut command = scene.command("doctor");
    command.args(["--secret", "db"]).env("KEYVAULT_TOKEN", &token);
    let said = run(command).await;
    said.ends_with(0).is_clean();
    for line in [
        "  ok    KEYVAULT_TOKEN",
        "  ok    answers",
        "  ok    clock",
        "  ok    may get",
        "  ok    may list",
        "  ok    get db",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    assert!(!said.out.contains(&token) && !said.err.contains(&token));
    assert!(scene.emulator.request_log().iter().all(|request| request.method == "GET"), "it only reads");
    let mut command = scene.command("doctor");
    command.arg("--json");
    let json = run(command).await.ends_with(0).json();
    assert_eq!(json["healthy"], true);
    assert_eq!(json["sections"][1]["checks"][0]["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_told_with_what_to_do() {
    let scene = Scene::begin("ill").await;
    scene.emulator.deny(Denial::Rbac, &[Operation::List]);
    let said = run(scene.command("doctor")).await;
    assert!(said.ends_with(0).out.contains("warn  may list"), "{}", said.out);
    scene.emulator.deny(Denial::Rbac, &[Operation::Get]);
    let said = run(scene.command("doctor")).await;
    assert!(
        said.ends_with(4).out.contains("FAIL  may get") && said.out.contains("Key Vault Secrets User"),
        "{}",
        said.out
    );
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);

    let mut command = scene.command_without_vault("doctor");
    command.args(["--vault", "https://127.0.0.1:9", "--timeout", "2s"]);
    assert!(run(command).await.ends_with(5).out.contains("FAIL  answers"));

    let mut command = scene.command("doctor");
    command.env_remove("KEYVAULT_TOKEN").env("AZURE_TENANT_ID", "t").env("AZURE_CLIENT_ID", CANARY);
    let said = run(command).await;
    said.ends_with(4).is_clean();
    assert!(said.out.contains("without AZURE_CLIENT_SECRET"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_step_that_serves_is_named_and_a_clock_that_is_off_is_seen() {
    let scene = Scene::begin("steps").await;
    let mut command = scene.command("doctor");
    command
        .env_remove("KEYVAULT_TOKEN")
        .env("IDENTITY_ENDPOINT", scene.emulator.identity_endpoint())
        .env("IDENTITY_HEADER", scene.emulator.identity_header());
    let said = run(command).await;
    said.ends_with(0);
    assert!(said.out.contains("-     environment") && said.out.contains("ok    managed identity"), "{}", said.out);
    assert!(!said.out.contains(scene.emulator.identity_header()));

    let then = "Mon, 01 Jan 2024 00:00:00 GMT";
    scene.emulator.fault_next(1, Fault::status(404).header("date", then));
    let said = run(scene.command("doctor")).await;
    assert!(said.ends_with(1).out.contains("FAIL  clock") && said.out.contains("ahead of"), "{}", said.out);
}
