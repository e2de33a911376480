//! Text with references in it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use super::Reference;
use super::marker::strip_marker;
use super::surrounding::{PLACEHOLDER, Surrounding};
use crate::error::Result;

/// Text with references in it: one that is the whole value, or several in a longer string.
///
/// In `Server=db;Password=@KeyVault(SecretName=db-password)`, the secret replaces the reference and the other text
/// stays. A second `@` escapes a reference: `@@KeyVault(` is a literal `@KeyVault(`.
///
/// # Examples
///
/// ```
/// use keyvault::Template;
///
/// let template = Template::parse("Server=db;Password=@KeyVault(SecretName=db-password)")?;
/// assert_eq!(template.unwrap().references().count(), 1);
/// assert!(Template::parse("just text")?.is_none());
/// # Ok::<_, keyvault::Error>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Template {
    parts: Vec<TemplatePart>,
}

#[derive(Clone, Eq, PartialEq)]
enum TemplatePart {
    Text(Box<str>),
    Reference(Reference),
}

impl Template {
    /// Parses text. Returns `None` if it contains neither a reference nor an escaped one.
    ///
    /// # Errors
    ///
    /// Same as [`Reference::parse`], if any part of the text begins like a reference and is malformed.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let mut parts = Vec::new();
        let mut end = 0;
        for (range, reference) in Self::scan(text) {
            push_text(&mut parts, unescaped(&text[end..range.start]));
            parts.push(TemplatePart::Reference(reference?));
            end = range.end;
        }
        let rest = unescaped(&text[end..]);
        if parts.is_empty() && rest == text {
            return Ok(None);
        }
        push_text(&mut parts, rest);
        Ok(Some(Self { parts }))
    }

    /// Creates a template that consists of one reference.
    pub(crate) fn whole(reference: Reference) -> Self {
        Self { parts: vec![TemplatePart::Reference(reference)] }
    }

    /// Returns the references, in the order of the text.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Reference(reference) => Some(reference),
            TemplatePart::Text(_) => None,
        })
    }

    /// Returns the text around each reference, in the order of the text.
    pub(crate) fn surroundings(&self) -> Vec<Surrounding> {
        if self.parts.len() == 1 {
            return vec![Surrounding::default(); self.references().count()];
        }
        let (mut text, mut places) = (String::new(), Vec::new());
        for part in &self.parts {
            match part {
                TemplatePart::Text(literal) => text.push_str(literal),
                TemplatePart::Reference(_) => {
                    places.push(text.len());
                    text.push(PLACEHOLDER);
                }
            }
        }
        Surrounding::of_all(&text, &places)
    }

    /// Finds every reference in `text`, well-formed or not, with its range of bytes.
    ///
    /// A malformed reference is an error. Its range ends with its closing parenthesis, before the end of its line, or
    /// before the next reference, whichever comes first. The result does not contain escaped references.
    pub fn scan(text: &str) -> Vec<(Range<usize>, Result<Reference>)> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(distance) = text[at..].find('@') {
            at += distance;
            let here = &text[at..];
            if strip_marker(&here[1..]).is_some() {
                at += 2;
                continue;
            }
            let Some((length, read)) = Reference::read(here) else {
                at += 1;
                continue;
            };
            found.push((at..at + length, read));
            at += length;
        }
        found
    }

    /// Returns the text with the references replaced by `values`. The values are not parsed again.
    pub(crate) fn fill(&self, values: &[Zeroizing<String>]) -> Zeroizing<String> {
        let literal: usize = self.parts.iter().map(TemplatePart::text_len).sum();
        // The capacity is exact, because a string that grows leaves copies of itself in memory.
        let length = literal + values.iter().map(|value| value.len()).sum::<usize>();
        let mut filled = Zeroizing::new(String::with_capacity(length));
        let mut values = values.iter();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => filled.push_str(text),
                TemplatePart::Reference(_) => filled.extend(values.next().map(|value| value.as_str())),
            }
        }
        filled
    }
}

impl TemplatePart {
    fn text_len(&self) -> usize {
        match self {
            TemplatePart::Text(text) => text.len(),
            TemplatePart::Reference(_) => 0,
        }
    }
}

fn push_text(parts: &mut Vec<TemplatePart>, text: Cow<'_, str>) {
    if !text.is_empty() {
        parts.push(TemplatePart::Text(text.into()));
    }
}

/// Replaces the escape `@@` of a marker by `@`.
fn unescaped(text: &str) -> Cow<'_, str> {
    let is_escape = |at: &usize| strip_marker(&text[at + 1..]).is_some();
    let mut rest = 0;
    let mut unescaped = String::new();
    for at in text.match_indices('@').map(|(at, _)| at).filter(is_escape) {
        unescaped.push_str(&text[rest..at]);
        rest = at + 1;
    }
    if rest == 0 { text.into() } else { (unescaped + &text[rest..]).into() }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                TemplatePart::Reference(reference) => reference.fmt(f)?,
                TemplatePart::Text(text) => write_escaped(text, f)?,
            }
        }
        Ok(())
    }
}

fn write_escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, here) = rest.split_at(at);
        let escape = if strip_marker(here).is_some() { "@@" } else { "@" };
        write!(f, "{before}{escape}")?;
        rest = &here[1..];
    }
    f.write_str(rest)
}

impl fmt::Debug for Template {
    /// Shows only the references, because the text around them may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let references: Vec<_> = self.references().collect();
        f.debug_struct("Template").field("references", &references).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference::marker;

