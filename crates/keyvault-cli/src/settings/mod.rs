//! The files that settings are kept in, with the place of every value.

mod dotenv;
mod ini;
mod json;
mod text;
mod toml;
mod yaml;

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use keyvault::{Key, Leaf};
use zeroize::Zeroizing;

pub(crate) use self::dotenv::parse as parse_dotenv;

/// One value of a file or of the environment, and where it is written.
pub(crate) struct Entry {
    pub(crate) key: Key,
    /// `settings.toml:3`, `variable SHOP_PORT`.
    pub(crate) place: String,
    /// The document of the file that the value is in; most files have one.
    pub(crate) document: usize,
    /// None where the value is no string: no reference can be in it.
    pub(crate) text: Option<Zeroizing<String>>,
}

impl Entry {
    /// Tells whether anything in the value is a reference, or begins like one, or escapes one.
    pub(crate) fn is_marked(&self) -> bool {
        self.text.as_deref().is_some_and(|text| has_marker(text))
    }

    /// Names the file that the value is in; all variables together are `variable`.
    pub(crate) fn document_name(&self) -> &str {
        match self.place.rsplit_once(':') {
            Some((file, _)) => file,
            None => self.place.split(' ').next().unwrap_or_default(),
        }
    }

    /// Gives the value to a resolver.
    pub(crate) fn leaf(&self) -> Option<Leaf> {
        let text = self.text.as_deref()?;
        Some(Leaf::text(self.key.clone(), self.place.clone(), text.as_str()))
    }
}

/// Tells whether `text` may have a reference in it; quick, for it is asked of every variable at every start.
pub(crate) fn has_marker(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let here = &text.as_bytes()[at..];
        MARKERS.iter().any(|marker| here.get(..marker.len()).is_some_and(|head| head.eq_ignore_ascii_case(marker)))
    })
}

const MARKERS: [&[u8]; 2] = [b"@Microsoft.KeyVault", b"@KeyVault"];

/// Why a file cannot be read as settings: where, and in words of ours. What is written there is not repeated.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: String,
    pub(crate) clause: String,
    /// What a command ends with if this is all that is wrong: 1 if this machine failed, 2 if the file is wrong.
    pub(crate) code: u8,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.clause)
    }
}

/// What a parser says: the line, and what is wrong there.
#[derive(Debug)]
pub(crate) struct Unreadable {
    line: usize,
    clause: &'static str,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    Toml,
    Json,
    Yaml,
    Ini,
    /// NAME=VALUE lines
    Env,
    /// Anything: each reference counts, whatever is around it
    Text,
}

impl Format {
    /// Tells the format by the file's name; what is not known is text.
    pub(crate) fn of(path: &str) -> Self {
        let path = Path::new(path);
        let lower = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().to_lowercase());
        let name = lower(path.file_name()).unwrap_or_default();
        if name == ".env" || name.starts_with(".env.") {
            return Self::Env;
        }
        match lower(path.extension()).as_deref() {
            Some("toml") => Self::Toml,
            Some("json" | "jsonc") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            Some("ini" | "properties") => Self::Ini,
            Some("env") => Self::Env,
            _ => Self::Text,
        }
    }

    fn parse(self, text: &str, file: &str) -> Result<Vec<Entry>, Unreadable> {
        let mut entries = Entries::new(text, file);
        match self {
            Self::Toml => toml::parse(&mut entries)?,
            Self::Json => json::parse(&mut entries)?,
            Self::Yaml => yaml::parse(&mut entries)?,
            Self::Ini => ini::parse(&mut entries)?,
            Self::Env => dotenv::read(&mut entries)?,
            Self::Text => text::parse(&mut entries),
        }
        Ok(entries.found)
    }
}

/// Reads a file, or standard input where `path` is `-`, and gives every value in it.
pub(crate) fn read(path: &str, format: Option<Format>) -> Result<Vec<Entry>, Problem> {
    let (file, text) = read_text(path)?;
    let at = |unread: Unreadable| Problem {
        place: format!("{file}:{}", unread.line),
        clause: unread.clause.to_owned(),
        code: 2,
    };
    format.unwrap_or_else(|| Format::of(path)).parse(&text, &file).map_err(at)
}

