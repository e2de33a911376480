//! The output of `keyvault check` for machines: JSON and annotations.

use keyvault_test_support::json_schema::assert_conforms;

use crate::fixture::{CANARY, Fixture, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_output_conforms_to_the_schema() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    fixture.write("good.toml", "a = '@KeyVault(SecretName=db)'\nb = '@KeyVault('\n");
    fixture.write("bad.json", "{\"a\": \"@KeyVault(SecretName=gone)\", x}");
    fixture.write("main.bicep", "var a = '@KeyVault(SecretName=${name})'\nvar b = 'KeyVault(SecretName=db)'\n");
    let schema = serde_json::from_str(include_str!("../../../../docs/schemas/report.schema.json")).expect("a schema");
    for (arguments, problems, notes, rows) in [
        (&["good.toml"][..], 0, 0, 2),
        (&["good.toml", "bad.json", "main.bicep", "missing.env"], 3, 1, 3),
        (&["--env", "--offline"], 0, 1, 0),
    ] {
        let mut command = fixture.command("check");
        command.args(arguments).arg("--json").env("CI_COMMIT_TITLE", "@KeyVault(SecretName=db)");
        let report = run(command).await.json();
        assert_conforms(&report, &schema);
        let lengths = ["problems", "notes", "rows"].map(|name| report[name].as_array().map(Vec::len));
        assert_eq!(lengths, [Some(problems), Some(notes), Some(rows)], "{arguments:?}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotations_name_the_file_and_line_of_each_failure() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    fixture.write("a.toml", "good = '@KeyVault(SecretName=db)'\n\ngone = '@KeyVault(SecretName=gone)'\n");
    fixture.write("b.json", "{\"a\": 1,\n x}");
    fixture.write("main.bicep", "var a = '@KeyVault(SecretName=${name})'\n");
    let mut command = fixture.command("check");
    command.args(["--github", "a.toml", "b.json", "main.bicep", "--env-prefix", "SHOP_"]);
    command.env("SHOP_URL", "@KeyVault(SecretName=gone)");
    let output = run(command).await;
    output.assert_code(1).assert_no_canary();
    for line in [
        "::error file=a.toml,line=3,title=Key Vault reference::gone: gone in ",
        "::error file=b.json,line=2,title=Key Vault reference::",
        "::error title=Key Vault reference::variable SHOP_URL: url: gone in ",
        "::notice file=main.bicep,line=1,title=Key Vault reference::",
        "3 references: 1 resolved, 2 not resolved",
    ] {
        assert!(output.out.lines().any(|printed| printed.starts_with(line)), "{line}\n{}", output.out);
    }
    assert_eq!(output.out.lines().count(), 5, "{}", output.out);
}

#[tokio::test]
async fn annotations_name_files_relative_to_the_workspace() {
    let fixture = Fixture::start().await;
    let directory = fixture.directory();
    for path in ["repository/deploy/app", "repository2"] {
        std::fs::create_dir_all(directory.join(path)).expect("a directory");
    }
    let absolute = fixture.path("repository/a.toml");
    for path in ["repository/a.toml", "repository/deploy/app/a.toml", "repository2/a.toml"] {
        fixture.write(path, "a = '@KeyVault(SecretNam=db)'\n");
    }
    let outside = "../../../repository2/a.toml";
    for (file, workspace, expected) in [
        ("a.toml", "repository", "deploy/app/a.toml"),
        ("../../a.toml", "repository", "a.toml"),
        (&absolute, "repository", "a.toml"),
        (outside, "repository", outside),
        ("a.toml", "missing", "a.toml"),
    ] {
        let mut command = fixture.command("check");
        command.current_dir(directory.join("repository/deploy/app"));
        command.args(["--offline", "--github", file]).env("GITHUB_WORKSPACE", directory.join(workspace));
        let output = run(command).await;
        output.assert_code(2);
        assert!(output.out.starts_with(&format!("::error file={expected},line=1,")), "{file}: {}", output.out);
    }
}
