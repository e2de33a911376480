//! Text of any kind with references in it, and what it becomes.

use std::ops::Range;

use keyvault::{Key, Template};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::report::Findings;
use crate::settings::{self, Entry};
use crate::vaults::Vaults;

/// Reads the template at `path`, asks the vaults, and gives the text with secrets in it.
pub(crate) async fn render(path: &str, vaults: &Vaults) -> Result<Zeroizing<String>, Failure> {
    let (file, text) = settings::read_text(path)?;
    let (ranges, entries): (Vec<_>, Vec<_>) = references(&file, &text).into_iter().unzip();
    let outcome = vaults.check(&entries).await?;
    Findings::of(&outcome.report, &[], outcome.waiting()).into_result()?;
    let absent = outcome.values().zip(&ranges).filter(|((_, value), _)| value.is_none()).map(|(_, range)| range);
    let present = without_lines(&text, absent);
    // Without an absent one there is none that makes the whole absent.
    let rendered = vaults.resolve(&present).await?;
    Ok(Zeroizing::new(rendered.map(|text| text.expose_secret().to_owned()).unwrap_or_default()))
}

/// Gives every reference with its place in the text.
fn references(file: &str, text: &str) -> Vec<(Range<usize>, Entry)> {
    let mut line = 1;
    let mut counted = 0;
    let entry = |(range, _): (Range<usize>, _)| {
        line += text[counted..range.start].matches('\n').count();
        counted = range.start;
        let entry = Entry {
            key: Key::root().member(&format!("line {line}")),
            place: format!("{file}:{line}"),
            document: 0,
            text: Some(Zeroizing::new(text[range.clone()].to_owned())),
        };
        (range, entry)
    };
    Template::scan(text).into_iter().map(entry).collect()
}

/// Leaves out every line on which something absent stands: there, the setting is absent.
fn without_lines<'r>(text: &str, absent: impl Iterator<Item = &'r Range<usize>>) -> Zeroizing<String> {
    let mut left = Zeroizing::new(String::with_capacity(text.len()));
    let mut at = 0;
    for range in absent {
        let start = text[..range.start].rfind('\n').map_or(0, |end| end + 1);
        left.push_str(&text[at..start.max(at)]);
        let end = text[range.end..].find('\n').map_or(text.len(), |length| range.end + length + 1);
        at = end.max(at);
    }
    left.push_str(&text[at..]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines() {
        let text = "a\n@KeyVault(SecretName=a) @KeyVault(\nSecretName=b)\n\n@KeyVault(SecretName=c)";
        let found = references("f", text);
        let places: Vec<&str> = found.iter().map(|(_, entry)| entry.place.as_str()).collect();
        assert_eq!(places, ["f:2", "f:2", "f:5"]);
    }

    #[test]
    fn lines_of_what_is_absent_are_left_out() {
        for (text, absent, expected) in [
            ("a\nb\nc", &["b"][..], "a\nc"),
            ("a b\nc", &["a", "b"], "c"),
            ("a\nb\nc", &["a", "c"], "b\n"),
            ("ab", &["a"], ""),
            ("a\nb c\nd", &["a\nb"], "d"),
            ("a", &[], "a"),
        ] {
            let place = |part: &&str| text.find(part).map(|start| start..start + part.len()).unwrap();
            let places: Vec<_> = absent.iter().map(place).collect();
            assert_eq!(*without_lines(text, places.iter()), expected, "{text:?} without {absent:?}");
        }
    }
}
