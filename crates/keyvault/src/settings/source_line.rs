//! The line of a reference in its source file.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::config_value::{ConfigValue, ValueContent};
use super::key::{Key, Segment};
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

/// Returns `place` with the line of `key` in its file, if the line is unambiguous and not there yet.
pub(crate) fn place_with_line(place: String, file: &Path, key: &Key) -> String {
    let has_line = place.strip_prefix(&*file.to_string_lossy()).is_none_or(|rest| rest.starts_with(" line "));
    match if has_line { None } else { read(file).and_then(|text| line_of_key(&text, key)) } {
        Some(line) => with_line(&place, file, line),
        None => place,
    }
}

/// Searches the line that begins with `key`, or with the table or list above it.
///
/// Knows the lines `key = value`, `key: value` and `[table]` of TOML, YAML and JSON, but not the structure of the text.
fn line_of_key(text: &str, key: &Key) -> Option<usize> {
    let names: Vec<&str> = key.segments().iter().filter_map(Segment::name).collect();
    let split = |path: &'_ str| path.split('.').map(|name| name.trim().trim_matches(['"', '\'']).to_owned()).collect();
    let (mut header, mut lines): (Vec<String>, Vec<(usize, Vec<String>)>) = (Vec::new(), Vec::new());
    for (line, text) in text.lines().map(str::trim).enumerate() {
        if let Some(table) = text.strip_prefix('[').filter(|table| !table.contains(['"', ','])) {
            header = split(table.trim_start_matches('[').split(']').next().unwrap_or_default());
            lines.push((line + 1, header.clone()));
        } else if text.contains(['=', ':']) {
            let name = text.split(['=', ':']).next().unwrap_or_default().trim_matches([' ', '\t', '{', ',', '-']);
            let name: Vec<String> = split(name);
            lines.push((line + 1, [&header[..], &name].concat()));
        }
    }
    // A line of TOML and its table are the whole path. A line of YAML or JSON is the end of one.
    let is_whole_path = text.lines().any(|line| line.trim().starts_with('[')) || !text.contains(": ");
    for end in (1..=names.len()).rev() {
        let wanted = &names[..end];
        let is_end = |(_, path): &&(usize, Vec<String>)| {
            wanted.ends_with(&path.iter().map(String::as_str).collect::<Vec<_>>())
                && (path.len() == end || !is_whole_path)
        };
        let ends: Vec<_> = lines.iter().filter(is_end).collect();
        let whole: Vec<_> = ends.iter().filter(|(_, path)| path.len() == end).collect();
        match (&whole[..], &ends[..]) {
            ([(line, _)], _) | ([], [(line, _)]) => return Some(*line),
            ([], []) => {}
            _ => return None,
        }
    }
    None
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
    fn a_key_has_a_line_if_it_is_unambiguous() {
        let toml = "port = 1\n[db]\nport = 2 # db\n[db.'pool']\nsize = 'x'\n[mail]\nauth = { user = 1 }\n\
             [[hosts]]\nname = 1\n[[hosts]]\nname = 2\n[list]\nof = [\n  'a', 'b'\n]";
        let yaml = "db:\n  port: x\n  host: y\nmail:\n  - host: z\n";
        let json = "{\n  \"db\": {\n    \"port\": true\n  }\n}";
        for (text, key, line) in [
            (toml, "port", Some(1)),
            (toml, "db.port", Some(3)),
            (toml, "db.pool.size", Some(5)),
            (toml, "db.pool", Some(4)),
            (toml, "mail.auth.user", Some(7)),
            (toml, "hosts.name", None),
            (toml, "mail.port", Some(6)),
            (toml, "list.of", Some(13)),
            (toml, "other", None),
            (yaml, "db.port", Some(2)),
            (yaml, "db.host", None),
            (json, "db.port", Some(3)),
        ] {
            assert_eq!(line_of_key(text, &key.split('.').collect()), line, "{key}");
        }
    }

    #[test]
    fn the_line_follows_the_file() {
        let path = Path::new("settings.toml");
        assert_eq!(with_line("settings.toml key a", path, 3), "settings.toml line 3 key a");
        assert_eq!(with_line("another name", path, 3), "another name line 3");
    }
}
