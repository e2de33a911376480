//! Environment variables for one test.

use std::process::Command;

/// Variables of an environment without any identity: no metadata service answers, and no tool is found.
pub const NOWHERE: [(&str, &str); 2] =
    [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1"), ("PATH", "/nowhere")];

/// Runs a whole test in a child process with `variables`, because a process cannot safely change its own.
pub fn with_variables<F: Fn()>(variables: &[(&str, &str)], test: F) {
    const CHILD: &str = "KEYVAULT_TEST_CHILD";
    let path = std::any::type_name::<F>();
    let name = path.trim_end_matches("::{{closure}}").split_once("::").unwrap().1;
    if std::env::var(CHILD).as_deref() == Ok(name) {
        return test();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args([name, "--exact", "--nocapture"]).env(CHILD, name).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
