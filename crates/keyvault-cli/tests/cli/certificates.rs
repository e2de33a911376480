//! What `keyvault check` and `keyvault doctor` say about certificates.

use keyvault_emulator::{Denial, Operation};
use keyvault_test_support::json_schema::assert_conforms;
use serde_json::Value;

use crate::authority::{Authority, DAY};
use crate::fixture::{CANARY, Fixture, run};

/// A vault with certificates in every condition.
async fn fixture() -> Fixture {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let good = authority.issue("shop.example");
    fixture.emulator.set_secret("good", good.managed());
    fixture.emulator.set("soon", &authority.issue_between("soon.example", -100 * DAY, 9 * DAY + 60).pem());
    fixture.emulator.set("expired", &authority.issue_between("old.example", -100 * DAY, -DAY).pem());
    fixture.emulator.set("early", &authority.issue_between("new.example", DAY, 90 * DAY).pem());
    fixture.emulator.set("foreign", &(good.key.clone() + &authority.issue("shop.example").chain));
    fixture.emulator.set("password", CANARY);
    fixture
}

fn remarks(report: &Value, kind: &str) -> Vec<(String, String)> {
    let text = |remark: &Value, name: &str| remark[name].as_str().expect("text").to_owned();
    let remarks = report[kind].as_array().expect("a list").iter();
    remarks.map(|remark| (text(remark, "origin"), text(remark, "detail"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_prints_the_names_and_the_dates_of_each_certificate() {
    let fixture = fixture().await;
    let schema = serde_json::from_str(include_str!("../../../../docs/schemas/report.schema.json")).expect("a schema");
    let settings = "chain = '@KeyVault(SecretName=good;Format=chain)'\nkey = '@KeyVault(SecretName=good;Format=key)'\n\
                    plain = '@KeyVault(SecretName=soon)'\npassword = '@KeyVault(SecretName=password)'\n";
    fixture.write("settings.toml", settings);
    let mut command = fixture.command("check");
    command.args(["settings.toml", "--json"]);
    let report = run(command).await.assert_code(0).assert_no_canary().json();
    assert_conforms(&report, &schema);
    let notes = remarks(&report, "notes");
    let starts = |at: usize, origin: &str, detail: &str| {
        let (found, note) = &notes[at];
        assert!(found.starts_with(origin) && note.starts_with(detail), "{at}: {notes:?}");
    };
    assert_eq!((notes.len(), remarks(&report, "problems").len()), (3, 0), "{notes:?}");
    starts(0, "good in 127.0.0.1", "certificate for shop.example, expires 20");
    starts(1, "soon in 127.0.0.1", "certificate for soon.example, expires 20");
    starts(2, "soon in 127.0.0.1", "certificate expires in 9 days");
    let before = fixture.emulator.requests().total;
    let mut command = fixture.command("check");
    command.arg("settings.toml");
    run(command).await.assert_code(0);
    assert_eq!(fixture.emulator.requests().total - before, 3, "one request for each secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_used_fails_the_check() {
    let fixture = fixture().await;
    for (name, code, problem) in [
        ("good", 0, "1 reference: 1 resolved (in 1 value of --certificate)"),
        ("expired", 1, "certificate has expired"),
        ("early", 1, "certificate is not valid yet"),
        ("foreign", 1, "private key does not belong to the certificate"),
        ("password", 1, "value is not a certificate"),
        ("gone", 3, "SecretNotFound"),
    ] {
        let mut command = fixture.command("check");
        // A variable with a reference is not what is asked about.
        command.args(["--certificate", name]).env("OTHER", "@KeyVault(SecretName=gone)");
        let output = run(command).await;
        let text = output.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.assert_code(code).assert_no_canary().out.contains("--certificate"), "{name}: {}", output.out);
        assert!(text.contains(problem), "{name}: {}", output.out);
    }
    let mut command = fixture.command("check");
    command.args(["--certificate", "expired", "--certificate", "foreign", "--github"]);
    let output = run(command).await;
    assert_eq!(output.assert_code(1).out.matches("::error ").count(), 2, "{}", output.out);
    let mut command = fixture.command_without_vault("check");
    command.args(["--certificate", "good", "--offline"]);
    run(command).await.assert_code(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_reads_a_certificate_with_its_key() {
    let fixture = fixture().await;
    for (name, code, line) in [
        ("good", 0, "ok certificate good certificate for shop.example, expires 20"),
        ("soon", 0, "warn certificate soon certificate expires in 9 days"),
        ("expired", 1, "FAIL certificate expired OtherReasons: certificate has expired"),
        ("foreign", 1, "FAIL certificate foreign OtherReasons: private key does not belong to the certificate"),
        ("gone", 3, "FAIL certificate gone SecretNotFound: secret not found"),
    ] {
        let mut command = fixture.command("doctor");
        command.args(["--certificate", name]);
        let output = run(command).await;
        let text = output.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            output.assert_code(code).assert_no_canary().out.contains("certificate") && text.contains(line),
            "{text}"
        );
    }
    fixture.emulator.deny(Denial::Rbac, &[Operation::Get]);
    let mut command = fixture.command("doctor");
    command.args(["--certificate", "good"]);
    let text = run(command).await.assert_code(4).out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("a role for certificates alone does not let you read"), "{text}");
}
