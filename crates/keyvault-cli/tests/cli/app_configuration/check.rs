//! `keyvault check` and `doctor` with `--app-configuration`.

use keyvault_emulator::Denial;
use keyvault_test_support::json_schema::assert_conforms;
use serde_json::Value;

use super::StoreFixture;
use crate::fixture::{CANARY, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_references_of_a_store_are_checked_like_those_of_files() {
    let fixture = StoreFixture::start().await;
    fixture.0.emulator.set("db", CANARY);
    fixture.refer("shop:Db:Password@prod", "db");
    fixture.refer("shop:hosts:3@prod", "gone");
    fixture.set("shop:Plain@prod", CANARY);
    fixture.set("shop:Url@prod", "u:@KeyVault(SecretName=db)@h");
    fixture.0.write("a.toml", "[plain]\nx = '@KeyVault(SecretName=db)'\n");
    let options = ["--select", "shop:*@prod", "--trim-prefix", "shop:", "a.toml"];
    let output = run(fixture.command("check", &[&options[..], &["--json"]].concat())).await;
    let report = output.assert_no_canary().json();
    let schema: Value =
        serde_json::from_str(include_str!("../../../../../docs/schemas/report.schema.json")).expect("a schema");
    assert_conforms(&report, &schema);
    let rows: Vec<String> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| ["origin", "setting", "status"].map(|name| row[name].as_str().unwrap_or("")).join(" | "))
        .collect();
    assert_eq!(
        rows,
        [
            "a.toml:2 | plain.x | Resolved",
            "App Configuration key shop:Db:Password label prod | db.password | Resolved",
            "App Configuration key shop:hosts:3 label prod | hosts[3] | SecretNotFound",
            "App Configuration key shop:Url label prod | url | Resolved",
        ]
    );
    let problem = &report["problems"][0];
    assert_eq!(problem["origin"], "App Configuration key shop:Plain label prod");
    assert_eq!(problem["detail"], "plain is a value here and a table in a.toml on line 2");
    let output = run(fixture.command("check", &[&options[..], &["--github"]].concat())).await;
    let line = "::error title=Key Vault reference::App Configuration key shop:hosts:3 label prod: hosts[3]: gone in ";
    assert!(output.assert_no_canary().out.lines().any(|printed| printed.starts_with(line)), "{}", output.out);
    let output = run(fixture.command("check", &options)).await;
    assert!(output.assert_code(1).out.contains("(in 5 values of 1 file and App Configuration)"), "{}", output.out);
    // A store that cannot be read is a problem beside those of files.
    fixture.0.emulator.app_configuration("").deny(Denial::Rbac, None);
    let output = run(fixture.command("check", &[&options[..], &["--json"]].concat())).await;
    let report = output.assert_code(4).json();
    assert_conforms(&report, &schema);
    assert!(report["problems"][0]["detail"].as_str().expect("a text").contains("Data Reader"), "{report}");
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(1));
    // Nothing is contacted offline.
    let before = fixture.requests();
    let output = run(fixture.command("check", &[&options[..], &["--offline"]].concat())).await;
    assert!(output.assert_code(0).out.contains("note: App Configuration: not read"), "{}", output.out);
    assert_eq!(fixture.requests(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_examines_a_store() {
    let fixture = StoreFixture::start().await;
    let output = run(fixture.command("doctor", &["--json"])).await;
    let report = output.assert_code(0).json();
    let schema: Value =
        serde_json::from_str(include_str!("../../../../../docs/schemas/doctor.schema.json")).expect("a schema");
    assert_conforms(&report, &schema);
    let section = &report["sections"][2];
    assert!(section["section"].as_str().expect("a name").starts_with("App Configuration 127.0.0.1:"), "{report}");
    let checks: Vec<&str> =
        section["checks"].as_array().expect("checks").iter().filter_map(|check| check["check"].as_str()).collect();
    assert_eq!(checks, ["reachable", "clock", "get"]);
    // Without a vault, a connection string needs no credential.
    let mut command = fixture.0.command_without_vault("doctor");
    command.args(["--json", "--app-configuration", &fixture.connection_string()]).env_remove("KEYVAULT_TOKEN");
    let report = run(command).await.assert_code(0).json();
    assert_eq!(report["sections"].as_array().map(Vec::len), Some(1), "{report}");
    // The token of a vault never reaches a store.
    let mut command = fixture.command("doctor", &["--timeout", "2s"]);
    command.env("KEYVAULT_APP_CONFIGURATION", fixture.0.emulator.vault_url());
    command.env("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
    let output = run(command).await;
    assert!(output.assert_code(4).out.contains("FAIL  reachable"), "{}", output.out);
    let keys = fixture.0.emulator.request_log().iter().filter(|one| one.path_and_query.starts_with("/kv")).count();
    assert_eq!(keys, 2, "those of the runs before");
    fixture.0.emulator.app_configuration("").deny(Denial::Rbac, None);
    let output = run(fixture.command("doctor", &[])).await;
    let text = output.assert_code(4).out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("FAIL get ") && text.contains("App Configuration Data Reader"), "{text}");
    let mut command = fixture.command("doctor", &["--timeout", "2s"]);
    command.env("KEYVAULT_APP_CONFIGURATION", "Endpoint=https://127.0.0.1:9;Id=a;Secret=YQ==");
    assert!(run(command).await.assert_code(5).out.contains("FAIL  reachable"));
}
