//! The variables of the child before references are resolved.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use keyvault::settings::{Key, Segment};
use keyvault::{NameMap, Template};
use zeroize::Zeroizing;

use super::environment::{ChildEnvironment, Value};
use crate::failure::Failure;
use crate::report::ReferenceReport;
use crate::settings::{self, Entry, may_contain_reference};
use crate::vault::{AllowedVaults, CREDENTIAL_VARIABLES};

/// The variables that the child gets in addition to ours, and the ones that it does not inherit.
pub(super) struct UnresolvedEnvironment {
    /// The variables with references, by name.
    references: BTreeMap<String, Entry>,
    /// The variables of files without references.
    plain: BTreeMap<String, Zeroizing<String>>,
    withheld: Vec<&'static str>,
    /// Selects the secrets that become variables by their names.
    names: Option<NameMap>,
}

impl UnresolvedEnvironment {
    /// Reads our environment and `files`. The environment overrides files, and a later file an earlier one.
    pub(super) fn read(files: &[String], names: Option<NameMap>, keep_credentials: bool) -> Result<Self, Failure> {
        let is_withheld =
            |name: &&&str| !keep_credentials && std::env::var_os(name).is_some_and(|value| !has_reference(&value));
        let withheld: Vec<&'static str> = CREDENTIAL_VARIABLES.iter().filter(is_withheld).copied().collect();
        let mut variables = Self { references: BTreeMap::new(), plain: BTreeMap::new(), withheld, names };
        for file in files {
            variables.read_file(file)?;
        }
        for (name, value) in std::env::vars_os().filter(|(_, value)| has_reference(value)) {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                return Err(Failure::usage(format!("variable {} is not UTF-8 text", name.to_string_lossy())));
            };
            variables.references.insert(name.to_owned(), entry(name, format!("variable {name}"), value.to_owned()));
        }
        Ok(variables)
    }

    fn read_file(&mut self, path: &str) -> Result<(), Failure> {
        let (file, text) = settings::read_text(path)?;
        let variables =
            settings::dotenv_variables(&text).map_err(|error| Failure::usage(error.in_file(&file).to_string()))?;
        for variable in variables {
            if self.is_inherited(&variable.name) {
                continue;
            }
            let origin = format!("{file}:{}", variable.first_line);
            self.plain.remove(&variable.name);
            self.references.remove(&variable.name);
            if may_contain_reference(&variable.value) {
                let entry = entry(&variable.name, origin, variable.value.to_string());
                self.references.insert(variable.name, entry);
            } else if variable.value.contains('\0') {
                return Err(contains_nul(&variable.name, &origin));
            } else {
                self.plain.insert(variable.name, variable.value);
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
        self.references.is_empty() && self.names.is_none()
    }

    /// Converts an environment that [is plain](Self::is_plain).
    pub(super) fn into_plain(self) -> ChildEnvironment {
        let values = self.plain.into_iter().map(|(name, text)| (name, Value::plain(text))).collect();
        ChildEnvironment { values, withheld: self.withheld, secrets: Vec::new() }
    }

    /// Fetches the secrets.
    ///
    /// # Errors
    ///
    /// One failure that reports every reference that cannot be resolved.
    pub(super) async fn resolve(&self, vaults: &AllowedVaults) -> Result<ChildEnvironment, Failure> {
        let mut environment = ChildEnvironment { withheld: self.withheld.clone(), ..ChildEnvironment::default() };
        let outcome = vaults.check(self.references.values()).await?;
        ReferenceReport::new(&outcome.report, &[], outcome.transient_settings()).into_result()?;
        if let Some(map) = &self.names {
            self.add_mapped(vaults, map, &mut environment).await?;
        }
        for (name, text) in &self.plain {
            environment.values.insert(name.clone(), Value::plain(text.clone()));
        }
        for (name, resolved) in outcome.values() {
            let Some(entry) = self.references.get(&name) else { continue };
            let text = resolved.map(|text| Zeroizing::new(text.expose_secret().to_owned()));
            let versions = resolved.map(|text| text.secrets().to_vec()).unwrap_or_default();
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                return Err(contains_nul(&name, &entry.origin));
            }
            environment.values.insert(name, Value { text, versions });
            environment.secrets.extend(secret_values(vaults, entry).await?);
        }
        Ok(environment)
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
            if self.is_inherited(&name) || self.plain.contains_key(&name) || self.references.contains_key(&name) {
                continue;
            }
            let text = Zeroizing::new(secret.expose_secret().to_owned());
            if text.contains('\0') {
                return Err(contains_nul(&name, &format!("secret {}", secret.id())));
            }
            environment.secrets.push(text.clone());
            environment.values.insert(name, Value { text: Some(text), versions: vec![secret.id().clone()] });
        }
        Ok(())
    }
}

fn has_reference(value: &OsStr) -> bool {
    may_contain_reference(&value.to_string_lossy())
}

fn entry(name: &str, origin: String, text: String) -> Entry {
    Entry { key: Key::root().member(name), origin, document: 0, text: Some(Zeroizing::new(text)) }
}

fn contains_nul(name: &str, origin: &str) -> Failure {
    Failure::usage(format!("the value of {name} ({origin}) contains a NUL, which an environment variable cannot hold"))
}

/// Returns the value of each reference in `entry`, from the cache that the check filled.
async fn secret_values(vaults: &AllowedVaults, entry: &Entry) -> Result<Vec<Zeroizing<String>>, Failure> {
    let text = entry.text.as_deref().map_or("", String::as_str);
    let mut values = Vec::new();
    for (range, _) in Template::scan(text) {
        if let Some(value) = vaults.resolve(&text[range]).await? {
            values.push(Zeroizing::new(value.expose_secret().to_owned()));
        }
    }
    Ok(values)
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