/// Reads the text of a file, or of standard input, and what to call it.
pub(crate) fn read_text(path: &str) -> Result<(String, Zeroizing<String>), Problem> {
    let file = if path == "-" { "standard input" } else { path }.to_owned();
    let read = || match path {
        "-" => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
        _ => std::fs::read(path),
    };
    let bytes =
        read().map_err(|error: io::Error| Problem { place: file.clone(), clause: error.to_string(), code: 1 })?;
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(bytes) => bytes.to_vec(),
        None => bytes,
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok((file, Zeroizing::new(text))),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            Err(Problem { place: format!("{file}:{line}"), clause: "not UTF-8 text".to_owned(), code: 2 })
        }
    }
}

/// What a parser fills.
struct Entries<'t> {
    text: &'t str,
    file: &'t str,
    /// Where every line begins.
    lines: Vec<usize>,
    document: usize,
    found: Vec<Entry>,
}

impl<'t> Entries<'t> {
    fn new(text: &'t str, file: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, file, lines, document: 0, found: Vec::new() }
    }

    /// Tells the line of a place in the text, from 1.
    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Adds a string that is written from line `first` to line `last`; its place is where a reference is seen first.
    fn string(&mut self, key: Key, first: usize, last: usize, text: String) {
        let is_marked = |line: &usize| self.line_text(*line).is_some_and(has_marker);
        let line = if first < last { (first..=last).find(is_marked).unwrap_or(first) } else { first };
        self.push(key, line, Some(Zeroizing::new(text)));
    }

    /// Adds a value that is no string.
    fn other(&mut self, key: Key, line: usize) {
        self.push(key, line, None);
    }

    fn push(&mut self, key: Key, line: usize, text: Option<Zeroizing<String>>) {
        let (place, document) = (format!("{}:{line}", self.file), self.document);
        self.found.push(Entry { key, place, document, text });
    }

    fn line_text(&self, line: usize) -> Option<&'t str> {
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        Some(&self.text[start..end])
    }
}

