//! The reason that a tree does not make settings.

/// Why a tree does not make settings: a path, what was expected there and what kind of value was found.
///
/// `config` and `figment` quote the offending value in their errors. This type takes an error apart instead: it has room
/// for words of ours, for keys, and for what the *type* expected, and none for a value or a foreign message.
#[derive(Clone, Debug, Default)]
pub struct Mismatch {
    /// The path to the value, from the root; empty if the framework does not know it.
    pub path: Vec<String>,
    /// What went wrong, in words of ours: `not valid`, `missing`.
    pub clause: &'static str,
    /// What the type expects: `u16`, `one of fast, slow`.
    pub expected: Option<String>,
    /// The kind of value that was found: `string`.
    pub found: Option<&'static str>,
    /// Where the value is written, if no value is in the tree: a file that does not parse.
    pub place: Option<String>,
}

impl Mismatch {
    /// Says what went wrong, and nothing more yet.
    pub fn new(clause: &'static str) -> Self {
        Self { clause, ..Self::default() }
    }

    /// Says that a layer at `place` cannot be read. Of a parser's `message`, which shows the very line that it stumbled
    /// over, line and column are kept.
    pub fn unreadable(place: Option<String>, message: &str) -> Self {
        let position = match (number_after(message, "line "), number_after(message, "column ")) {
            (Some(line), Some(column)) => format!(" line {line}, column {column}"),
            _ => String::new(),
        };
        Self { place: place.map(|place| place + &position), ..Self::new("layer cannot be read") }
    }
}

fn number_after<'m>(message: &'m str, word: &str) -> Option<&'m str> {
    let digits = message.split_once(word)?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (1..=6).contains(&end).then(|| &digits[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_parsers_message_only_the_position_is_kept() {
        for (message, place) in [
            ("TOML parse error at line 3, column 12\n3 | password = canary", "f line 3, column 12"),
            ("expected value at line 1 column 9", "f line 1, column 9"),
            ("canary line x, column y", "f"),
            ("", "f"),
        ] {
            let mismatch = Mismatch::unreadable(Some("f".into()), message);
            assert_eq!(mismatch.place.as_deref(), Some(place), "{message}");
        }
    }
}
