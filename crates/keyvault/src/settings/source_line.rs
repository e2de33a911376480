//! On which line of its file a reference is written.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::config_value::{ConfigValue, ValueContent};
use super::key::Segment;
use crate::reference::strip_marker;

/// Adds the line to the place of each value with a reference that stands in its file without doubt.
///
/// Frameworks do not tell the lines of values, so each file is read once more, and its references are looked for. One has
/// a line if its letters are on one line and no other, or on one only with the key in front of them. Where it was
/// escaped, or stands in a comment as well, or the file changed meanwhile, the place stays as it was.
pub(crate) fn locate(leaves: &mut [ConfigValue]) {
    let mut files: BTreeMap<PathBuf, Vec<&mut ConfigValue>> = BTreeMap::new();
    for leaf in leaves {
        if let (Some(file), ValueContent::Text(text)) = (&leaf.file, &leaf.content)
            && text.contains('@')
        {
            files.entry(file.clone()).or_default().push(leaf);
        }
    }
    for (file, leaves) in files {
        let Some(text) = read(&file) else { continue };
        let lines = Lines::of(&text);
        for leaf in leaves {
            if let Some(line) = lines.find(leaf) {
                leaf.set_place(with_line(&leaf.place(), &file, line));
            }
        }
    }
}

/// A settings file is smaller.
const LARGEST_FILE: u64 = 16 << 20;

fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(LARGEST_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The references in a file: their letters, where they are, and the key in front of them.
struct Lines<'t> {
    places: HashMap<&'t str, Vec<(usize, &'t str)>>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let mut places: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
        let (mut line, mut counted) = (1, 0);
        for at in references(text) {
            line += text[counted..at].matches('\n').count();
            counted = at;
            let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
            places.entry(letters(&text[at..])).or_default().push((line, key_in(&text[begin..at])));
        }
        Self { places }
    }

    fn find(&self, leaf: &ConfigValue) -> Option<usize> {
        let ValueContent::Text(text) = &leaf.content else { return None };
        let at = references(text).next()?;
        let places = self.places.get(letters(&text[at..]))?;
        if let [(line, _)] = places[..] {
            return Some(line);
        }
        let Some(Segment::Name(name)) = leaf.key.segments().last() else { return None };
        let mut named = places.iter().filter(|(_, key)| *key == &**name);
        match (named.next(), named.next()) {
            (Some((line, _)), None) => Some(*line),
            _ => None,
        }
    }
}

/// Gives the beginning of everything that is no escaped reference and begins like one.
fn references(text: &str) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += text[at..].find('@')?;
            let here = at;
            at += 1;
            if strip_marker(&text[at..]).is_some() {
                at += 1;
            } else if strip_marker(&text[here..]).is_some() {
                return Some(here);
            }
        }
    })
}

/// Gives as much of a reference as is written in a file as it is in the value, whatever the file quotes it with.
fn letters(reference: &str) -> &str {
    let end = reference.find([')', '"', '\'', '\\', '\r', '\n']).unwrap_or(reference.len());
    &reference[..end]
}

/// Finds the last name of the key at the beginning of a line: `password = "`, `password: `.
fn key_in(begin: &str) -> &str {
    let key = begin.split(['=', ':']).next().unwrap_or_default().trim();
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
    fn a_line_is_told_where_there_is_no_doubt() {
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
            let leaf = ConfigValue::text(Key::root().member(key), "file", text);
            assert_eq!(Lines::of(file).find(&leaf), line, "{key} {text}");
        }
    }

    #[test]
    fn a_line_stands_behind_the_file() {
        let path = Path::new("settings.toml");
        assert_eq!(with_line("settings.toml key a", path, 3), "settings.toml line 3 key a");
        assert_eq!(with_line("another name", path, 3), "another name line 3");
    }
}
