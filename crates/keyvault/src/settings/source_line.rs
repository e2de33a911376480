//! The line of a reference in its source file.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::config_value::{ConfigValue, ValueContent};
use super::key::Segment;
use crate::reference::strip_marker;

/// Adds the line to the place of each value whose reference has an unambiguous line in its file.
///
/// Frameworks do not report the lines of values, so this function reads each file again and searches it for references.
/// A reference has a line if its text is on exactly one line, or on exactly one line after the key of the value.
/// Otherwise the place does not change: the text is escaped in the file, a comment repeats it, or the file changed
/// meanwhile.
pub(crate) fn locate(values: &mut [ConfigValue]) {
    let mut files: BTreeMap<PathBuf, Vec<&mut ConfigValue>> = BTreeMap::new();
    for value in values {
        if let (Some(file), ValueContent::Text(text)) = (&value.file, &value.content)
            && text.contains('@')
        {
            files.entry(file.clone()).or_default().push(value);
        }
    }
    for (file, values) in files {
        let Some(text) = read(&file) else { continue };
        let lines = ReferenceLines::of(&text);
        for value in values {
            if let Some(line) = lines.find(value) {
                value.place = Some(with_line(&value.place(), &file, line));
            }
        }
    }
}

/// Larger than any settings file, in bytes.
const MAX_FILE_SIZE: u64 = 16 << 20;

fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(MAX_FILE_SIZE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The references in a file, by their text.
struct ReferenceLines<'t> {
    places: HashMap<&'t str, Places<'t>>,
}

/// The lines of one reference. `None` stands for several lines.
struct Places<'t> {
    any: Option<usize>,
    /// The lines by the key at their start.
    by_key: HashMap<&'t str, Option<usize>>,
}

impl<'t> ReferenceLines<'t> {
    fn of(text: &'t str) -> Self {
        let mut places: HashMap<&str, Places<'_>> = HashMap::new();
        let (mut line, mut counted, mut key) = (1, 0, None);
        for at in references(text) {
            let between = &text[counted..at];
            let ends = between.matches('\n').count();
            if ends > 0 || key.is_none() {
                line += ends;
                let line_start = between.rfind('\n').map_or(0, |end| end + 1);
                key = Some(key_in(&between[line_start..]));
            }
            counted = at;
            let key = key.unwrap_or_default();
            let places = places.entry(source_text(&text[at..]));
            let places = places.and_modify(|places| places.any = None);
            let places = places.or_insert_with(|| Places { any: Some(line), by_key: HashMap::new() });
            places.by_key.entry(key).and_modify(|same| *same = None).or_insert(Some(line));
        }
        Self { places }
    }

    fn find(&self, value: &ConfigValue) -> Option<usize> {
        let ValueContent::Text(text) = &value.content else { return None };
        let at = references(text).next()?;
        let places = self.places.get(source_text(&text[at..]))?;
        let same_key = || match value.key.segments().last() {
            Some(Segment::Name(name)) => places.by_key.get(&**name).copied().flatten(),
            _ => None,
        };
        places.any.or_else(same_key)
    }
}

/// Returns the byte offset of each reference in `text`, malformed ones too, but not of escaped ones.
fn references(text: &str) -> impl Iterator<Item = usize> {
    let is_reference = |at: &usize| !text[..*at].ends_with('@') && strip_marker(&text[*at..]).is_some();
    text.match_indices('@').map(|(at, _)| at).filter(is_reference)
}

/// Returns the start of a reference, up to the first character that a file may quote or escape, or that begins another
/// reference.
fn source_text(reference: &str) -> &str {
    let end = reference[1..].find([')', '"', '\'', '\\', '\r', '\n', '@']).map_or(reference.len(), |at| at + 1);
    &reference[..end]
}

/// Returns the last name of the key at the start of a line, as in `password = "` and `password: `.
fn key_in(line_start: &str) -> &str {
    let key = line_start.split(['=', ':']).next().unwrap_or_default().trim();
    key.rsplit('.').next().unwrap_or_default().trim_matches(['"', '\'', ' ', '\t', '{', ','])
}

fn with_line(place: &str, file: &Path, line: usize) -> String {
    let file = file.display().to_string();
    match place.strip_prefix(&file) {
        Some(rest) => format!("{file} line {line}{rest}"),
        None => format!("{place} line {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::key::Key;

    #[test]
    fn a_reference_has_a_line_if_it_is_unambiguous() {
        let file = "\
a = '@KeyVault(SecretName=a)'
# b = '@KeyVault(SecretName=b)'
b = \"x @KeyVault(SecretName=b) y\"
list = [
  '@KeyVault(SecretName=c)', '@@KeyVault(SecretName=a)',
]
d = '@KeyVault(SecretName'
t.e = '@KeyVault(SecretName=same)'
f = '@KeyVault(SecretName=same)'
[other]
e = 'plain'
g = '@KeyVault(SecretName=twice)'
[more]
g = '@KeyVault(SecretName=twice)'
";
        for (key, text, line) in [
            ("a", "@KeyVault(SecretName=a)", Some(1)),
            ("b", "x @KeyVault(SecretName=b) y", Some(3)),
            ("list", "@KeyVault(SecretName=c)", Some(5)),
            ("list", "@@KeyVault(SecretName=a)", None),
            ("d", "@KeyVault(SecretName", Some(7)),
            ("e", "@KeyVault(SecretName=same)", Some(8)),
            ("f", "@KeyVault(SecretName=same)", Some(9)),
            ("g", "@KeyVault(SecretName=twice)", None),
            ("a", "@KeyVault(SecretName=elsewhere)", None),
            ("a", "plain @", None),
        ] {
            let value = ConfigValue::text(Key::root().member(key), "file", text);
            assert_eq!(ReferenceLines::of(file).find(&value), line, "{key} {text}");
        }
    }

    #[test]
    fn the_line_follows_the_file() {
        let path = Path::new("settings.toml");
        assert_eq!(with_line("settings.toml key a", path, 3), "settings.toml line 3 key a");
        assert_eq!(with_line("another name", path, 3), "another name line 3");
    }
}
