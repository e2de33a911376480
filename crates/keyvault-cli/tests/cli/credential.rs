//! The credential that the commands sign in with.

use std::process::Command;

use crate::fixture::{CANARY, Fixture, keyvault, run};

/// Returns a command on a machine with a managed identity.
fn with_managed_identity(fixture: &Fixture, name: &str, arguments: &[&str]) -> Command {
    let mut command = fixture.command(name);
    command
        .args(arguments)
        .env_remove("KEYVAULT_TOKEN")
        .env("PATH", "/nonexistent")
        .env("IDENTITY_ENDPOINT", fixture.emulator.identity_endpoint())
        .env("IDENTITY_HEADER", fixture.emulator.identity_header());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_signs_in_with_the_selected_credential_only() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    fixture.write("a.toml", "a = '@KeyVault(SecretName=db)'\n");
    let mut commands = vec![("check", vec!["a.toml"]), ("doctor", vec![]), ("secret get", vec!["db"])];
    if cfg!(unix) {
        commands
            .extend([("render", vec!["a.toml", "-o", "out"]), ("run", vec!["--env-file", "a.env", "--", "/bin/true"])]);
        fixture.write("a.env", "A=@KeyVault(SecretName=db)\n");
    }
    for (name, arguments) in &commands {
        for (selection, code) in [
            ("", 0),
            ("prod", 0),
            ("ManagedIdentityCredential", 0),
            ("managedidentitycredential", 0),
            ("WorkloadIdentityCredential", 4),
            ("dev", 4),
            ("nonsense", 2),
        ] {
            let option = ["--credential", selection];
            let option = if selection.is_empty() { &[][..] } else { &option };
            let mut by_option = with_managed_identity(&fixture, name, &[option, arguments].concat());
            // The option has precedence over a token, which no command uses then.
            by_option.envs((!selection.is_empty()).then_some(("KEYVAULT_TOKEN", "invalid")));
            let mut by_variable = with_managed_identity(&fixture, name, arguments);
            by_variable.env("KEYVAULT_CREDENTIAL", selection);
            for command in [by_option, by_variable] {
                let output = run(command).await;
                assert_eq!(output.code, Some(code), "{name} {selection}: {}{}", output.out, output.err);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failing_command_names_the_steps_that_are_configured_but_not_supported() {
    let fixture = Fixture::start().await;
    fixture.write("a.toml", "a = '@KeyVault(SecretName=db)'\n");
    fixture.write("a.env", "A=@KeyVault(SecretName=db)\n");
    for (name, arguments) in [
        ("check", &["a.toml"][..]),
        ("doctor", &[]),
        ("render", &["a.toml", "-o", "out"]),
        ("run", &["--env-file", "a.env", "--", "true"]),
        ("secret get", &["db"]),
        ("secret list", &[]),
    ] {
        let mut command = with_managed_identity(&fixture, name, arguments);
        command.env("IDENTITY_HEADER", "wrong").env("AZURE_CLIENT_CERTIFICATE_PATH", "/canary.pem");
        let output = run(command).await;
        assert_eq!(output.code, Some(4), "{name}: {}", output.text());
        // Reports are wrapped for the terminal.
        let text = output.text().split_whitespace().collect::<Vec<_>>().join(" ");
        for reason in ["AZURE_CLIENT_CERTIFICATE_PATH is not supported", "managed identity is not assigned"] {
            assert!(text.contains(reason), "{name}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_errors_and_completions_list_the_credentials() {
    for arguments in [
        &["check", "--help"][..],
        &["secret", "get", "--help"],
        &["doctor", "--credential", "nonsense"],
        &["completions", "bash"],
        &["completions", "fish"],
    ] {
        let mut command = keyvault();
        command.args(arguments).env_remove("KEYVAULT_CREDENTIAL");
        let text = run(command).await.text();
        for name in ["dev", "prod", "EnvironmentCredential", "AzureDeveloperCliCredential"] {
            assert!(text.contains(name), "{arguments:?} lists {name}:\n{text}");
        }
    }
}
