//! A list in one text.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

/// Deserializes a list that is written as one text, such as the secret `a, b, c`, or as a list.
///
/// Splits text at its commas, removes the white space around each element, and parses the elements. Empty text is the
/// empty list. Use it for a field with `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// An element does not parse.
///
/// # Examples
///
/// ```
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Settings {
///     #[serde(deserialize_with = "keyvault::settings::comma_separated")]
///     ports: Vec<u16>,
/// }
///
/// let settings: Settings = serde_json::from_str(r#"{ "ports": "80, 443" }"#).unwrap();
/// assert_eq!(settings.ports, [80, 443]);
/// let settings: Settings = serde_json::from_str(r#"{ "ports": [80, 443] }"#).unwrap();
/// assert_eq!(settings.ports, [80, 443]);
/// ```
pub fn comma_separated<'de, D, C>(deserializer: D) -> Result<C, D::Error>
where
    D: Deserializer<'de>,
    C: IntoIterator + FromIterator<C::Item>,
    C::Item: FromStr + Deserialize<'de>,
{
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

struct ListVisitor<C>(PhantomData<C>);

impl<'de, C> Visitor<'de> for ListVisitor<C>
where
    C: IntoIterator + FromIterator<C::Item>,
    C::Item: FromStr + Deserialize<'de>,
{
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<C, E> {
        if text.trim().is_empty() {
            return Ok(C::from_iter([]));
        }
        let elements = text.split(',').map(|element| element.trim().parse());
        elements.collect::<Result<C, _>>().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    // Some layers, such as figment's variables, parse the text of a single number or boolean.
    fn visit_bool<E: Error>(self, value: bool) -> Result<C, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<C, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<C, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<C, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<C, A::Error> {
        std::iter::from_fn(|| list.next_element().transpose()).collect()
    }
}

pub(super) const EXPECTED: &str = "a list separated by commas";
