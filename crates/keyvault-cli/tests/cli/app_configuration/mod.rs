//! `--app-configuration` of every command that has it.

mod check;
mod failures;
mod render;
mod run;

use std::process::Command;

use keyvault_emulator::SetKeyValue;

use crate::fixture::{CommandOutput, Fixture};

/// A vault and a store in one emulator.
struct StoreFixture(Fixture);

impl StoreFixture {
    async fn start() -> Self {
        Self(Fixture::start().await)
    }

    fn set(&self, key: &str, value: &str) {
        self.set_with(key, SetKeyValue::new(value));
    }

    /// Sets a key-value: `KEY` or `KEY@LABEL`.
    fn set_with(&self, key: &str, set: SetKeyValue) {
        let (key, set) = match key.split_once('@') {
            Some((key, label)) => (key, set.label(label)),
            None => (key, set),
        };
        self.0.emulator.app_configuration("").set_key_value(key, set);
    }

    /// Sets a Key Vault reference to a secret of the vault.
    fn refer(&self, key: &str, secret: &str) {
        let uri = format!("{}/secrets/{secret}", self.0.emulator.vault_url());
        self.set_with(key, SetKeyValue::secret_reference(uri));
    }

    /// Returns the subcommand `name` with the vault, and with the store in the variable.
    fn command(&self, name: &str, options: &[&str]) -> Command {
        let mut command = self.0.command(name);
        command.args(options);
        command.env("KEYVAULT_APP_CONFIGURATION", self.connection_string());
        command
    }

    fn run_command(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.command("run", options);
        command.arg("--").args(words);
        command
    }

    fn connection_string(&self) -> String {
        self.0.emulator.app_configuration("").connection_string()
    }

    /// Returns the number of requests so far.
    fn requests(&self) -> u64 {
        self.0.emulator.requests().total
    }

    /// Returns the content of a file. Empty if it does not exist.
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path(name)).unwrap_or_default()
    }
}

fn variables(output: &CommandOutput) -> Vec<&str> {
    output.assert_code(0).out.split('\0').collect()
}
