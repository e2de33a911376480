//! The variables of the child: before and after references are resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use keyvault::{Key, NameMap, SecretId, Segment, Template};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::report::Findings;
use crate::settings::{self, Entry, has_marker};
use crate::vaults::Vaults;

/// What the child gets that this process has not, and what it does not get.
pub(crate) struct Variables {
    /// Those in which references stand, by name.
    marked: BTreeMap<String, Entry>,
    /// Those of files in which none stands.
    plain: BTreeMap<String, Zeroizing<String>>,
    withheld: Vec<&'static str>,
    /// The secrets that become variables by their names.
    names: Option<NameMap>,
}

/// What the child is started with.
#[derive(Default)]
pub(crate) struct Environment {
    values: BTreeMap<String, Value>,
    withheld: Vec<&'static str>,
    /// Every text that came out of a vault, alone.
    secrets: Vec<Zeroizing<String>>,
}

struct Value {
    /// None where an optional secret does not exist: the variable is unset.
    text: Option<Zeroizing<String>>,
    versions: Vec<SecretId>,
}

impl Variables {
    /// Reads the environment of this process and `files`. The environment wins over files, a later file over an earlier.
    pub(crate) fn read(files: &[String], names: Option<NameMap>, keep_credentials: bool) -> Result<Self, Failure> {
        let withheld =
            |name: &&&str| !keep_credentials && std::env::var_os(name).is_some_and(|value| !is_marked(&value));
        let withheld: Vec<&'static str> = CREDENTIALS.iter().filter(withheld).copied().collect();
        let mut variables = Self { marked: BTreeMap::new(), plain: BTreeMap::new(), withheld, names };
        for file in files {
            variables.read_file(file)?;
        }
        for (name, value) in std::env::vars_os().filter(|(_, value)| is_marked(value)) {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                return Err(Failure::usage(format!("variable {} is not UTF-8 text", name.to_string_lossy())));
            };
            variables.marked.insert(name.to_owned(), entry(name, format!("variable {name}"), value.to_owned()));
        }
        Ok(variables)
    }

    fn read_file(&mut self, path: &str) -> Result<(), Failure> {
        let (file, text) = settings::read_text(path)?;
        let read = settings::parse_dotenv(&text);
        let read = read.map_err(|(line, clause)| Failure::usage(format!("{file}:{line}: {clause}")))?;
        for variable in read {
            if self.is_inherited(&variable.name) {
                continue;
            }
            let place = format!("{file}:{}", variable.first);
            self.plain.remove(&variable.name);
            self.marked.remove(&variable.name);
            if has_marker(&variable.value) {
                let entry = entry(&variable.name, place, variable.value.to_string());
                self.marked.insert(variable.name, entry);
            } else if variable.value.contains('\0') {
                return Err(holds_nul(&variable.name, &place));
            } else {
                self.plain.insert(variable.name, variable.value);
            }
        }
        Ok(())
    }

    /// Tells whether the child has the variable from this process.
    fn is_inherited(&self, name: &str) -> bool {
        std::env::var_os(name).is_some() && !self.withheld.contains(&name)
    }

    /// Tells whether a vault, or at least a parser, has anything to do.
    pub(crate) fn is_plain(&self) -> bool {
        self.marked.is_empty() && self.names.is_none()
    }

    /// Gives what the child is started with, where nothing is to be resolved.
    pub(crate) fn unresolved(self) -> Environment {
        let value = |text| Value { text: Some(text), versions: Vec::new() };
        let values = self.plain.into_iter().map(|(name, text)| (name, value(text))).collect();
        Environment { values, withheld: self.withheld, secrets: Vec::new() }
    }

    /// Asks the vaults. Everything that cannot be resolved is in one failure.
    pub(crate) async fn resolve(&self, vaults: &Vaults) -> Result<Environment, Failure> {
        let mut environment = Environment { withheld: self.withheld.clone(), ..Environment::default() };
        let checked = vaults.check(self.marked.values()).await?;
        Findings::of(&checked.report, &[], checked.waiting()).into_result()?;
        if let Some(map) = &self.names {
            self.add_named(vaults, map, &mut environment).await?;
        }
        for (name, text) in &self.plain {
            let value = Value { text: Some(text.clone()), versions: Vec::new() };
            environment.values.insert(name.clone(), value);
        }
        for (name, text) in checked.values() {
            let Some(entry) = self.marked.get(&name) else { continue };
            let value = match text {
                None => Value { text: None, versions: Vec::new() },
                Some(text) => Value {
                    text: Some(Zeroizing::new(text.expose_secret().to_owned())),
                    versions: text.secrets().to_vec(),
                },
            };
            if value.text.as_ref().is_some_and(|text| text.contains('\0')) {
                return Err(holds_nul(&name, &entry.place));
            }
            environment.values.insert(name, value);
            environment.secrets.extend(parts(vaults, entry).await?);
        }
        Ok(environment)
    }

    async fn add_named(&self, vaults: &Vaults, map: &NameMap, environment: &mut Environment) -> Result<(), Failure> {
        for (key, secret) in vaults.named(map).await?.iter() {
            let name = variable(key);
            if self.is_inherited(&name) || self.plain.contains_key(&name) || self.marked.contains_key(&name) {
                continue;
            }
            let text = Zeroizing::new(secret.expose_secret().to_owned());
            if text.contains('\0') {
                return Err(holds_nul(&name, &format!("secret {}", secret.id())));
            }
            environment.secrets.push(text.clone());
            environment.values.insert(name, Value { text: Some(text), versions: vec![secret.id().clone()] });
        }
        Ok(())
    }
}

