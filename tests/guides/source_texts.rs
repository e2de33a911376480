//! The texts in the sources of a crate.

use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::root;
use crate::tokens::{Token, tokens};

/// A text in a source file, outside of tests.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// Returns the texts in the sources below `folder`, without help texts, log events, attributes and panics.
pub(crate) fn source_texts(folder: &str) -> Vec<SourceText> {
    let mut texts = Vec::new();
    for path in source_files(&root().join(folder)) {
        let source = fs::read_to_string(&path).unwrap();
        // Unit tests are at the foot of a file.
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        texts.extend(texts_of(source).into_iter().map(|text| SourceText { file: file.clone(), text }));
    }
    texts
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.into_iter().flat_map(|path| match path.file_name().unwrap().to_str().unwrap() {
        "tests" | "testing.rs" | "guides.rs" => Vec::new(),
        _ if path.is_dir() => source_files(&path),
        name if name.ends_with(".rs") => vec![path],
        _ => Vec::new(),
    });
    files.collect()
}

/// Returns the texts of a source, except for the arguments of [`SKIPPED`] and the constants of [`HELP_CONSTANTS`].
fn texts_of(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut texts = Vec::new();
    // For each bracket that is open: whether texts in it count.
    let mut open = vec![true];
    let mut is_help = false;
    for (at, token) in tokens.iter().enumerate() {
        let before = |distance: usize| at.checked_sub(distance).map(|at| &tokens[at]);
        match token {
            Token::Punctuation('(' | '[' | '{') => {
                let is_attribute = *token == Token::Punctuation('[') && before(1) == Some(&Token::Punctuation('#'));
                let is_macro = before(1) == Some(&Token::Punctuation('!'));
                let called = if is_macro { before(2) } else { before(1) };
                let is_skipped = matches!(called, Some(Token::Word(name)) if SKIPPED.contains(&name.as_str()));
                open.push(open.last().unwrap() & !is_attribute & !is_skipped);
            }
            Token::Punctuation(')' | ']' | '}') => _ = open.pop(),
            Token::Punctuation(';') => is_help = false,
            Token::Word(name) if matches!(before(1), Some(Token::Word(word)) if word == "const") => {
                is_help = HELP_CONSTANTS.iter().any(|part| name.contains(part));
            }
            Token::Text(text) if !is_help && *open.last().unwrap() => texts.push(text.clone()),
            _ => {}
        }
    }
    texts
}

/// The methods and macros whose arguments are advice, a cause, a name, a pattern, a log event or a panic.
const SKIPPED: [&str; 23] = [
    "assert",
    "caused_by",
    "contains",
    "debug",
    "debug_assert",
    "expect",
    "field",
    "include_str",
    "info",
    "info_span",
    "is_about",
    "join",
    "panic",
    "println",
    "rsplit_once",
    "split_once",
    "starts_with",
    "strip_prefix",
    "strip_suffix",
    "unreachable",
    "warn",
    "with_advice",
    "with_help",
];

/// Parts of the names of constants that are advice or help.
const HELP_CONSTANTS: [&str; 17] = [
    "EXAMPLES",
    "EXIT_CODES",
    "EXPECTED",
    "HELP",
    "HYPHENS",
    "INVISIBLE",
    "KEEP_THE_RUNTIME",
    "LIMITS",
    "MAY_HAVE_SUCCEEDED",
    "MINIMAL_REFERENCE",
    "NEAR_MISS",
    "OWN_SETTING",
    "PLACEHOLDER",
    "QUOTED",
    "RETYPE",
    "SPELLING",
    "WORDS",
];
