//! The formats of settings files.

use std::ffi::OsStr;
use std::path::Path;

use zeroize::Zeroizing;

use super::collector::EntryCollector;
use super::entry::{Entry, may_contain_reference};
use super::expression::{Expressions, is_terraform_json};
use super::problem::{Problem, SyntaxError};
use super::{app_configuration, dotenv, ini, json, properties, text, toml, yaml};

/// The format of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    Toml,
    Json,
    Yaml,
    Ini,
    /// NAME=VALUE lines
    Env,
    /// name=value lines of Java, with escapes
    Properties,
    /// Checked as text; `render` escapes secrets
    Xml,
    /// Any text: only the references in it count
    Text,
}

/// The values of a file, and what is wrong with it or worth knowing.
#[derive(Default)]
pub(crate) struct FileContents {
    pub(crate) entries: Vec<Entry>,
    pub(crate) problems: Vec<Problem>,
    /// How the file was read, if that is not obvious.
    pub(crate) notes: Vec<Problem>,
}

impl FileContents {
    /// Removes the references that contain an expression of compose or Helm, and notes their lines.
    fn set_references_aside(&mut self, file: &str, expressions: Expressions) {
        let mut lines = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.may_contain_reference()) {
            let Some(rest) = entry.text.as_deref().and_then(|text| expressions.set_aside(text)) else { continue };
            let line: Option<usize> = entry.origin.rsplit_once(':').and_then(|(_, line)| line.parse().ok());
            lines.extend(line.filter(|_| !may_contain_reference(&rest)));
            entry.text = Some(Zeroizing::new(rest));
        }
        self.notes.extend(text::note(file, &lines));
    }

    /// Removes the expressions of ARM templates, `[concat('@Microsoft.KeyVault(SecretUri=', …)]`, and notes their
    /// lines.
    fn set_expressions_aside(&mut self, file: &str) {
        let is_expression = |entry: &mut Entry| {
            let text = entry.text.as_deref().map_or("", |text| text.trim());
            text.starts_with('[') && !text.starts_with("[[") && text.ends_with(']') && text.contains('\'')
        };
        let line = |entry: Entry| entry.origin.rsplit_once(':')?.1.parse().ok();
        let aside = self.entries.extract_if(.., |entry| is_expression(entry) && entry.may_contain_reference());
        let lines: Vec<usize> = aside.filter_map(line).collect();
        self.notes.extend(text::note(file, &lines));
    }
}