fn is_marked(value: &OsStr) -> bool {
    has_marker(&value.to_string_lossy())
}

fn entry(name: &str, place: String, text: String) -> Entry {
    Entry { key: Key::root().member(name), place, document: 0, text: Some(Zeroizing::new(text)) }
}

fn holds_nul(name: &str, place: &str) -> Failure {
    Failure::usage(format!("the value of {name} ({place}) has a NUL in it, which no environment variable can hold"))
}

/// Gives what each reference in a value stands for. The vault was asked a moment ago.
async fn parts(vaults: &Vaults, entry: &Entry) -> Result<Vec<Zeroizing<String>>, Failure> {
    let text = entry.text.as_deref().map_or("", String::as_str);
    let mut parts = Vec::new();
    for (range, _) in Template::scan(text) {
        if let Some(part) = vaults.resolve(&text[range]).await? {
            parts.push(Zeroizing::new(part.expose_secret().to_owned()));
        }
    }
    Ok(parts)
}

/// Names the variable of a key as App Service does: `database.password` is `DATABASE__PASSWORD`.
fn variable(key: &Key) -> String {
    let segments = key.segments().iter().map(|segment| match segment {
        Segment::Name(name) => name.to_ascii_uppercase(),
        Segment::Index(index) => index.to_string(),
    });
    segments.collect::<Vec<_>>().join("__")
}

impl Environment {
    /// Gives the environment to a command that inherits the rest.
    pub(crate) fn apply(&self, command: &mut std::process::Command) {
        for name in &self.withheld {
            command.env_remove(name);
        }
        for (name, value) in &self.values {
            match &value.text {
                Some(text) => command.env(name, text.as_str()),
                None => command.env_remove(name),
            };
        }
    }

    /// Gives every text that came out of a vault.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|text| text.as_str())
    }

    /// Names the variables that are others in `newer`. A new version of the same text is no change for the child.
    pub(crate) fn changed<'a>(&'a self, newer: &'a Self) -> BTreeSet<&'a str> {
        let names = self.values.keys().chain(newer.values.keys());
        let differs = |name: &&String| match (self.values.get(*name), newer.values.get(*name)) {
            (Some(old), Some(new)) => old.versions != new.versions && old.text != new.text,
            _ => true,
        };
        names.filter(differs).map(String::as_str).collect()
    }
}

/// What the credential chain and the platform's identities are configured by.
pub(crate) const CREDENTIALS: [&str; 17] = [
    "KEYVAULT_TOKEN",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
    "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(values: &[(&str, Option<&str>, &str)]) -> Environment {
        let id = |version: &str| {
            keyvault::SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/a/{version}")).unwrap()
        };
        let value = |(name, text, version): &(&str, Option<&str>, &str)| {
            let text = text.map(|text| Zeroizing::new(text.to_owned()));
            ((*name).to_owned(), Value { text, versions: vec![id(version)] })
        };
        Environment { values: values.iter().map(value).collect(), ..Environment::default() }
    }

    #[test]
    fn a_change_is_another_text_of_another_version() {
        let old = environment(&[("A", Some("1"), "1"), ("B", Some("1"), "1"), ("C", None, "1"), ("D", Some("1"), "1")]);
        let new =
            environment(&[("A", Some("1"), "2"), ("B", Some("2"), "2"), ("C", Some("1"), "2"), ("E", Some("1"), "1")]);
        assert_eq!(Vec::from_iter(old.changed(&new)), ["B", "C", "D", "E"]);
        assert!(old.changed(&old).is_empty());
    }

    #[test]
    fn keys_become_variables() {
        let key = Key::root().member("database").member("pass_word");
        assert_eq!(variable(&key), "DATABASE__PASS_WORD");
    }
}
