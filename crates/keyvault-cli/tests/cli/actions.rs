//! The scripts of the GitHub Actions in `actions/`, with the variables and files that a runner gives them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keyvault_emulator::SetSecret;

use crate::fixture::{CANARY, CommandOutput, Fixture, keyvault, run};

/// A runner: the environment that its steps share, and its files.
struct Runner {
    fixture: Fixture,
}

impl Runner {
    async fn start() -> Self {
        let fixture = Fixture::start().await;
        fixture.write("github_env", "");
        fixture.write("github_path", "");
        Self { fixture }
    }

    /// Returns the last step of an action: its script, with the inputs in the variables that `action.yml` names.
    fn last_step(&self, action: &str, inputs: &[(&str, &str)]) -> Command {
        let folder = format!("{ACTIONS}/{action}");
        let text = std::fs::read_to_string(format!("{folder}/action.yml")).expect("the action");
        let (_, step) = text.rsplit_once("- name: ").expect("a step");
        let script = step.lines().find_map(|line| line.trim().strip_prefix("run: ")).expect("a script");
        let mut command = Command::new("bash");
        // As the runner starts the script of a step with `shell: bash`.
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script.trim_matches('\'')]);
        self.set_environment(&mut command);
        command.env("GITHUB_ACTION_PATH", folder);
        for line in step.lines() {
            let Some((variable, input)) = line.trim().split_once(": ${{ inputs.") else { continue };
            let name = input.trim_end_matches(" }}");
            let given = inputs.iter().find(|(input, _)| *input == name).map(|(_, value)| *value);
            command.env(variable, given.unwrap_or_else(|| default_of(&text, name)));
        }
        command
    }

    /// Sets the variables of a job that `actions` reads, and no others.
    fn set_environment(&self, command: &mut Command) {
        let binaries = Path::new(keyvault().get_program()).parent().expect("a folder").to_owned();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").expect("a search path"));
        command
            .current_dir(self.fixture.directory())
            .env_clear()
            .env("PATH", path)
            .env("KEYVAULT_TOKEN", self.fixture.emulator.token())
            .env("KEYVAULT_CA_FILE", self.fixture.path("ca.pem"))
            .env("GITHUB_ENV", self.fixture.path("github_env"))
            .env("GITHUB_PATH", self.fixture.path("github_path"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
    }

    async fn export(&self, secrets: &str) -> CommandOutput {
        self.fixture.write("github_env", "");
        let vaults = format!("{}\n", self.fixture.emulator.vault_url());
        run(self.last_step("export", &[("vaults", &vaults), ("secrets", secrets)])).await
    }

    async fn check(&self, inputs: &[(&str, &str)]) -> CommandOutput {
        run(self.last_step("check", inputs)).await
    }

    /// Returns the variables of later steps, as the runner reads them.
    fn variables(&self) -> Vec<(String, String)> {
        let text = self.fixture.read("github_env");
        let mut lines = text.lines();
        let mut variables = Vec::new();
        while let Some(line) = lines.next() {
            let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("a variable: {text}"));
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            variables.push((name.to_owned(), value.join("\n")));
        }
        variables
    }
}

const ACTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../actions");

fn default_of<'a>(action: &'a str, input: &str) -> &'a str {
    let (_, rest) = action.split_once(&format!("  {input}:\n")).expect("an input");
    let lines = rest.lines().take_while(|line| line.starts_with("    "));
    lines.filter_map(|line| line.trim().strip_prefix("default: ")).next().expect("a default").trim_matches('"')
}

