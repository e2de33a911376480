//! The troubleshooting guide has a section for each error text.

use std::collections::BTreeSet;

use crate::pages::Page;
use crate::source_texts::{SourceText, source_texts};

#[test]
fn every_error_text_has_a_section_in_the_guide() {
    let (headings, known) = (sections(), not_errors());
    let texts = sentences();
    assert!(texts.len() > 200, "only {} texts were found", texts.len());
    let unknown: BTreeSet<String> = texts
        .iter()
        .filter(|text| !headings.iter().any(|heading| is_about(heading, &text.text)))
        .filter(|text| !known.contains(&text.text.as_str()))
        .map(|text| format!("{}: {:?}", text.file, text.text))
        .collect();
    let unknown = Vec::from_iter(unknown).join("\n");
    assert!(
        unknown.is_empty(),
        "these texts have no heading in docs/troubleshooting.md. Write one, or list a text that is not an error in \
         tests/guides/not_errors.txt:\n{unknown}"
    );
}

#[test]
fn every_section_is_about_a_text_of_the_sources() {
    let texts: BTreeSet<String> = all_texts().iter().map(|text| with_ellipses(&text.text)).collect();
    let stale: Vec<String> =
        sections().into_iter().filter(|heading| !texts.iter().any(|text| is_about(heading, text))).collect();
    assert_eq!(stale, [""; 0], "no source has these texts");
    let gone: Vec<&str> = not_errors().into_iter().filter(|text| !texts.contains(*text)).collect();
    assert_eq!(gone, [""; 0], "no source has these texts of tests/guides/not_errors.txt");
}

/// Returns the headings of the guide that are the text of an error.
fn sections() -> Vec<String> {
    Page::read("docs/troubleshooting.md").headings_of(3)
}

/// Returns whether `heading` is that of `text`.
///
/// A heading that ends in `…` is the beginning of a format string. A reason may follow every heading.
fn is_about(heading: &str, text: &str) -> bool {
    match heading.strip_suffix(" …") {
        // `Error::help_url` forms the anchor of the whole text, unless it is a format string.
        Some(_) if !text.contains('…') => false,
        Some(begin) => text.strip_prefix(begin).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)),
        None => text.strip_prefix(trimmed(heading)).is_some_and(|rest| rest.is_empty() || rest == ": …"),
    }
}

/// Returns the texts of at least two words.
fn sentences() -> Vec<SourceText> {
    let texts = all_texts().into_iter().map(|text| SourceText { text: with_ellipses(&text.text), ..text });
    let is_word = |word: &&str| word.contains(char::is_alphabetic);
    texts.filter(|text| text.text.split([' ', '…']).filter(is_word).count() > 1 && is_one_line(&text.text)).collect()
}

/// Returns whether `text` is a line for people: help texts have several, and templates have signs that no clause has.
fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '<', '\u{fffd}'])
}

fn all_texts() -> Vec<SourceText> {
    ["keyvault", "keyvault-appconfig", "keyvault-config", "keyvault-figment", "keyvault-cli"]
        .into_iter()
        .flat_map(|package| source_texts(&format!("crates/{package}/src")))
        .collect()
}

/// Returns a format string with `…` in place of each argument, without arguments at its beginning.
///
/// Where a text has a place for the word of the service, the heading says "vault".
fn with_ellipses(text: &str) -> String {
    let text = text.replace("{noun}", "vault");
    let mut parts = text.split('{');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push('…');
        shown.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
    }
    trimmed(shown.trim_start_matches(['…', ' ', ':', ',', ';'])).to_owned()
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', ':', ',', ';', '(', ')', '`', '\n', '\r'])
}

/// Returns the texts in the sources that are not errors.
fn not_errors() -> Vec<&'static str> {
    include_str!("not_errors.txt").lines().collect()
}
