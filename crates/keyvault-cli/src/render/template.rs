//! Text of any kind with references in it.

use std::ops::Range;

use keyvault::Template;
use keyvault::settings::Key;
use zeroize::Zeroizing;

use super::insertion::{self, Insertion};
use super::setting_reference::{Refusal, SettingReference};
use crate::failure::Failure;
use crate::report::ReferenceReport;
use crate::settings::{self, BYTE_ORDER_MARK, Entry, Format, Problem, TextFile};
use crate::store::{SettingsStore, StoreContents};
use crate::vault::AllowedVaults;

/// A template with its references resolved.
pub(super) struct Rendered {
    pub(super) text: Zeroizing<String>,
    /// What was meant to be a reference in the template, and stays text.
    near_misses: Vec<Problem>,
}

impl Rendered {
    pub(super) fn print_near_misses(&self) {
        self.near_misses.iter().for_each(|near_miss| eprintln!("keyvault: {near_miss}"));
    }
}

/// Reads the template at `path` and resolves its references.
///
/// In a `format` with a structure, each secret and each setting is escaped for its place.
pub(super) async fn render(
    path: &str,
    format: Format,
    vaults: &AllowedVaults,
    store: Option<&SettingsStore>,
) -> Result<Rendered, Failure> {
    let TextFile { name: file, text, has_byte_order_mark } = settings::read_text(path)?;
    let found = references(&text);
    let needs_store = found.iter().any(|(_, reference)| matches!(reference, Found::Setting(Ok(_))));
    let contents = match store.filter(|_| needs_store) {
        Some(store) => Some(store.read().await?),
        None => None,
    };
    let (places, problems) = places(&file, &text, found, contents.as_ref());
    let outcome = vaults.check(places.iter().filter_map(|place| place.entry.as_ref())).await?;
    ReferenceReport::new(&outcome.report, &problems, outcome.exit_codes()).into_result()?;
    let mut insertions = Vec::new();
    let mut absent = Vec::new();
    for Place { range, entry } in places {
        // The check has fetched the secret.
        let resolved = match entry.and_then(|entry| entry.text) {
            Some(text) => vaults.resolve(&text).await?,
            None => None,
        };
        match resolved {
            Some(value) => {
                let value = Zeroizing::new(value.expose_secret().to_owned());
                insertions.push(Insertion { range, value });
            }
            None => absent.push(range),
        }
    }
    let kept = kept_lines(&text, &absent);
    let (present, insertions) = without_lines(&text, &kept, insertions);
    let rendered = if format == Format::Text {
        filled(&present, &insertions)
    } else {
        insertion::insert(format, &present, &insertions, unescaped).map_err(|refusal| {
            let line = line_of(&text, original_offset(&kept, refusal.offset));
            Failure::usage(format!("{file}:{line}: {}", refusal.message))
        })?
    };
    let mark = if has_byte_order_mark { BYTE_ORDER_MARK } else { "" };
    let rendered = Zeroizing::new([mark, rendered.as_str()].concat());
    let near_misses = settings::near_misses(&text, &file);
    Ok(Rendered { text: rendered, near_misses })
}

/// Replaces the references as they are.
fn filled(text: &str, insertions: &[Insertion]) -> Zeroizing<String> {
    let length = text.len() + insertions.iter().map(|insertion| insertion.value.len()).sum::<usize>();
    let mut out = Zeroizing::new(String::with_capacity(length));
    let mut at = 0;
    for Insertion { range, value } in insertions {
        out.push_str(&unescaped(&text[at..range.start]));
        out.push_str(value);
        at = range.end;
    }
    out.push_str(&unescaped(&text[at..]));
    out
}

/// Replaces each escaped reference `@@KeyVault(` by `@KeyVault(`, and `@@AppConfiguration(` likewise.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("@@") {
        let (before, here) = rest.split_at(at + 1);
        out.push_str(before);
        let is_escape = SettingReference::begins(here)
            || Template::scan(head(here)).first().is_some_and(|(range, _)| range.start == 0);
        // The first @ stays, and the second one is the escape.
        rest = if is_escape { &here[1..] } else { here };
    }
    out.push_str(rest);
    out
}

/// Returns the text up to the parenthesis of a marker.
fn head(text: &str) -> &str {
    let end = text.char_indices().take(64).find(|(_, c)| *c == '(').map(|(at, _)| at + 1);
    &text[..end.unwrap_or(0)]
}

/// A reference in the template.
enum Found {
    Secret,
    Setting(Result<SettingReference, Refusal>),
}

/// Returns every reference with its position in the text.
fn references(text: &str) -> Vec<(Range<usize>, Found)> {
    let secrets = Template::scan(text).into_iter().map(|(range, _)| (range, Found::Secret));
    let settings = SettingReference::scan(text).into_iter().map(|(range, setting)| (range, Found::Setting(setting)));
    let mut found: Vec<_> = secrets.chain(settings).collect();
    found.sort_by_key(|(range, _)| range.start);
    // A reference inside another one makes that malformed.
    let mut end = 0;
    found.retain(|(range, _)| {
        let is_apart = range.start >= end;
        end = end.max(range.end);
        is_apart
    });
    found
}