    fn filled(text: &str) -> Result<Option<String>> {
        let value = |reference: &Reference| Zeroizing::new(format!("<{}>", reference.secret_name()));
        let fill = |template: Template| template.fill(&template.references().map(value).collect::<Vec<_>>());
        Ok(Template::parse(text)?.map(fill).map(|text| text.to_string()))
    }

    #[test]
    fn references_are_found_anywhere_in_the_text() {
        for (text, expected) in [
            ("@KeyVault(SecretName=a)", Some("<a>")),
            ("P=@KeyVault(SecretName=a);", Some("P=<a>;")),
            ("@KeyVault(SecretName=a)@KeyVault(SecretName=b)", Some("<a><b>")),
            ("x@@KeyVault(SecretName=a)", Some("x@KeyVault(SecretName=a)")),
            ("@@@KeyVault(SecretName=a)", Some("@@KeyVault(SecretName=a)")),
            ("@@microsoft.keyvault(x", Some("@microsoft.keyvault(x")),
            ("a@b.example", None),
            ("@@", None),
            ("@KeyVault", None),
            ("@Microsoft-KeyVault()", None),
            ("", None),
        ] {
            assert_eq!(filled(text).unwrap().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn one_malformed_reference_fails_the_whole_text() {
        for text in ["a @KeyVault(", "@KeyVault(SecretName=a) @KeyVault(x)", "@KEYVAULT (SecretName=a)"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    /// 512 KiB of unclosed references once took 15 seconds.
    #[test]
    fn the_cost_of_a_text_is_linear_in_its_size() {
        for piece in [
            "@KeyVault(",
            "@KeyVault (",
            "@KeyVault\n(",
            "@@KeyVault(",
            "@KeyVault(@",
            "@KeyVault(SecretName=a;",
            "@KeyVault(\n\"",
            "@KeyVault()",
            "@KeyVault(SecretName=a)",
            "@Microsoft.KeyVault(SecretUri=https://a@b",
        ] {
            for suffix in ["", ")", "\n)"] {
                let text = piece.repeat(2_000) + suffix;
                let steps = marker::steps::of(|| _ = Template::parse(&text));
                assert!(steps <= text.len(), "{piece}{suffix}: {steps} steps for {} bytes", text.len());
            }
        }
    }

    #[test]
    fn values_are_not_parsed_again() {
        let template = Template::parse("@KeyVault(SecretName=a)").unwrap().unwrap();
        let text = template.fill(&[Zeroizing::new("@KeyVault(SecretName=b)".into())]);
        assert_eq!(*text, "@KeyVault(SecretName=b)");
    }

    /// Combines pieces of the grammar, which finds far more errors than random characters.
    fn almost_a_template() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "@",
            "@@",
            "@KeyVault(",
            "@Microsoft.KeyVault(",
            "@keyvault",
            " ",
            "(",
            ")",
            ";",
            "=",
            "SecretName=",
            "s",
            "SecretUri=https://contoso.vault.azure.net/secrets/",
            "VaultName=",
            "SecretVersion=",
            "0af1",
            "Property=a.b",
            "Optional=true",
            "ü",
            "\0",
            "/",
            "contoso",
        ]);
        prop_oneof![prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()), any::<String>(),]
    }

    proptest! {
        #[test]
        fn no_input_panics_and_parsed_text_round_trips(text in almost_a_template()) {
            if let Ok(Some(template)) = Template::parse(&text) {
                let written = template.to_string();
                prop_assert_eq!(Template::parse(&written).unwrap(), Some(template), "{}", written);
            }
            let _ = Reference::parse(&text);
        }

        #[test]
        fn a_reference_is_displayed_as_it_was_written(
            uri in any::<bool>(), vault in "[a-z][a-z0-9]{2,23}", name in "[0-9a-zA-Z-]{1,127}",
            version in prop::option::of("[0-9a-f]{32}"),
            property in prop::option::of("[a-z]{1,5}(\\.[a-z0-9]{1,5}){0,3}"),
            optional in any::<bool>(), tag in prop::option::of("[a-zA-Z][a-z._-]{0,8}[a-z]"),
            encode in prop::option::of(prop::sample::select(vec!["url", "json", "xml", "yaml", "ado", "base64", "shell", "none"])),
            base64 in any::<bool>(),
        ) {
            let mut text = String::from("@Microsoft.KeyVault(");
            match (uri, &version) {
                (true, Some(v)) => text += &format!("SecretUri=https://{vault}.vault.azure.net/secrets/{name}/{v}"),
                (true, None) => text += &format!("SecretUri=https://{vault}.vault.azure.net/secrets/{name}"),
                (false, Some(v)) => text += &format!("VaultName={vault};SecretName={name};SecretVersion={v}"),
                (false, None) => text += &format!("VaultName={vault};SecretName={name}"),
            }
            text += &property.map(|p| format!(";Property={p}")).unwrap_or_default();
            text += &tag.map(|tag| format!(";Tag={tag}")).unwrap_or_default();
            text += if base64 { ";Encoding=base64" } else { "" };
            text += &encode.map(|encode| format!(";Encode={encode}")).unwrap_or_default();
            text += if optional { ";Optional=true)" } else { ")" };
            prop_assert_eq!(Reference::parse(&text).unwrap().to_string(), text);
        }
    }
}
