//! The troubleshooting guide has a section for each error text.

use std::collections::BTreeSet;

use crate::pages::Page;
use crate::source_texts::{SourceText, source_texts};

#[test]
fn every_error_text_has_a_section_in_the_guide() {
    let headings = sections();
    let texts = sentences();
    assert!(texts.len() > 200, "only {} texts were found", texts.len());
    let unknown: BTreeSet<String> = texts
        .iter()
        .filter(|text| !headings.iter().any(|heading| is_about(heading, &text.text)))
        .filter(|text| !NOT_ERRORS.contains(&text.text.as_str()))
        .map(|text| format!("{}: {:?}", text.file, text.text))
        .collect();
    let unknown = Vec::from_iter(unknown).join("\n");
    assert!(
        unknown.is_empty(),
        "these texts have no heading in docs/troubleshooting.md. Write one, or list a text that is not an error in \
         NOT_ERRORS:\n{unknown}"
    );
}

#[test]
fn every_section_is_about_a_text_of_the_sources() {
    let texts: BTreeSet<String> = all_texts().iter().map(|text| fixed(&text.text)).collect();
    let stale: Vec<String> = sections()
        .into_iter()
        .filter(|heading| !texts.iter().any(|text| is_about(heading, text)))
        .collect();
    assert_eq!(stale, [""; 0], "no source has these texts");
    let gone: Vec<&str> = NOT_ERRORS.into_iter().filter(|text| !texts.contains(*text)).collect();
    assert_eq!(gone, [""; 0], "no source has these texts of NOT_ERRORS");
}

/// Returns the headings of the guide that are the text of an error.
fn sections() -> Vec<String> {
    let guide = Page::read("docs/troubleshooting.md");
    let sections = guide.text.lines().filter_map(|line| line.strip_prefix("### "));
    sections.map(str::to_owned).collect()
}

/// Returns whether `heading` is that of `text`. A heading that ends in `…` is the beginning of the text.
fn is_about(heading: &str, text: &str) -> bool {
    match heading.split_once(" …") {
        Some((begin, _)) => text.strip_prefix(begin).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)),
        None => text == heading,
    }
}

fn sentences() -> Vec<SourceText> {
    let texts = all_texts().into_iter().map(|text| SourceText { text: fixed(&text.text), ..text });
    texts.filter(|text| text.text.contains(' ') && !text.text.contains(['\n', '=', '<'])).collect()
}

fn all_texts() -> Vec<SourceText> {
    ["keyvault", "keyvault-config", "keyvault-figment", "keyvault-cli"]
        .into_iter()
        .flat_map(|package| source_texts(&format!("crates/{package}/src")))
        .collect()
}

/// Returns the fixed part of a format string: up to its first argument, or after it if the string begins with it.
fn fixed(text: &str) -> String {
    let end = |text: &str| text.find('{').unwrap_or(text.len());
    let part = match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((_, rest)) => &rest[..end(rest)],
        None => &text[..end(text)],
    };
    part.trim_matches([' ', ':', ',', ';', '(', '`', '\n', '\r']).to_owned()
}

/// Texts in the sources that are not errors.
const NOT_ERRORS: [&str; 0] = [];