/// Returns the text of a workflow command, as the runner unescapes it.
fn unescaped(text: &str) -> String {
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_request_is_annotated_without_a_credential() {
    let runner = Runner::start().await;
    std::fs::create_dir_all(runner.fixture.directory().join("deploy/a b")).expect("a folder");
    runner.fixture.write("settings.toml", "good = '@KeyVault(SecretName=db)'\n");
    runner.fixture.write("deploy/a b/x.yaml", "a: 1\nb: '@KeyVault(SecretName=)'\n");
    runner.fixture.write("deploy/y.yaml", "c: '@KeyVault(VaultName=stranger;SecretName=db)'\n");
    let files = "settings.toml\ndeploy/a b/*.yaml\n**/y.yaml\n";
    let vault = runner.fixture.emulator.vault_url();
    let output = runner.check(&[("files", files), ("vaults", &format!("{vault}\n"))]).await;
    output.assert_code(1);
    for line in ["::error file=deploy/a b/x.yaml,line=2,", "::error file=deploy/y.yaml,line=1,"] {
        assert!(output.out.contains(line), "{line}\n{}\n{}", output.out, output.err);
    }
    assert!(runner.fixture.emulator.request_log().is_empty(), "the default is offline");

    runner.check(&[("files", "settings.toml")]).await.assert_code(0);
    let inputs = [("files", "settings.toml"), ("vaults", vault), ("offline", "false")];
    let output = runner.check(&inputs).await;
    assert!(output.assert_code(3).out.contains("::error file=settings.toml,line=1,"), "{}", output.out);
    runner.fixture.emulator.set("db", CANARY);
    runner.check(&inputs).await.assert_code(0).assert_no_canary();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_without_files_fails() {
    let runner = Runner::start().await;
    for files in ["", "\n", "*.yaml"] {
        let output = runner.check(&[("files", files)]).await;
        assert!(output.assert_code(2).out.starts_with("::error "), "{files:?}: {}", output.out);
    }
    let output = runner.check(&[("files", "missing.toml")]).await;
    assert!(output.assert_code(1).out.contains("missing.toml: "), "{}", output.out);
    // A file name is never an option.
    let output = runner.check(&[("files", "--env")]).await;
    assert!(output.assert_code(1).out.contains("--env: "), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exported_secrets_are_masked_line_by_line_and_set_unchanged() {
    let runner = Runner::start().await;
    for value in [
        "hunter2",
        "100%0A % ::add-mask::x",
        "-----BEGIN KEY-----\nc2VjcmV0\n\n  indented\n-----END KEY-----",
        "first\r\nsecond",
        "-n",
        "a & b $HOME `id` 'q' \"q\" \\",
        "EOF\nPATH=/evil\n",
    ] {
        runner.fixture.emulator.set("db", value);
        let output = runner.export("DB=db\n").await;
        output.assert_code(0);
        let masks: Vec<String> = output
            .out
            .lines()
            .map(|line| unescaped(line.strip_prefix("::add-mask::").unwrap_or_else(|| panic!("a mask: {line}"))))
            .collect();
        assert!(masks.iter().any(|mask| mask == value), "{value:?}: {masks:?}");
        for line in value.lines().filter(|line| !line.trim().is_empty()) {
            assert!(masks.iter().any(|mask| mask == line), "{line:?}: {masks:?}");
        }
        assert!(masks.iter().all(|mask| !mask.trim().is_empty()), "an empty mask hides the whole log: {masks:?}");
        assert!(output.err.is_empty(), "{}", output.err);
        // `lines` of the helper takes the CR of a line end away.
        assert_eq!(runner.variables(), [("DB".to_owned(), value.replace("\r\n", "\n"))], "{value:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_takes_references_and_sets_nothing_if_one_fails() {
    let runner = Runner::start().await;
    runner.fixture.emulator.set("db", "hunter2");
    runner.fixture.emulator.set_secret("off", SetSecret::new(CANARY).enabled(false));
    let secrets = "A=db\nURL=postgres://app:@KeyVault(SecretName=db;Encode=url)@db/shop\n\
                   GONE=@KeyVault(SecretName=gone;Optional=true)";
    runner.export(secrets).await.assert_code(0);
    let expected = [("A", "hunter2"), ("URL", "postgres://app:hunter2@db/shop")];
    assert_eq!(runner.variables(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    for (secrets, code) in [
        ("A=db\nB=gone", 3),
        ("A=db\nB=off", 3),
        ("A=db\nB=@KeyVault(SecretName=db;VaultName=stranger)", 4),
        ("A=db\nsecret", 2),
        ("A=db\n1A=db", 2),
        ("A=db\nB C=db", 2),
        ("A=db\nB=a_b", 2),
        ("A=db\nB=", 2),
        ("", 2),
    ] {
        let output = runner.export(secrets).await;
        assert_eq!(output.code, Some(code), "{secrets:?}: {}\n{}", output.out, output.err);
        output.assert_no_canary();
        assert_eq!(runner.variables(), [], "{secrets:?}");
        assert!(!output.out.contains("hunter2"), "{secrets:?}: {}", output.out);
    }
}

#[tokio::test]
async fn the_binary_of_the_release_is_installed_after_its_provenance_is_verified() {
    let name = concat!("keyvault-", env!("CARGO_PKG_VERSION"), "-x86_64-unknown-linux-musl");
    let binary = format!("{name}/keyvault");
    for verified in ["0", "1"] {
        let runner = Runner::start().await;
        // Stands for GitHub's command: `release` makes an archive, and `attestation` verifies it or fails.
        std::fs::create_dir_all(runner.fixture.directory().join("bin")).expect("a folder");
        let gh = runner.fixture.write(
            "bin/gh",
            &format!(
                "#!/bin/sh\necho \"gh $*\"\n[ \"$1\" = release ] || exit {verified}\n\
                 mkdir {name} && echo '#!/bin/sh' > {binary} && tar -czf {name}.tar.gz {name} && rm -r {name}\n"
            ),
        );
        std::fs::set_permissions(gh, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut command = Command::new("bash");
        command.arg(format!("{ACTIONS}/install.sh"));
        runner.set_environment(&mut command);
        command
            .env("PATH", format!("{}:/usr/bin:/bin", runner.fixture.path("bin")))
            .env("RUNNER_TEMP", runner.fixture.directory())
            .env("RUNNER_OS", "Linux")
            .env("RUNNER_ARCH", "X64");
        let output = run(command).await;
        let download = format!("gh release download v{} ", env!("CARGO_PKG_VERSION"));
        assert!(output.out.starts_with(&download), "{}{}", output.out, output.err);
        assert!(output.out.contains(&format!("\ngh attestation verify {name}.tar.gz ")), "{}", output.out);
        let is_installed = runner.fixture.directory().join(&binary).exists();
        let path = runner.fixture.read("github_path");
        if verified == "0" {
            output.assert_code(0);
            assert!(is_installed, "{}", output.err);
            assert_eq!(path, format!("{}\n", runner.fixture.path(name)));
        } else {
            output.assert_code(1);
            assert!(!is_installed && path.is_empty(), "an archive of unknown provenance is not unpacked: {path}");
        }
    }
}
