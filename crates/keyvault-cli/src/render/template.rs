//! Text of any kind with references in it.

use std::ops::Range;

use keyvault::Template;
use keyvault::settings::Key;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::report::ReferenceReport;
use crate::settings::{self, Entry};
use crate::vault::AllowedVaults;

/// Reads the template at `path` and returns its text with the references resolved.
pub(super) async fn render(path: &str, vaults: &AllowedVaults) -> Result<Zeroizing<String>, Failure> {
    let (file, text) = settings::read_text(path)?;
    let (ranges, entries): (Vec<_>, Vec<_>) = references(&file, &text).into_iter().unzip();
    let outcome = vaults.check(&entries).await?;
    ReferenceReport::new(&outcome.report, &[], outcome.transient_settings()).into_result()?;
    let absent = outcome.values().zip(&ranges).filter(|((_, value), _)| value.is_none()).map(|(_, range)| range);
    let present = without_lines(&text, absent);
    // No reference that is left is absent, so the whole text is not absent either.
    let rendered = vaults.resolve(&present).await?;
    Ok(Zeroizing::new(rendered.map(|text| text.expose_secret().to_owned()).unwrap_or_default()))
}

/// Returns every reference with its position in the text.
fn references(file: &str, text: &str) -> Vec<(Range<usize>, Entry)> {
    let mut line = 1;
    let mut counted = 0;
    let entry = |(range, _): (Range<usize>, _)| {
        line += text[counted..range.start].matches('\n').count();
        counted = range.start;
        let entry = Entry {
            key: Key::root().member(&format!("line {line}")),
            origin: format!("{file}:{line}"),
            document: 0,
            text: Some(Zeroizing::new(text[range.clone()].to_owned())),
        };
        (range, entry)
    };
    Template::scan(text).into_iter().map(entry).collect()
}

/// Removes every line with an absent reference, so that its setting is absent.
fn without_lines<'r>(text: &str, absent: impl Iterator<Item = &'r Range<usize>>) -> Zeroizing<String> {
    let mut kept = Zeroizing::new(String::with_capacity(text.len()));
    let mut at = 0;
    for range in absent {
        let start = text[..range.start].rfind('\n').map_or(0, |end| end + 1);
        kept.push_str(&text[at..start.max(at)]);
        let end = text[range.end..].find('\n').map_or(text.len(), |length| range.end + length + 1);
        at = end.max(at);
    }
    kept.push_str(&text[at..]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_reference_is_the_line_it_starts_on() {
        let text = "a\n@KeyVault(SecretName=a) @KeyVault(\nSecretName=b)\n\n@KeyVault(SecretName=c)";
        let found = references("f", text);
        let origins: Vec<&str> = found.iter().map(|(_, entry)| entry.origin.as_str()).collect();
        assert_eq!(origins, ["f:2", "f:2", "f:5"]);
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
            assert_eq!(*without_lines(text, ranges.iter()), expected, "{text:?} without {absent:?}");
        }
    }
}
