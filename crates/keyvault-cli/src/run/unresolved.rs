//! The variables of the child before references are resolved.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use keyvault::settings::{Key, Segment};
use keyvault::{NameMap, Template};
use zeroize::Zeroizing;

use super::code_variables::changes_programs;
use super::environment::{ChildEnvironment, SecretText, Value};
use super::variables::{Notes, Variables, contains_nul};
use crate::failure::Failure;
use crate::report::ReferenceReport;
use crate::settings::{self, Entry, EnvVariable, SelectionArguments, may_contain_reference, needs_check};
use crate::store::SettingsStore;
use crate::terminal::printable;
use crate::vault::{AllowedVaults, credential_variables};

/// The variables that the child gets in addition to ours, and the ones that it does not inherit.
pub(super) struct UnresolvedEnvironment {
    /// Our variables with references, and those of files.
    variables: Variables,
    withheld: Vec<&'static str>,
    selection: SelectionArguments,
    /// The names of our variables and of those of files.
    known: Vec<String>,
    /// The store whose settings become variables.
    store: Option<SettingsStore>,
    /// Selects the secrets that become variables by their names.
    names: Option<NameMap>,
    notes: Notes,
}

impl UnresolvedEnvironment {
    /// Reads our environment and `files`. The environment overrides files, and a later file an earlier one.
    pub(super) fn read(
        files: &[String],
        selection: SelectionArguments,
        keep_credentials: bool,
    ) -> Result<Self, Failure> {
        let is_resolved = |name: &str, value: &OsStr| needs_check(&value.to_string_lossy()) && selection.includes(name);
        let is_withheld =
            |name: &&str| !keep_credentials && std::env::var_os(name).is_some_and(|value| !is_resolved(name, &value));
        let withheld: Vec<&'static str> = credential_variables().filter(is_withheld).collect();
        let mut environment = Self {
            variables: Variables::default(),
            withheld,
            selection: selection.clone(),
            known: Vec::new(),
            store: None,
            names: None,
            notes: Notes::default(),
        };
        for file in files {
            environment.read_file(file)?;
        }
        for (name, value) in std::env::vars_os() {
            let full_name = name.to_string_lossy().into_owned();
            if is_resolved(&full_name, &value) {
                let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                    return Err(Failure::usage(format!("variable {full_name} is not UTF-8 text")));
                };
                let text = Zeroizing::new(value.to_owned());
                let context = (&selection, &environment.notes);
                environment.variables.set(name, format!("variable {name}"), text, context)?;
            } else if may_contain_reference(&value.to_string_lossy()) && selection.protects(&full_name) {
                environment.notes.print_left_alone(&full_name, "variable");
            }
            environment.known.push(full_name);
        }
        Ok(environment)
    }

    /// Adds the settings of a store, and the secrets that `names` selects. Variables that are set already stay.
    pub(super) fn with_lower_layers(mut self, store: Option<SettingsStore>, names: Option<NameMap>) -> Self {
        if store.is_none() {
            self.report_unmatched(&self.known);
        }
        (self.store, self.names) = (store, names);
        self
    }

    /// Prints the patterns of `--only` and `--except` that match none of `names`.
    fn report_unmatched(&self, names: &[String]) {
        for pattern in self.selection.unmatched(names) {
            self.notes.print(&format!("{pattern} matches no variable"));
        }
    }

    fn read_file(&mut self, path: &str) -> Result<(), Failure> {
        let file = settings::read_text(path)?;
        let (variables, problems) = settings::env_file(&file);
        if !problems.is_empty() {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(Failure::usage(problems.join("\n")));
        }
        for EnvVariable { name, value, origin } in variables {
            self.known.push(name.clone());
            // A bare name passes on a variable, even one that is withheld otherwise.
            let Some(value) = value else {
                self.withheld.retain(|withheld| *withheld != name);
                continue;
            };
            if !self.is_inherited(&name) {
                self.variables.set(&name, origin, value, (&self.selection, &self.notes))?;
            }
        }
        Ok(())
    }

    /// Returns whether the child inherits the variable from us.
    fn is_inherited(&self, name: &str) -> bool {
        std::env::var_os(name).is_some() && !self.withheld.contains(&name)
    }

    /// Returns whether there is nothing to fetch.
    pub(super) fn is_plain(&self) -> bool {
        self.variables.references.is_empty() && self.names.is_none() && self.store.is_none()
    }

    /// Converts an environment that [is plain](Self::is_plain).
    #[cfg(unix)]
    pub(super) fn into_plain(self) -> ChildEnvironment {
        let values = self.variables.plain.into_iter().map(|(name, text)| (name, Value::plain(text))).collect();
        ChildEnvironment { values, withheld: self.withheld, secrets: Vec::new() }
    }

    /// Reads the store and fetches the secrets.
    ///
    /// # Errors
    ///
    /// A failure of the store, or one failure that reports every reference that cannot be resolved.
    pub(super) async fn resolve(&self, vaults: &AllowedVaults) -> Result<ChildEnvironment, Failure> {
        let mut environment = ChildEnvironment { withheld: self.withheld.clone(), ..ChildEnvironment::default() };
        let stored = match &self.store {
            Some(store) => self.stored(store).await?,
            None => Variables::default(),
        };
        let references: BTreeMap<&String, &Entry> =
            self.variables.references.iter().chain(&stored.references).collect();
        let outcome = vaults.check(references.values().copied()).await?;
        let report = ReferenceReport::new(&outcome.report, &[], outcome.exit_codes()).into_result();
        report.map_err(|failure| with_exception(failure, &references))?;
        for (name, text) in self.variables.plain.iter().chain(&stored.plain) {
            environment.values.insert(name.clone(), Value::plain(text.clone()));
        }
        for (name, resolved) in outcome.values() {
            let Some(entry) = references.get(&name) else { continue };
            let text = resolved.map(|text| Zeroizing::new(text.expose_secret().to_owned()));
            let versions = resolved.map(|text| text.secrets().to_vec()).unwrap_or_default();
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                return Err(contains_nul(&name, &entry.origin));
            }
            let template = entry.text.clone().unwrap_or_default();
            environment.values.insert(name, Value { text, template, versions });
            environment.secrets.extend(secret_texts(vaults, entry).await?);
        }
        if let Some(map) = &self.names {
            self.add_mapped(vaults, map, &mut environment).await?;
        }
        Ok(environment)
    }

    /// Reads the variables of the store, except those that are set already.
    async fn stored(&self, store: &SettingsStore) -> Result<Variables, Failure> {
        let contents = store.read().await?;
        let (settings, mut problems) = contents.settings();
        let mut variables = Variables::default();
        for setting in &settings {
            let name = setting.variable();
            if changes_programs(&name) {
                self.note_code_variable(&name, &setting.origin());
            } else if !self.is_inherited(&name) && !self.variables.contains(&name) {
                match setting.selected_text(&self.selection) {
                    Ok(text) => variables.set(&name, setting.origin(), text, (&self.selection, &self.notes))?,
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if !problems.is_empty() {
            let problems: Vec<String> = problems.iter().map(|problem| printable(&problem.to_string())).collect();
            return Err(Failure::usage(problems.join("\n")));
        }
        let names = settings.iter().map(|setting| setting.variable());
        self.report_unmatched(&self.known.iter().cloned().chain(names).collect::<Vec<_>>());
        Ok(variables)
    }

    /// Adds the secrets that `map` selects, except those whose variable is already set.
    async fn add_mapped(
        &self,
        vaults: &AllowedVaults,
        map: &NameMap,
        environment: &mut ChildEnvironment,
    ) -> Result<(), Failure> {
        for (key, secret) in vaults.mapped(map).await?.iter() {
            let name = variable_name(key);
            if changes_programs(&name) {
                self.note_code_variable(&name, &secret.id().to_string());
                continue;
            }
            if self.is_inherited(&name) || environment.values.contains_key(&name) {
                continue;
            }
            let text = Zeroizing::new(secret.expose_secret().to_owned());
            if text.contains('\0') {
                return Err(contains_nul(&name, &format!("secret {}", secret.id())));
            }
            let place = format!("secret {} (variable {name})", secret.id().name());
            environment.secrets.push(SecretText { place, text: text.clone() });
            let (template, versions) = (Zeroizing::default(), vec![secret.id().clone()]);
            environment.values.insert(name, Value { text: Some(text), template, versions });
        }
        Ok(())
    }

    fn note_code_variable(&self, name: &str, origin: &str) {
        self.notes.print(&format!("{origin} is not set as {name}, because this variable makes programs run code"));
    }
}

/// Adds how to pass on text that only looks like a reference.
fn with_exception(failure: Failure, references: &BTreeMap<&String, &Entry>) -> Failure {
    let near_miss = references.iter().find(|(_, entry)| !entry.may_contain_reference());
    match (failure, near_miss) {
        (Failure::References { report, code }, Some((name, _))) => {
            let report = format!("{report}To pass on text that only looks like a reference: --except {name}");
            Failure::References { report, code }
        }
        (failure, _) => failure,
    }
}

/// Returns the value of each reference in `entry`, from the cache that the check filled.
async fn secret_texts(vaults: &AllowedVaults, entry: &Entry) -> Result<Vec<SecretText>, Failure> {
    let text = entry.text.as_deref().map_or("", String::as_str);
    let mut texts = Vec::new();
    for (range, _) in Template::scan(text) {
        if let Some(value) = vaults.resolve(&text[range]).await? {
            let names: Vec<&str> = value.secrets().iter().map(|id| id.name().as_str()).collect();
            let place = format!("secret {} (variable {})", names.join(", "), entry.key);
            texts.push(SecretText { place, text: Zeroizing::new(value.expose_secret().to_owned()) });
        }
    }
    Ok(texts)
}

/// Names the variable of a key as App Service does: `database.password` becomes `DATABASE__PASSWORD`.
fn variable_name(key: &Key) -> String {
    let segments = key.segments().iter().map(|segment| match segment {
        Segment::Name(name) => name.to_ascii_uppercase(),
        Segment::Index(index) => index.to_string(),
    });
    segments.collect::<Vec<_>>().join("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_an_upper_case_variable_name() {
        let key = Key::root().member("database").member("pass_word");
        assert_eq!(variable_name(&key), "DATABASE__PASS_WORD");
    }
}
