//! The syntax of a filter of keys or labels.

use keyvault::secret::ParseError;

/// The filter that selects key-values without a label.
pub const NO_LABEL: &str = "\0";

/// A parsed filter
/// ([its syntax](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#filtering)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Pattern {
    /// `*`
    Any,
    /// `shop:*`
    Prefix(String),
    /// `a,b`, or one text. [`NO_LABEL`] matches the absence of a label.
    OneOf(Vec<String>),
}

const MAX_ITEMS: usize = 5;

impl Pattern {
    /// Parses a filter. A backslash makes the character after it stand for itself.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if the store would refuse the filter. The message does not repeat it.
    pub(crate) fn parse(filter: &str) -> Result<Self, ParseError> {
        if filter.is_empty() {
            return Err(ParseError::new("filter is empty"));
        }
        // A store reads a filter that begins with an asterisk as one for anything.
        if filter.starts_with('*') {
            return Ok(Self::Any);
        }
        let (mut items, mut letters) = (vec![String::new()], filter.chars());
        while let Some(letter) = letters.next() {
            let letter = match letter {
                '\\' => letters.next().ok_or_else(|| ParseError::new("filter ends with a backslash"))?,
                ',' => {
                    items.push(String::new());
                    continue;
                }
                '*' if letters.as_str().is_empty() && items.len() == 1 => return Ok(Self::Prefix(items.remove(0))),
                '*' => return Err(ParseError::new("filter has an asterisk before its end").with_help(ESCAPE_HELP)),
                letter => letter,
            };
            items.last_mut().expect("there is a first item").push(letter);
        }
        if items.len() > MAX_ITEMS {
            return Err(ParseError::new("filter has more than five texts").with_help("select several times"));
        }
        Ok(Self::OneOf(items))
    }

    /// Returns whether the filter matches a key or a label; `None` is the absence of a label.
    pub(crate) fn matches(&self, text: Option<&str>) -> bool {
        let text = text.unwrap_or(NO_LABEL);
        match self {
            Self::Any => true,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::OneOf(items) => items.iter().any(|item| item == text),
        }
    }

    /// Returns the only text that the filter matches.
    pub(crate) fn only(&self) -> Option<&str> {
        match self {
            Self::OneOf(items) => <&[String; 1]>::try_from(items.as_slice()).ok().map(|[item]| item.as_str()),
            _ => None,
        }
    }
}

const ESCAPE_HELP: &str = "an asterisk at the end stands for any text; write \\* for the character itself";

/// Returns the filter that matches exactly `text`: with a backslash before `*`, `,` and `\`.
///
/// ```
/// assert_eq!(keyvault_appconfig::escaped("a*b,c"), r"a\*b\,c");
/// ```
pub fn escaped(text: &str) -> String {
    let mut filter = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | ',' | '\\') {
            filter.push('\\');
        }
        filter.push(letter);
    }
    filter
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_matches_what_the_store_matches() {
        for (filter, text, expected) in [
            ("*", Some("a"), true),
            ("*", None, true),
            ("*abc", Some("x"), true),
            ("abc", Some("abc"), true),
            ("abc", Some("abcd"), false),
            ("abc", Some("ABC"), false),
            ("abc*", Some("abc"), true),
            ("abc*", Some("abcd"), true),
            ("abc*", Some("ab"), false),
            ("a,b", Some("b"), true),
            ("a,b", Some("a,b"), false),
            (r"a\,b", Some("a,b"), true),
            (r"a\*", Some("a*"), true),
            (r"a\*", Some("ab"), false),
            (r"a\\*", Some(r"a\b"), true),
            (r"a\*b*", Some("a*bc"), true),
            (NO_LABEL, None, true),
            (NO_LABEL, Some("prod"), false),
            ("prod,\0", None, true),
        ] {
            assert_eq!(Pattern::parse(filter).unwrap().matches(text), expected, "{filter:?} {text:?}");
        }
    }

    #[test]
    fn a_filter_that_the_store_refuses_is_refused() {
        for filter in ["", "a*b", "a**", "a,b*", r"a\", "a,b,c,d,e,f"] {
            assert!(Pattern::parse(filter).is_err(), "{filter:?}");
        }
        assert!(Pattern::parse("a,b,c,d,e").is_ok());
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_itself_alone(text in ".{1,20}", other in ".{0,20}") {
            let pattern = Pattern::parse(&escaped(&text)).unwrap();
            prop_assert_eq!(pattern.only(), Some(text.as_str()));
            prop_assert!(pattern.matches(Some(&text)));
            prop_assert_eq!(pattern.matches(Some(&other)), text == other);
        }
    }
}
