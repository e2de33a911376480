//! The formats of settings files.

use std::ffi::OsStr;
use std::path::Path;

use super::collector::EntryCollector;
use super::entry::Entry;
use super::problem::SyntaxError;
use super::{dotenv, ini, json, text, toml, yaml};

/// The format of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    Toml,
    Json,
    Yaml,
    Ini,
    /// NAME=VALUE lines
    Env,
    /// Any text: only the references in it count
    Text,
}

impl Format {
    /// Returns the format that the file name suggests, [`Format::Text`] for an unknown extension.
    pub(super) fn of(path: &str) -> Self {
        let path = Path::new(path);
        let lower = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().to_lowercase());
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

    /// Returns every value of `text`. `file` is the name that origins start with.
    pub(super) fn parse(self, text: &str, file: &str) -> Result<Vec<Entry>, SyntaxError> {
        let mut collector = EntryCollector::new(text, file);
        match self {
            Self::Toml => toml::parse(&mut collector)?,
            Self::Json => json::parse(&mut collector)?,
            Self::Yaml => yaml::parse(&mut collector)?,
            Self::Ini => ini::parse(&mut collector)?,
            Self::Env => dotenv::parse(&mut collector)?,
            Self::Text => text::parse(&mut collector),
        }
        Ok(collector.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(format: Format, text: &str) -> Vec<String> {
        let entries = format.parse(text, "f").unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let with_reference = entries.iter().filter(|entry| entry.may_contain_reference());
        with_reference
            .map(|entry| format!("{} {}={}", entry.origin, entry.key, **entry.text.as_ref().unwrap()))
            .collect()
    }

    #[test]
    fn every_format_reports_the_line_and_key_of_a_reference() {
        let toml = "# @KeyVault(SecretName=comment)\na = '@KeyVault(SecretName=a)'\n[b.c]\n\
                    d = [1, \"@KeyVault(SecretName=d)\"]\n\
                    e = \"\"\"\n\nx @KeyVault(SecretName=e)\"\"\"\n[[f]]\ng = { h = '@KeyVault(SecretName=h)' }\n";
        let json = "{\n \"a\": \"@KeyVault(SecretName=a)\", // @KeyVault(SecretName=comment)\n \"b\": {\"c\":\n  [1, \
                    \"\\u0040KeyVault(SecretName=c)\"],},\n/* \"x\" */ \"d\\n\": \"//@KeyVault(SecretName=d)\"\n}";
        let yaml = "a: '@KeyVault(SecretName=a)' # @KeyVault(SecretName=comment)\nb:\n  - 1\n\
                    \x20 - c: \"@KeyVault(SecretName=c)\"\n\
                    d: &x |\n  one\n  @KeyVault(SecretName=d)\ne: *x\n---\na: \"@KeyVault(SecretName=a2)\"\n";
        let ini = "; @KeyVault(SecretName=comment)\na=@KeyVault(VaultName=contoso;SecretName=a)\r\n[b.c]\n\n d = \
                   \"@KeyVault(SecretName=d)\"\ne: @KeyVault(SecretName=e)\n";
        let env = "# @KeyVault(SecretName=comment)\nexport A=@KeyVault(VaultName=contoso; SecretName=a) # note\n\
                   B='x@KeyVault(SecretName=b)'\n\
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
    fn a_syntax_error_names_the_line_and_quotes_nothing() {
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
            assert!(!error.message.contains("canary"));
        }
    }

    #[test]
    fn the_file_name_determines_the_format() {
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
    fn deeply_nested_json_is_an_error() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Format::Json.parse(&deep, "f").is_err());
    }
}
