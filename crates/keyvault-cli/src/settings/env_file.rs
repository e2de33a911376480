//! The files of `keyvault run --env-file`: `.env` in its various forms, and `local.settings.json` of Azure Functions.

use keyvault::settings::Segment;
use zeroize::Zeroizing;

use super::dotenv;
use super::entry::file_and_line;
use super::format::Format;
use super::problem::{Problem, SyntaxError};
use super::{Entry, TextFile};

/// A variable of a file.
pub(crate) struct EnvVariable {
    pub(crate) name: String,
    /// The value. `None` for a bare name, which passes on the variable of this process.
    pub(crate) value: Option<Zeroizing<String>>,
    /// The file and line.
    pub(crate) origin: String,
}

/// Returns the variables of a file, and a problem for each line that is none.
pub(crate) fn env_file(file: &TextFile) -> (Vec<EnvVariable>, Vec<Problem>) {
    if file.name.to_lowercase().ends_with(".json") || file.text.trim_start().starts_with('{') {
        return match json_variables(file) {
            Ok(variables) => (variables, Vec::new()),
            Err(error) => (Vec::new(), vec![error.in_file(&file.name)]),
        };
    }
    let (variables, errors) = dotenv::variables(&file.text);
    let variables = variables.into_iter().map(|variable| EnvVariable {
        origin: format!("{}:{}", file.name, variable.first_line),
        name: variable.name,
        value: variable.value,
    });
    (variables.collect(), errors.iter().take(MAX_PROBLEMS).map(|error| error.in_file(&file.name)).collect())
}

const MAX_PROBLEMS: usize = 100;

/// Returns the strings, numbers and booleans in the object `Values`, or those of the whole object if it has no
/// `Values`.
fn json_variables(file: &TextFile) -> Result<Vec<EnvVariable>, SyntaxError> {
    let entries = Format::Json.parse(&file.text, &file.name)?.entries;
    let is = |segment: &Segment, name: &str| segment.name().is_some_and(|own| own.eq_ignore_ascii_case(name));
    let encryption = entries.iter().find(|entry| matches!(entry.key.segments(), [name] if is(name, "IsEncrypted")));
    if let Some(entry) = encryption.filter(|entry| entry.text.as_deref().is_some_and(|text| text == "true")) {
        let message = "the values are encrypted: run `func settings decrypt` first";
        return Err(SyntaxError { line: line_of(&entry.origin), message });
    }
    let has_values = |entry: &Entry| matches!(entry.key.segments(), [first, _] if is(first, "Values"));
    let has_values = encryption.is_some() || entries.iter().any(has_values);
    let variable = |entry: Entry| {
        let name = match (entry.key.segments(), has_values) {
            ([first, name], true) if is(first, "Values") => name.name()?,
            ([name], false) => name.name()?,
            _ => return None,
        };
        Some(EnvVariable { name: name.to_owned(), value: Some(entry.text?), origin: entry.origin })
    };
    let mut variables: Vec<EnvVariable> = Vec::new();
    for variable in entries.into_iter().filter_map(variable) {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            let message = "a name in Values is not a valid variable name";
            return Err(SyntaxError { line: line_of(&variable.origin), message });
        }
        variables.push(variable);
    }
    Ok(variables)
}

fn line_of(origin: &str) -> usize {
    file_and_line(origin).and_then(|(_, line)| line.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Vec<String> {
        let text = Zeroizing::new(text.to_owned());
        let (variables, problems) = env_file(&TextFile { name: name.into(), text, has_byte_order_mark: false });
        let text =
            |value: &Option<Zeroizing<String>>| value.as_ref().map_or("(bare)".into(), |value| value.to_string());
        let variables = variables.iter().map(|v| format!("{} {}={}", v.origin, v.name, text(&v.value)));
        variables.chain(problems.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn every_form_is_read() {
        let functions = "{\n  \"IsEncrypted\": false,\n  \"Values\": {\n    \"DB\": \"x\", // note\n    \"A:B\": \"y\"\n  },\n  \
                         \"ConnectionStrings\": { \"C\": \"z\" }\n}\n";
        for (name, text, expected) in [
            ("local.settings.json", functions, &["local.settings.json:4 DB=x", "local.settings.json:5 A:B=y"][..]),
            ("flat.json", "{\"A\": \"b\"}", &["flat.json:1 A=b"]),
            (
                "f.json",
                "{\"Values\": {\"N\": 5,\n\"T\": true, \"Z\": null, \"O\": {\"x\": 1}}, \"A\": 1}",
                &["f.json:1 N=5", "f.json:2 T=true"],
            ),
            (
                "local.settings.json",
                "{\"IsEncrypted\": true, \"Values\": {\"A\": \"x\"}}",
                &["local.settings.json:1: the values are encrypted: run `func settings decrypt` first"],
            ),
            ("local.settings.json", "{\"IsEncrypted\": false, \"Values\": {}}", &[]),
            (
                "f.json",
                "{\"Values\": {\n\"A\": \"x\",\n\"B=C\": \"y\"}}",
                &["f.json:3: a name in Values is not a valid variable name"],
            ),
            ("win.env", "$env:A=\"b\"", &["win.env:1: invalid name before = or :"]),
            ("bad.json", "{\n\"A\"", &["bad.json:2: invalid JSON"]),
            ("docker.env", "A\nB=\"c\"\nD: e\n", &["docker.env:1 A=(bare)", "docker.env:2 B=c", "docker.env:3 D=e"]),
            ("f", "a b=c\nA=1", &["f:2 A=1", "f:1: invalid name before = or :"]),
        ] {
            assert_eq!(read(name, text), expected, "{name}");
        }
    }
}