impl Format {
    /// Returns the format that the file name suggests, [`Format::Text`] for an unknown extension.
    pub(crate) fn of(path: &str) -> Self {
        let path = Path::new(path);
        let lower = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().to_lowercase());
        let name = lower(path.file_name()).unwrap_or_default();
        if name == ".env" || name.starts_with(".env.") {
            return Self::Env;
        }
        if is_terraform_json(&name) {
            return Self::Text;
        }
        match lower(path.extension()).as_deref() {
            Some("toml") => Self::Toml,
            Some("json" | "jsonc") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            Some("ini") => Self::Ini,
            Some("properties") => Self::Properties,
            Some("env") => Self::Env,
            Some("xml" | "config" | "csproj" | "xhtml" | "svg") => Self::Xml,
            _ => Self::Text,
        }
    }

    /// Returns every value of `text`. `file` is the name that origins start with.
    ///
    /// The references of a file that is invalid in its format are found by text.
    pub(super) fn read(self, text: &str, file: &str) -> FileContents {
        if matches!(self, Self::Text | Self::Xml) {
            return text::read(text, file, Expressions::of_file(file));
        }
        let error = match self.parse(text, file) {
            Ok(mut contents) => {
                contents.entries = app_configuration::with_references(contents.entries);
                match (self, Expressions::of_yaml_file(file)) {
                    (Self::Json, _) => contents.set_expressions_aside(file),
                    (Self::Yaml, Some(expressions)) => contents.set_references_aside(file, expressions),
                    _ => {}
                }
                return contents;
            }
            Err(error) => error,
        };
        if self == Self::Yaml && (text.contains("{{") || text.contains("{%")) {
            let mut contents = text::read(text, file, Some(Expressions::HELM));
            let message = "a template, not valid YAML yet, so its references were found by text";
            contents.notes.insert(0, SyntaxError { message, ..error }.in_file(file));
            return contents;
        }
        let mut contents = text::read(text, file, None);
        contents.problems.push(error.in_file(file));
        contents
    }

    pub(super) fn parse(self, text: &str, file: &str) -> Result<FileContents, SyntaxError> {
        let mut collector = EntryCollector::new(text, file);
        match self {
            Self::Toml => toml::parse(&mut collector)?,
            Self::Json => json::parse(&mut collector)?,
            Self::Yaml => yaml::parse(&mut collector)?,
            Self::Ini => ini::parse(&mut collector)?,
            Self::Properties => properties::parse(&mut collector)?,
            Self::Env => dotenv::parse(&mut collector)?,
            Self::Xml | Self::Text => {}
        }
        Ok(FileContents { entries: collector.entries, problems: collector.problems, notes: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(format: Format, text: &str) -> Vec<String> {
        let contents = format.read(text, "f");
        assert!(contents.problems.is_empty(), "{text}: {:?}", contents.problems);
        let with_reference = contents.entries.iter().filter(|entry| entry.may_contain_reference());
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
            (Format::Env, "A=1\n\nb canary\n", 3),
            (Format::Env, "A=1\nB='canary\n", 2),
            (Format::Env, "A B=canary\n", 1),
        ] {
            let contents = format.read(text, "f");
            let [problem] = &contents.problems[..] else { panic!("{text}: {:?}", contents.problems) };
            assert_eq!(problem.origin, format!("f:{line}"), "{format:?}: {text}");
            assert!(!problem.message.contains("canary"));
        }
    }

    #[test]
    fn an_invalid_file_does_not_hide_its_references() {
        for (format, text, origins, problem) in [
            (Format::Json, "{\n\"a\": \"@KeyVault(SecretName=a)\", b}", &["f:2"][..], "invalid JSON"),
            (Format::Toml, "a = \n'@KeyVault(SecretName=a)'", &["f:2"], "invalid TOML"),
            (
                Format::Env,
                "A=@KeyVault(SecretName=a)\nB C=x\nD=@KeyVault(SecretName=d)",
                &["f:1", "f:3"],
                "invalid name",
            ),
            (
                Format::Env,
                "A=1\nB='@KeyVault(SecretName=a)\nC=@KeyVault(SecretName=c)",
                &["f:3", "f:2"],
                "quote is not",
            ),
            (Format::Env, "A=\"x @KeyVault(SecretName=a)", &["f:1"], "quote is not closed"),
            (Format::Env, "A='x' @KeyVault(SecretName=a)\n", &["f:1"], "text after the closing quote"),
            (Format::Env, "A='open\n@KeyVault(SecretName=a)\n", &["f:2"], "quote is not closed"),
            (Format::Env, "A B=@KeyVault(SecretName=a)\n", &["f:1"], "invalid name"),
            (Format::Yaml, "a:\n  b: @KeyVault(SecretName=a)\n", &["f:2"], "quote it"),
            (Format::Yaml, "- a: 1\n- @KeyVault(SecretName=a)\n", &["f:2"], "quote it"),
            (Format::Yaml, "a: [@KeyVault(SecretName=a)]", &["f:1"], "quote it"),
            (Format::Yaml, "a: [@KeyVault(SecretName=a)", &["f:1"], "invalid YAML"),
        ] {
            let contents = format.read(text, "f");
            let found: Vec<&str> = contents
                .entries
                .iter()
                .filter(|entry| entry.may_contain_reference())
                .map(|entry| entry.origin.as_str())
                .collect();
            assert_eq!(found, origins, "{text}");
            assert!(contents.problems[0].message.contains(problem), "{text}: {}", contents.problems[0]);
        }
    }

    #[test]
    fn a_template_of_yaml_is_searched_as_text() {
        let text = "{{- range .Values.apps }}\n- name: {{ .name }}\n  db: \"@KeyVault(SecretName=db)\"\n  \
                    own: \"@KeyVault(VaultName={{ .vault }};SecretName=db)\"\n{{- end }}\n";
        let contents = Format::Yaml.read(text, "f");
        assert_eq!(contents.entries.iter().map(|entry| entry.origin.as_str()).collect::<Vec<_>>(), ["f:3"]);
        assert!(contents.problems.is_empty());
        let notes: Vec<String> = contents.notes.iter().map(ToString::to_string).collect();
        assert!(notes[0].contains("found by text") && notes[1].contains("line 4"), "{notes:?}");
    }

    #[test]
    fn expressions_of_compose_and_helm_are_set_aside() {
        let text = "a: '@KeyVault(VaultName=${VAULT};SecretName=db)'\nb: x@KeyVault(SecretName=${NAME:-x})@KeyVault(SecretName=b)\n\
                    c: '@KeyVault(VaultNam=${VAULT};SecretName=db)'\nd: '@KeyVault(SecretName=d)'\n";
        let helm = text.replace("${VAULT}", "{{ .Values.vault }}").replace("${NAME:-x}", "{{ .Values.name }}");
        for (file, text) in [("deploy/compose.prod.yaml", text), ("chart/templates/a.yaml", &helm)] {
            let contents = Format::Yaml.read(text, file);
            let with_reference = contents.entries.iter().filter(|entry| entry.may_contain_reference());
            let found: Vec<&str> = with_reference.map(|entry| entry.text.as_ref().unwrap().as_str()).collect();
            let expected =
                ["x@KeyVault(SecretName=b)", "@KeyVault(VaultNam=expression;SecretName=db)", "@KeyVault(SecretName=d)"];
            assert_eq!(found, expected, "{file}");
            assert!(contents.notes[0].to_string().contains("line 1)"), "{file}: {}", contents.notes[0]);
            assert!(Format::Yaml.read(text, "settings.yaml").notes.is_empty(), "{file}");
        }
    }

    #[test]
    fn nesting_is_limited_in_every_format() {
        let many = |part: &str| part.repeat(20_000);
        let block: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        let long = "n".repeat(300_000);
        for (format, text, line) in [
            (Format::Json, many("["), 1),
            (Format::Json, format!("[\n{}", many("{\"a\":")), 2),
            (Format::Yaml, many("- "), 1),
            (Format::Yaml, block, 130),
            (Format::Yaml, format!("a: 1\nb: {}", many("[")), 2),
            (Format::Yaml, format!("a: 1\nb: {}", many("{a: ")), 2),
            (Format::Yaml, many("? "), 1),
            (Format::Toml, format!("b=1\na={}", many("[")), 2),
            (Format::Toml, format!("b=1\n{}a=1", many("a.")), 2),
            (Format::Toml, format!("b=1\n[{}a]", many("a.")), 2),
            (Format::Ini, format!("b=1\n[{}a]", many("a.")), 2),
            (Format::Ini, format!("b=1\n{}a=1", many("a.")), 2),
            (Format::Properties, format!("b=1\n{}a=1", many("a.")), 2),
            (Format::Json, format!("{{\"{long}\":[\n{}0]}}", many("0,")), 2),
            (Format::Yaml, format!("? {long}\n: [\n{}0]", many("0,")), 3),
        ] {
            let started = std::time::Instant::now();
            let contents = format.read(&text, "f");
            let start = &text[..30.min(text.len())];
            let problem = contents.problems.first().unwrap_or_else(|| panic!("{format:?}: {start}")).to_string();
            assert!(problem.starts_with(&format!("f:{line}: ")), "{format:?} {start}: {problem}");
            assert!(started.elapsed().as_secs() < 5, "{format:?} {start}: {:?}", started.elapsed());
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
}
