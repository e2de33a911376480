//! The variables that a child process is started with.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use keyvault::SecretId;
use zeroize::Zeroizing;

/// The difference between the child's environment and ours.
#[derive(Default)]
pub(super) struct ChildEnvironment {
    pub(super) values: BTreeMap<String, Value>,
    /// The credential variables that the child does not inherit.
    pub(super) withheld: Vec<&'static str>,
    /// Every secret value, without the text around it.
    pub(super) secrets: Vec<SecretText>,
}

/// The value of a secret.
pub(super) struct SecretText {
    /// The secret and its variable: `secret db (variable DB)`.
    pub(super) place: String,
    pub(super) text: Zeroizing<String>,
}

/// The value of one variable.
pub(super) struct Value {
    /// `None` unsets the variable, because its optional secret does not exist.
    pub(super) text: Option<Zeroizing<String>>,
    /// The text before its references were resolved.
    pub(super) template: Zeroizing<String>,
    /// The secrets in the value, each with its version.
    pub(super) versions: Vec<SecretId>,
}

impl Value {
    pub(super) fn plain(text: Zeroizing<String>) -> Self {
        Self { text: Some(text.clone()), template: text, versions: Vec::new() }
    }

    /// Returns whether the command must get `newer` in place of this value.
    ///
    /// A new version with the same text is no difference, and neither is another text of the same version: a
    /// certificate that is converted twice differs.
    fn differs(&self, newer: &Self) -> bool {
        self.text != newer.text && (self.versions != newer.versions || self.template != newer.template)
    }
}

impl ChildEnvironment {
    /// Sets and unsets the variables of a command that inherits the others.
    pub(super) fn apply(&self, command: &mut Command) {
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

    /// Returns the variables that differ in `newer`.
    pub(super) fn changed<'a>(&'a self, newer: &'a Self) -> BTreeSet<&'a str> {
        let names = self.values.keys().chain(newer.values.keys());
        let differs = |name: &&String| match (self.values.get(*name), newer.values.get(*name)) {
            (Some(old), Some(new)) => old.differs(new),
            _ => true,
        };
        names.filter(differs).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(values: &[(&str, Option<&str>, &str)]) -> ChildEnvironment {
        let id =
            |version: &str| SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/a/{version}")).unwrap();
        let value = |(name, text, version): &(&str, Option<&str>, &str)| {
            let text = text.map(|text| Zeroizing::new(text.to_owned()));
            ((*name).to_owned(), Value { text, template: Zeroizing::default(), versions: vec![id(version)] })
        };
        ChildEnvironment { values: values.iter().map(value).collect(), ..ChildEnvironment::default() }
    }

    #[test]
    fn a_variable_changes_only_with_both_its_version_and_its_text() {
        let old = environment(&[
            ("A", Some("1"), "1"),
            ("B", Some("1"), "1"),
            ("C", None, "1"),
            ("D", Some("1"), "1"),
            ("F", Some("1"), "1"),
        ]);
        let new = environment(&[
            ("A", Some("1"), "2"),
            ("B", Some("2"), "2"),
            ("C", Some("1"), "2"),
            ("E", Some("1"), "1"),
            ("F", Some("2"), "1"),
        ]);
        assert_eq!(Vec::from_iter(old.changed(&new)), ["B", "C", "D", "E"]);
        assert!(old.changed(&old).is_empty());
    }

    #[test]
    fn a_variable_changes_with_the_text_around_its_references() {
        let plain = |text: &str| Value::plain(Zeroizing::new(text.to_owned()));
        assert!(plain("1").differs(&plain("2")) && !plain("1").differs(&plain("1")));
        let moved = Value { template: Zeroizing::new("x".to_owned()), ..plain("2") };
        assert!(plain("1").differs(&moved) && !plain("2").differs(&moved));
    }
}
