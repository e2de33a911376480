//! The files of `keyvault run --env-file`: `.env` in its various forms, and `local.settings.json` of Azure Functions.

use keyvault::settings::Segment;
use zeroize::Zeroizing;

use super::TextFile;
use super::dotenv;
use super::format::Format;
use super::problem::{Problem, SyntaxError};

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

/// Returns the strings in the object `Values`, or those of the whole object if it has no `Values`.
fn json_variables(file: &TextFile) -> Result<Vec<EnvVariable>, SyntaxError> {
    let entries = Format::Json.parse(&file.text, &file.name)?.entries;
    let is_values = |segment: &Segment| segment.name().is_some_and(|name| name.eq_ignore_ascii_case("values"));
    let has_values = entries.iter().any(|entry| matches!(entry.key.segments(), [first, _] if is_values(first)));
    let variable = |entry: super::Entry| {
        let name = match (entry.key.segments(), has_values) {
            ([first, name], true) if is_values(first) => name.name()?,
            ([name], false) => name.name()?,
            _ => return None,
        };
        Some(EnvVariable { name: name.to_owned(), value: Some(entry.text?), origin: entry.origin })
    };
    let mut variables: Vec<EnvVariable> = Vec::new();
    for variable in entries.into_iter().filter_map(variable) {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            return Err(SyntaxError { line: 1, message: "a name in Values is no name of a variable" });
        }
        variables.push(variable);
    }
    Ok(variables)
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
            ("bad.json", "{\n\"A\"", &["bad.json:2: invalid JSON"]),
            ("docker.env", "A\nB=\"c\"\nD: e\n", &["docker.env:1 A=(bare)", "docker.env:2 B=c", "docker.env:3 D=e"]),
            ("f", "a b=c\nA=1", &["f:2 A=1", "f:1: invalid name before = or :"]),
        ] {
            assert_eq!(read(name, text), expected, "{name}");
        }
    }
}
