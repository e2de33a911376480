//! A value that is neither a table nor a list.

use std::fmt;

use zeroize::Zeroizing;

/// A value that is neither a table nor a list.
///
/// `Debug` shows the kind only.
#[derive(Clone, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// Text, which may be a secret.
    Text(Zeroizing<String>),
}

impl Scalar {
    /// Creates text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }

    /// Returns the number or the boolean of JSON that `text` is.
    pub(super) fn of_json(text: &str) -> Option<Self> {
        if let Ok(b) = text.parse() {
            return Some(Self::Bool(b));
        }
        let integer = || text.parse().ok().map(Self::Integer);
        integer().or_else(|| text.parse().ok().filter(|n: &f64| n.is_finite()).map(Self::Float))
    }

    /// Returns the values of other types that `text` may stand for, without the white space around it. The likeliest
    /// comes first.
    pub(super) fn readings(text: &str) -> Vec<Self> {
        let trimmed = text.trim();
        let number = match trimmed.parse() {
            Ok(integer) => Some(Self::Integer(integer)),
            Err(_) => trimmed.parse().ok().filter(|it: &f64| it.is_finite()).map(Self::Float),
        };
        let boolean = match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(Self::Bool(true)),
            "false" | "no" | "off" | "0" => Some(Self::Bool(false)),
            _ => None,
        };
        let shorter = (trimmed != text).then(|| Self::text(trimmed));
        number.into_iter().chain(boolean).chain(shorter).collect()
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool(_) => "Bool(..)",
            Self::Integer(_) => "Integer(..)",
            Self::Float(_) => "Float(..)",
            Self::Text(_) => "Text(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_of_json_is_a_number_or_a_boolean() {
        use Scalar::{Bool, Float, Integer};
        for (text, scalar) in [
            ("true", Some(Bool(true))),
            ("-7", Some(Integer(-7))),
            ("18446744073709551615", Some(Integer(u64::MAX.into()))),
            ("1.5", Some(Float(1.5))),
            ("1e3", Some(Float(1_000.0))),
            ("1e999", None),
            ("x", None),
        ] {
            assert!(Scalar::of_json(text) == scalar, "{text}");
        }
    }

    #[test]
    fn text_has_the_readings_of_other_types() {
        use Scalar::{Bool, Float, Integer};
        for (text, readings) in [
            ("5432\n", vec![Integer(5432), Scalar::text("5432")]),
            ("0123", vec![Integer(123)]),
            ("-1.5", vec![Float(-1.5)]),
            ("1", vec![Integer(1), Bool(true)]),
            ("TRUE", vec![Bool(true)]),
            ("info ", vec![Scalar::text("info")]),
            ("NaN", vec![]),
            ("info", vec![]),
            ("", vec![]),
        ] {
            assert!(Scalar::readings(text) == readings, "{text}");
        }
    }
}