/// A place in the template, and the value that replaces it.
struct Place {
    range: Range<usize>,
    /// The text that the reference stands for, with its line. `None` for an optional setting that is absent.
    entry: Option<Entry>,
}

/// Returns the place of each reference, and a problem for each setting without a value.
fn places(
    file: &str,
    text: &str,
    found: Vec<(Range<usize>, Found)>,
    store: Option<&StoreContents<'_>>,
) -> (Vec<Place>, Vec<Problem>) {
    let (mut places, mut problems) = (Vec::new(), Vec::new());
    let (mut line, mut counted) = (1, 0);
    for (range, reference) in found {
        line += text[counted..range.start].matches('\n').count();
        counted = range.start;
        let origin = format!("{file}:{line}");
        let value = match reference {
            Found::Secret => Ok(Some(Zeroizing::new(text[range.clone()].to_owned()))),
            Found::Setting(setting) => setting.and_then(|setting| setting.text(store)),
        };
        let key = Key::root().member(&format!("line {line}"));
        let entry = |text| Entry { key, origin: origin.clone(), document: 0, text: Some(text) };
        match value {
            Ok(value) => places.push(Place { range, entry: value.map(entry) }),
            Err((message, code)) => problems.push(Problem { origin, message: message.to_owned(), code }),
        }
    }
    (places, problems)
}

/// Returns the ranges of the text without the lines that have an absent reference.
fn kept_lines(text: &str, absent: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut kept = Vec::new();
    let mut at = 0;
    for range in absent {
        if range.end <= at {
            // The line is removed already.
            continue;
        }
        let start = text[..range.start].rfind('\n').map_or(0, |end| end + 1);
        if start > at {
            kept.push(at..start);
        }
        let end = text[range.end..].find('\n').map_or(text.len(), |length| range.end + length + 1);
        at = end.max(at);
    }
    kept.push(at..text.len());
    kept
}

/// Returns the kept lines with the insertions in them.
fn without_lines(text: &str, kept: &[Range<usize>], insertions: Vec<Insertion>) -> (String, Vec<Insertion>) {
    let mut present = String::with_capacity(text.len());
    let mut left = insertions.into_iter().peekable();
    let mut moved = Vec::new();
    for lines in kept {
        while let Some(insertion) = left.next_if(|insertion| insertion.range.start < lines.end) {
            if insertion.range.start >= lines.start {
                let shift = |at: usize| at - lines.start + present.len();
                let range = shift(insertion.range.start)..shift(insertion.range.end);
                moved.push(Insertion { range, ..insertion });
            }
        }
        present.push_str(&text[lines.clone()]);
    }
    (present, moved)
}

/// Returns the offset in the whole text of one in the kept lines.
fn original_offset(kept: &[Range<usize>], mut offset: usize) -> usize {
    for lines in kept {
        if offset < lines.len() {
            return lines.start + offset;
        }
        offset -= lines.len();
    }
    kept.last().map_or(0, |lines| lines.end)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_reference_is_the_line_it_starts_on() {
        let text = "a\n@KeyVault(SecretName=a) @KeyVault(\nSecretName=b)\n\n@KeyVault(SecretName=c)";
        let (found, problems) = places("f", text, references(text), None);
        let origins: Vec<String> = found.into_iter().filter_map(|place| Some(place.entry?.origin)).collect();
        assert_eq!((origins, problems.len()), (["f:2", "f:2", "f:5"].map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn a_setting_without_a_store_is_a_problem_of_its_line() {
        let text =
            "\n@KeyVault(SecretName=@AppConfiguration(Key=a))\n@AppConfiguration(Key=b) @@AppConfiguration(Key=c)";
        let (found, problems) = places("f", text, references(text), None);
        assert_eq!((found.len(), problems.len()), (1, 1));
        assert!(problems[0].to_string().starts_with("f:3: ") && problems[0].code == 2, "{problems:?}");
    }

    #[test]
    fn only_escaped_references_lose_their_escape() {
        for (text, expected) in [
            ("a @@KeyVault(x) b", "a @KeyVault(x) b"),
            ("@@@microsoft.keyvault(", "@@microsoft.keyvault("),
            (
                "@@appconfiguration(x) @@Microsoft.AppConfiguration(",
                "@appconfiguration(x) @Microsoft.AppConfiguration(",
            ),
            ("a@@b @@KeyVault @@", "a@@b @@KeyVault @@"),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }

    #[test]
    fn a_line_with_an_absent_reference_is_removed() {
        for (text, absent, expected) in [
            ("a\nb\nc", &["b"][..], "a\nc"),
            ("a b\nc", &["a", "b"], "c"),
            ("a\nb\nc", &["a", "c"], "b\n"),
            ("ab", &["a"], ""),
            ("a\nb c\nd", &["a\nb"], "d"),
            ("a", &[], "a"),
        ] {
            let range = |part: &&str| text.find(part).map(|start| start..start + part.len()).unwrap();
            let ranges: Vec<_> = absent.iter().map(range).collect();
            let (present, _) = without_lines(text, &kept_lines(text, &ranges), Vec::new());
            assert_eq!(present, expected, "{text:?} without {absent:?}");
        }
    }
}