/// Makes a key of a path as a line says it: `database.password`.
fn dotted(path: &str) -> Key {
    path.split('.').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(format: Format, text: &str) -> Vec<String> {
        let entries = format.parse(text, "f").unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let marked = entries.iter().filter(|entry| entry.is_marked());
        marked.map(|entry| format!("{} {}={}", entry.place, entry.key, **entry.text.as_ref().unwrap())).collect()
    }

    #[test]
    fn a_reference_is_found_with_its_line_and_key() {
        let toml = "# @KeyVault(SecretName=comment)\na = '@KeyVault(SecretName=a)'\n[b.c]\nd = [1, \"@KeyVault(SecretName=d)\"]\n\
                    e = \"\"\"\n\nx @KeyVault(SecretName=e)\"\"\"\n[[f]]\ng = { h = '@KeyVault(SecretName=h)' }\n";
        let json = "{\n \"a\": \"@KeyVault(SecretName=a)\", // @KeyVault(SecretName=comment)\n \"b\": {\"c\":\n  [1, \
                    \"\\u0040KeyVault(SecretName=c)\"],},\n/* \"x\" */ \"d\\n\": \"//@KeyVault(SecretName=d)\"\n}";
        let yaml = "a: '@KeyVault(SecretName=a)' # @KeyVault(SecretName=comment)\nb:\n  - 1\n  - c: \"@KeyVault(SecretName=c)\"\n\
                    d: &x |\n  one\n  @KeyVault(SecretName=d)\ne: *x\n---\na: \"@KeyVault(SecretName=a2)\"\n";
        let ini = "; @KeyVault(SecretName=comment)\na=@KeyVault(VaultName=contoso;SecretName=a)\r\n[b.c]\n\n d = \
                   \"@KeyVault(SecretName=d)\"\ne: @KeyVault(SecretName=e)\n";
        let env = "# @KeyVault(SecretName=comment)\nexport A=@KeyVault(VaultName=contoso; SecretName=a) # note\nB='x@KeyVault(SecretName=b)'\n\
                   C=\"\n@KeyVault(SecretName=c)\\\"\"\n";
        let text = "x\nserver @KeyVault(SecretName=a) @KeyVault(SecretName=b);\n@@KeyVault(\n@KeyVault(\n";
        for (format, text, expected) in [
            (
                Format::Toml,
                toml,
                &[
                    "f:2 a=@KeyVault(SecretName=a)",
                    "f:4 b.c.d[1]=@KeyVault(SecretName=d)",
                    "f:7 b.c.e=\nx @KeyVault(SecretName=e)",
                    "f:9 f[0].g.h=@KeyVault(SecretName=h)",
                ][..],
            ),
            (
                Format::Json,
                json,
                &[
                    "f:2 a=@KeyVault(SecretName=a)",
                    "f:4 b.c[1]=@KeyVault(SecretName=c)",
                    "f:5 d\n=//@KeyVault(SecretName=d)",
                ],
            ),
            (
                Format::Yaml,
                yaml,
                &[
                    "f:1 a=@KeyVault(SecretName=a)",
                    "f:4 b[1].c=@KeyVault(SecretName=c)",
                    "f:7 d=one\n@KeyVault(SecretName=d)\n",
                    "f:10 a=@KeyVault(SecretName=a2)",
                ],
            ),
            (
                Format::Ini,
                ini,
                &[
                    "f:2 a=@KeyVault(VaultName=contoso;SecretName=a)",
                    "f:5 b.c.d=@KeyVault(SecretName=d)",
                    "f:6 b.c.e=@KeyVault(SecretName=e)",
                ],
            ),
            (
                Format::Env,
                env,
                &[
                    "f:2 A=@KeyVault(VaultName=contoso; SecretName=a)",
                    "f:3 B=x@KeyVault(SecretName=b)",
                    "f:5 C=\n@KeyVault(SecretName=c)\"",
                ],
            ),
            (
                Format::Text,
                text,
                &["f:2 line 2=@KeyVault(SecretName=a)", "f:2 line 2=@KeyVault(SecretName=b)", "f:4 line 4=@KeyVault("],
            ),
        ] {
            let found = found(format, text);
            if format == Format::Text {
                assert_eq!(found[..2], expected[..2]);
                assert!(found[2].starts_with(expected[2]));
            } else {
                assert_eq!(found, expected, "{format:?}");
            }
        }
    }

    #[test]
    fn a_file_that_does_not_parse_says_where_and_not_what() {
        for (format, text, line) in [
            (Format::Toml, "a = 1\nb = canary\n", 2),
            (Format::Json, "{\n\"a\": canary\n}", 2),
            (Format::Json, "{\"a\": [1, 2}", 1),
            (Format::Json, "", 1),
            (Format::Yaml, "a: 1\nb: [canary\nc: {", 3),
            (Format::Ini, "a=1\n[canary\n", 2),
            (Format::Env, "A=1\n\ncanary\n", 3),
            (Format::Env, "A=1\nB='canary\n", 2),
            (Format::Env, "1A=canary\n", 1),
        ] {
            let error = format.parse(text, "f").err().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(error.line, line, "{format:?}: {text}");
            assert!(!error.clause.contains("canary"));
        }
    }

    #[test]
    fn formats_are_told_by_names() {
        for (path, format) in [
            ("a/settings.toml", Format::Toml),
            ("appsettings.JSON", Format::Json),
            ("x.yml", Format::Yaml),
            ("x.ini", Format::Ini),
            (".env", Format::Env),
            (".env.local", Format::Env),
            ("prod.env", Format::Env),
            ("nginx.conf", Format::Text),
            ("-", Format::Text),
        ] {
            assert_eq!(Format::of(path), format, "{path}");
        }
    }

    #[test]
    fn json_that_nests_without_end_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Format::Json.parse(&deep, "f").is_err());
    }
}
