//! The variables of the child before references are resolved.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use keyvault::settings::{Key, Segment};
use keyvault::{NameMap, Template};
use zeroize::Zeroizing;

use super::environment::{ChildEnvironment, SecretText, Value};
use crate::failure::Failure;
use crate::report::ReferenceReport;
use crate::settings::{self, Entry, EnvVariable, LEFT_ALONE, SelectionArguments, may_contain_reference, needs_check};
use crate::vault::{AllowedVaults, credential_variables};

/// The variables that the child gets in addition to ours, and the ones that it does not inherit.
pub(super) struct UnresolvedEnvironment {
    /// The variables with references, or with text that was meant to be one, by name.
    references: BTreeMap<String, Entry>,
    /// The variables of files without references.
    plain: BTreeMap<String, Zeroizing<String>>,
    withheld: Vec<&'static str>,
    /// Selects the secrets that become variables by their names.
    names: Option<NameMap>,
    selection: SelectionArguments,
}

impl UnresolvedEnvironment {
    /// Reads our environment and `files`. The environment overrides files, and a later file an earlier one.
    pub(super) fn read(
        files: &[String],
        selection: SelectionArguments,
        names: Option<NameMap>,
        keep_credentials: bool,
    ) -> Result<Self, Failure> {
        let is_resolved = |name: &str, value: &OsStr| needs_check(&value.to_string_lossy()) && selection.includes(name);
        let is_withheld =
            |name: &&str| !keep_credentials && std::env::var_os(name).is_some_and(|value| !is_resolved(name, &value));
        let withheld: Vec<&'static str> = credential_variables().filter(is_withheld).collect();
        let mut variables =
            Self { references: BTreeMap::new(), plain: BTreeMap::new(), withheld, names, selection: selection.clone() };
        let mut known: Vec<String> = Vec::new();
        for file in files {
            variables.read_file(file, &mut known)?;
        }
        for (name, value) in std::env::vars_os() {
            let full_name = name.to_string_lossy().into_owned();
            if is_resolved(&full_name, &value) {
                let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                    return Err(Failure::usage(format!("variable {full_name} is not UTF-8 text")));
                };
                variables.references.insert(name.to_owned(), entry(name, format!("variable {name}"), value.to_owned()));
            } else if may_contain_reference(&value.to_string_lossy()) {
                variables.note_protected(&full_name, "variable");
            }
            known.push(full_name);
        }
        for pattern in selection.unmatched(&known) {
            eprintln!("keyvault: {pattern} matches no variable");
        }
        Ok(variables)
    }

    fn read_file(&mut self, path: &str, known: &mut Vec<String>) -> Result<(), Failure> {
        let file = settings::read_text(path)?;
        let (variables, problems) = settings::env_file(&file);
        if !problems.is_empty() {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(Failure::usage(problems.join("\n")));
        }
        for EnvVariable { name, value, origin } in variables {
            known.push(name.clone());
            // A bare name passes on a variable, even one that is withheld otherwise.
            let Some(value) = value else {
                self.withheld.retain(|withheld| *withheld != name);
                continue;
            };
            if self.is_inherited(&name) {
                continue;
            }
            self.plain.remove(&name);
            self.references.remove(&name);
            if needs_check(&value) && self.selection.includes(&name) {
                self.references.insert(name.clone(), entry(&name, origin, value.to_string()));
                continue;
            }
            if value.contains('\0') {
                return Err(contains_nul(&name, &origin));
            }
            if may_contain_reference(&value) {
                self.note_protected(&name, &origin);
            }
            self.plain.insert(name, value);
        }
        Ok(())
    }

    /// Prints that a variable is left alone although it has a reference, unless the arguments exclude it.
    fn note_protected(&self, name: &str, origin: &str) {
        if self.selection.protects(name) {
            eprintln!("keyvault: {origin} {name} {LEFT_ALONE}");
        }
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
    #[cfg(unix)]
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
        let report = ReferenceReport::new(&outcome.report, &[], outcome.exit_codes()).into_result();
        report.map_err(|failure| self.with_exception(failure))?;
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
            environment.secrets.extend(secret_texts(vaults, entry).await?);
        }
        Ok(environment)
    }

    /// Adds how to pass on text that only looks like a reference.
    fn with_exception(&self, failure: Failure) -> Failure {
        let near_miss = self.references.iter().find(|(_, entry)| !entry.may_contain_reference());
        match (failure, near_miss) {
            (Failure::References { report, code }, Some((name, _))) => {
                let report = format!("{report}To pass on text that only looks like a reference: --except {name}");
                Failure::References { report, code }
            }
            (failure, _) => failure,
        }
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
                eprintln!(
                    "keyvault: {} is not set as {name}, because this variable makes programs run code",
                    secret.id()
                );
                continue;
            }
            if self.is_inherited(&name) || self.plain.contains_key(&name) || self.references.contains_key(&name) {
                continue;
            }
            let text = Zeroizing::new(secret.expose_secret().to_owned());
            if text.contains('\0') {
                return Err(contains_nul(&name, &format!("secret {}", secret.id())));
            }
            let place = format!("secret {} (variable {name})", secret.id().name());
            environment.secrets.push(SecretText { place, text: text.clone() });
            environment.values.insert(name, Value { text: Some(text), versions: vec![secret.id().clone()] });
        }
        Ok(())
    }
}

fn entry(name: &str, origin: String, text: String) -> Entry {
    Entry { key: Key::root().member(name), origin, document: 0, text: Some(Zeroizing::new(text)) }
}

fn contains_nul(name: &str, origin: &str) -> Failure {
    Failure::usage(format!("the value of {name} ({origin}) contains a NUL, which an environment variable cannot hold"))
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

/// Returns whether a variable makes the programs that inherit it load or run code.
fn changes_programs(name: &str) -> bool {
    CODE_VARIABLES.iter().any(|pattern| settings::matches(pattern, name))
}

/// The variables that `--all` and `--prefix` do not set, because the name of a secret is enough to do so.
const CODE_VARIABLES: [&str; 63] = [
    "BASHOPTS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "CDPATH",
    "CLASSPATH",
    "COR_ENABLE_PROFILING",
    "COR_PROFILER*",
    "CORECLR_ENABLE_PROFILING",
    "CORECLR_PROFILER*",
    "DOTNET_ADDITIONAL_DEPS",
    "DOTNET_SHARED_STORE",
    "DOTNET_STARTUP_HOOKS",
    "DYLD_*",
    "EDITOR",
    "ELECTRON_RUN_AS_NODE",
    "ENV",
    "ERL_*",
    "GCONV_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "GETCONF_DIR",
    "GIT_CONFIG*",
    "GIT_EDITOR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SSH*",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LD_*",
    "LESSCLOSE",
    "LESSOPEN",
    "LOCPATH",
    "LUA_*PATH*",
    "LUA_INIT*",
    "MALLOC_*",
    "MANPAGER",
    "NLSPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PAGER",
    "PATH",
    "PERL*",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHON*",
    "R_*PROFILE*",
    "RUBYLIB",
    "RUBYOPT",
    "RUSTC*WRAPPER",
    "SHELL*",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_an_upper_case_variable_name() {
        let key = Key::root().member("database").member("pass_word");
        assert_eq!(variable_name(&key), "DATABASE__PASS_WORD");
    }
}
