//! Text that was meant to be a reference is reported by `run`, `check` and `render`.

use crate::fixture::{CommandOutput, Fixture, run};

/// Each kind of mistake, with a word of its message.
const KINDS: [(&str, &str); 21] = [
    ("@Microsoft.KeyVault[SecretName=db]", "brackets"),
    ("@Microsoft.KeyVaults(SecretName=db)", "misspelt"),
    ("@Mircosoft.KeyVault(SecretName=db)", "misspelt"),
    ("Microsoft.KeyVault(SecretName=db)", "without @"),
    ("@KeyVault(SecretName=db", "closing parenthesis"),
    ("@Microsoft.KeyVault SecretName=db", "without its parentheses"),
    ("@Microsoft\u{200b}.KeyVault(SecretName=db)", "invisible"),
    ("@KeyVault(Secret\u{feff}Name=db)", "invisible"),
    ("@KeyVault(SecretName=db)\u{200b}", "invisible"),
    ("@KeyVault(VaultUri=https://contoso.vault.azure.net;SecretName=db)", "VaultName or SecretUri"),
    ("@KeyVault(SecretName='db')", "quoted"),
    ("@KeyVault(SecretUri=https://contoso.vault.azure.net//secrets/db)", "two slashes"),
    ("@KeyVault(SecretName=#{Db}#)", "placeholder"),
    ("@KeyVault(SecretName=$(Db))", "placeholder"),
    ("@KeyVault(SecretName=${Db})", "placeholder"),
    ("@KeyVault(SecretName=<db>)", "placeholder"),
    ("@KeyVault(SecretName={{ db }})", "placeholder"),
    ("@KeyVault(SecretName=__DB__)", "placeholder"),
    ("@KeyVault(SecretName=db;SecretVersion=latest)", "called latest"),
    ("@KeyVault(SecretName\\=db)", "backslash"),
    ("\"@KeyVault(SecretName=db)\"", "quotation marks"),
];

/// Returns the output as one line.
fn words(output: &CommandOutput) -> String {
    output.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_does_not_start_the_command_unless_the_variable_is_excepted() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    for (text, message) in KINDS {
        fixture.write("a.env", &format!("FROM_FILE: {text}\n"));
        for (options, variable) in [(&[][..], "A"), (&["--env-file", "a.env"], "FROM_FILE")] {
            let of_file = variable == "FROM_FILE";
            if of_file && text.starts_with('"') {
                // The quotes are those of the file.
                continue;
            }
            let mut command = fixture.run_command(options, &["touch", "started"]);
            command.envs((!of_file).then_some(("A", text)));
            let output = run(command).await;
            output.assert_code(2);
            assert!(words(&output).contains(message) && output.err.contains(variable), "{text}: {}", output.err);
            if text.starts_with("Microsoft") {
                assert!(output.err.trim_end().ends_with(&format!("--except {variable}")), "{}", output.err);
            }
            assert!(!fixture.directory().join("started").exists(), "{text}");
            let mut command =
                fixture.run_command(&[options, &["--except", variable]].concat(), &["printenv", variable]);
            command.envs((!of_file).then_some(("A", text)));
            assert_eq!(run(command).await.assert_code(0).out.trim_end(), text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_reports_each_in_variables_and_in_files_of_any_format() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    for (text, message) in KINDS {
        let mut command = fixture.command_without_vault("check");
        command.args(["--offline", "--only", "A"]).env("A", text);
        let output = run(command).await;
        output.assert_code(2);
        assert!(words(&output).contains(message) && output.out.contains("variable A"), "{text}: {}", output.out);
        let quoted = serde_json::to_string(text).expect("text");
        for (name, contents) in [
            ("a.txt", format!("first\nvalue = {text}\n")),
            ("a.tf", format!("locals {{\n  a = {quoted}\n}}\n")),
            ("a.yaml", format!("{{{{- if .Values.a }}}}\na: {quoted}\n{{{{- end }}}}\n")),
            ("a.json", format!("{{\n\"a\": {quoted}}}")),
        ] {
            // The quotes belong to a text; and these are expressions, which a deployment replaces.
            let is_fine = text.starts_with('"') && name != "a.json"
                || name == "a.tf" && text.contains("${")
                || name == "a.yaml" && text.contains("{{");
            fixture.write(name, &contents);
            let mut command = fixture.command("check");
            command.arg(name);
            let output = run(command).await;
            if is_fine {
                assert!(!output.out.contains("InvalidSyntax"), "{name} {text}: {}", output.out);
                continue;
            }
            output.assert_code(2);
            assert!(
                words(&output).contains(message) && output.out.contains(&format!("{name}:2")),
                "{text}: {}",
                output.out
            );
        }
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn render_warns_of_text_that_stays() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    fixture.write("a.conf", "a = @KeyVault(SecretName=db)\nb = Microsoft.KeyVault(SecretName=db)\n");
    let mut command = fixture.command("render");
    command.arg("a.conf");
    let output = run(command).await;
    assert_eq!(output.assert_code(0).out, "a = hunter2\nb = Microsoft.KeyVault(SecretName=db)\n");
    assert!(output.err.contains("a.conf:2: text looks like a reference without @"), "{}", output.err);
}
