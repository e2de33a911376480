//! Expressions that a deployment replaces: `${…}` of Bicep, Terraform and compose, `{{ … }}` of Helm.

use std::ops::Range;
use std::path::Path;

use keyvault::Template;

/// The form of the expressions in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expressions {
    start: &'static str,
    end: &'static str,
}

/// A text without its expressions. It has the same number of lines.
pub(super) struct Substituted {
    pub(super) text: String,
    /// The ranges that replace expressions, in order.
    ranges: Vec<Range<usize>>,
}

impl Expressions {
    pub(super) const HELM: Self = Self { start: "{{", end: "}}" };
    const INFRASTRUCTURE: Self = Self { start: "${", end: "}" };

    /// Returns the form that the file name suggests.
    pub(super) fn of_file(file: &str) -> Option<Self> {
        if is_terraform_json(file) {
            return Some(Self::INFRASTRUCTURE);
        }
        let extension = Path::new(file).extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "bicep" | "bicepparam" | "tf" | "tofu" | "hcl" | "tfvars" => Some(Self::INFRASTRUCTURE),
            "tpl" | "gotmpl" => Some(Self::HELM),
            _ => None,
        }
    }

    /// Returns the form that the name of a YAML file suggests: that of compose, or of a template in a Helm chart.
    pub(super) fn of_yaml_file(file: &str) -> Option<Self> {
        let path = Path::new(file);
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        if name.starts_with("compose.") || name.starts_with("docker-compose.") || name.starts_with("compose-") {
            return Some(Self::INFRASTRUCTURE);
        }
        let is_template = path.parent()?.components().any(|part| part.as_os_str() == "templates");
        is_template.then_some(Self::HELM)
    }

    /// Removes the references that contain an expression, if their syntax is valid, and replaces the expressions in the
    /// others. `None` if no reference contains one.
    pub(super) fn set_aside(self, text: &str) -> Option<String> {
        let substituted = self.substitute(text);
        let references = Template::scan(&substituted.text);
        if !references.iter().any(|(range, _)| substituted.is_in(range)) {
            return None;
        }
        let mut rest = String::new();
        let mut at = 0;
        for (range, _) in references.into_iter().filter(|(range, found)| found.is_ok() && substituted.is_in(range)) {
            rest.push_str(&substituted.text[at..range.start]);
            at = range.end;
        }
        rest.push_str(&substituted.text[at..]);
        Some(rest)
    }

    /// Replaces each expression by a word that is valid in its place.
    pub(super) fn substitute(self, text: &str) -> Substituted {
        let mut substituted = Substituted { text: String::with_capacity(text.len()), ranges: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find(self.start) {
            let (before, here) = rest.split_at(at);
            substituted.text.push_str(before);
            match self.length(here) {
                Some(length) => {
                    let start = substituted.text.len();
                    let word = word(&substituted.text, &here[length..]);
                    substituted.text.push_str(word);
                    substituted.ranges.push(start..substituted.text.len());
                    rest = &here[length..];
                }
                None => {
                    substituted.text.push_str(self.start);
                    rest = &here[self.start.len()..];
                }
            }
        }
        substituted.text.push_str(rest);
        substituted
    }

    /// Returns the length of the expression at the beginning of `text`. `None` if it does not end on its line.
    fn length(self, text: &str) -> Option<usize> {
        let near = &text[..floor_char_boundary(text, MAX_LENGTH)];
        let line = &near[..near.find('\n').unwrap_or(near.len())];
        if self.end == "}}" {
            return line.find(self.end).map(|at| at + self.end.len());
        }
        let mut depth = 0;
        for (at, byte) in line.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => return Some(at + 1),
                b'}' => depth -= 1,
                _ => {}
            }
        }
        None
    }
}

/// Returns whether the file is Terraform in the syntax of JSON, whose strings have expressions.
pub(super) fn is_terraform_json(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    [".tf.json", ".tofu.json", ".tfvars.json"].iter().any(|extension| file.ends_with(extension))
}

/// The length of the longest expression. It bounds the search for the end of each.
const MAX_LENGTH: usize = 512;

/// Returns the last position at or before `at` where a character begins.
pub(super) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Substituted {
    /// Returns whether an expression was in `range`.
    pub(super) fn is_in(&self, range: &Range<usize>) -> bool {
        let first = self.ranges.partition_point(|expression| expression.end <= range.start);
        self.ranges.get(first).is_some_and(|expression| expression.start < range.end)
    }
}

/// Returns a word that stands for an expression between `before` and `after`.
fn word(before: &str, after: &str) -> &'static str {
    let tail = &before[floor_char_boundary(before, before.len().saturating_sub(200))..];
    let tail = tail.rsplit(['(', ';']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let in_uri = tail.strip_prefix("secreturi=");
    match in_uri {
        Some("") if after.starts_with([')', ';']) => "https://expression.vault.azure.net/secrets/expression",
        Some("") if after.starts_with('/') => "https://expression.vault.azure.net",
        Some("") => "https://expression.vault.azure.net/",
        Some("https://") if after.starts_with('/') => "expression.vault.azure.net",
        Some(uri) if uri.matches('/').count() == 5 && uri.ends_with('/') => VERSION,
        _ if tail == "secretversion=" => VERSION,
        _ => "expression",
    }
}

const VERSION: &str = "00000000000000000000000000000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_with_expressions_is_checked_for_its_syntax() {
        for (expressions, text, is_valid) in [
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(VaultName=${vault};SecretName=db)", true),
            (
                Expressions::INFRASTRUCTURE,
                "@Microsoft.KeyVault(VaultName=${v};SecretName=${n};SecretVersion=${x})",
                true,
            ),
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(SecretUri=${secret.properties.secretUri})", true),
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(SecretUri=${kv.properties.vaultUri}secrets/db)", true),
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(SecretUri=${kv}/secrets/${name}/${version})", true),
            (
                Expressions::INFRASTRUCTURE,
                "@Microsoft.KeyVault(SecretUri=https://${kv}.vault.azure.net/secrets/a)",
                true,
            ),
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(SecretUri=https://${kv}${env('x')}/secrets/a)", true),
            (
                Expressions::INFRASTRUCTURE,
                "@Microsoft.KeyVault(VaultName=a-${toLower({a: b(1)}.a)};SecretName=x)",
                true,
            ),
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(VaultNam=${vault};SecretName=db)", false),
            (Expressions::INFRASTRUCTURE, "@Microsoft.KeyVault(VaultName=${vault)", false),
            (Expressions::HELM, "@KeyVault(VaultName={{ .Values.vault }};SecretName=db)", true),
            (Expressions::HELM, "@KeyVault(VaultName={{ .Values.vault }})", false),
        ] {
            let substituted = expressions.substitute(text);
            let found = Template::scan(&substituted.text);
            let [(range, reference)] = &found[..] else { panic!("{text}: {}", found.len()) };
            assert_eq!(reference.is_ok(), is_valid, "{text} is {}: {reference:?}", substituted.text);
            assert!(!is_valid || substituted.is_in(range), "{text}");
        }
    }
}
