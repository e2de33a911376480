//! The names of subjects: `CN=app.example, O="Contoso, Ltd", C=US`.
//!
//! See [RFC 4514](https://www.rfc-editor.org/rfc/rfc4514). The attributes of a name keep their order.

use rcgen::string::{Ia5String, PrintableString};
use rcgen::{DistinguishedName, DnType, DnValue};

use super::oid;

/// Parses a name. `None` if it is empty, an attribute is unknown or occurs twice, or a quote or an escape does not end.
pub(super) fn parse(text: &str) -> Option<DistinguishedName> {
    let mut name = DistinguishedName::new();
    for part in split(text)? {
        let (key, value) = part;
        let kind = kind(&key)?;
        if value.is_empty() || name.get(&kind).is_some() {
            return None;
        }
        let value = match &kind {
            DnType::CountryName => DnValue::PrintableString(PrintableString::try_from(value).ok()?),
            DnType::CustomDnType(oid) if IA5.contains(&oid.as_slice()) => {
                DnValue::Ia5String(Ia5String::try_from(value).ok()?)
            }
            _ => DnValue::Utf8String(value),
        };
        name.push(kind, value);
    }
    name.iter().next()?;
    Some(name)
}

/// Writes attributes, each with its object identifier and text, in the form that [`parse`] reads. Unlike a name that
/// [`parse`] accepts, they may have no text, or occur several times.
pub(super) fn write(attributes: &[(Vec<u64>, String)]) -> String {
    let attribute = |(oid, text): &(Vec<u64>, String)| {
        let known = KEYS.iter().find(|(_, known)| *known == oid.as_slice());
        let key = known.map_or_else(|| oid::write(oid), |(key, _)| (*key).to_owned());
        let is_plain = !text.contains([',', ';', '"', '=', '+', '\\']) && text.trim() == text;
        let text =
            if is_plain { text.clone() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) };
        format!("{key}={text}")
    };
    attributes.iter().map(attribute).collect::<Vec<_>>().join(", ")
}

/// Splits a name into its attributes.
fn split(text: &str) -> Option<Vec<(String, String)>> {
    let mut parts = Vec::new();
    let mut key = None;
    let mut token = String::new();
    let (mut characters, mut is_quoted) = (text.chars(), false);
    let mut finish = |key: &mut Option<String>, token: &mut String| {
        let value = std::mem::take(token).trim().to_owned();
        parts.push((key.take()?, value));
        Some(())
    };
    while let Some(character) = characters.next() {
        match character {
            '\\' => token.push(characters.next()?),
            '"' => is_quoted = !is_quoted,
            '=' if !is_quoted && key.is_none() => key = Some(std::mem::take(&mut token).trim().to_owned()),
            ',' | ';' if !is_quoted => finish(&mut key, &mut token)?,
            other => token.push(other),
        }
    }
    finish(&mut key, &mut token)?;
    (!is_quoted).then_some(parts)
}

/// Returns the type of an attribute, by its key or its object identifier.
fn kind(key: &str) -> Option<DnType> {
    let known = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, oid)| oid.to_vec());
    Some(DnType::from_oid(&known.or_else(|| oid::parse(key))?))
}

/// The keys, each preferred one before its synonyms.
const KEYS: [(&str, &[u64]); 10] = [
    ("CN", &[2, 5, 4, 3]),
    ("O", &[2, 5, 4, 10]),
    ("OU", &[2, 5, 4, 11]),
    ("L", &[2, 5, 4, 7]),
    ("S", &[2, 5, 4, 8]),
    ("ST", &[2, 5, 4, 8]),
    ("C", &[2, 5, 4, 6]),
    ("E", &[1, 2, 840, 113_549, 1, 9, 1]),
    ("EMAILADDRESS", &[1, 2, 840, 113_549, 1, 9, 1]),
    ("DC", &[0, 9, 2342, 19_200_300, 100, 1, 25]),
];

/// The attributes whose text is ASCII.
const IA5: [&[u64]; 2] = [&[1, 2, 840, 113_549, 1, 9, 1], &[0, 9, 2342, 19_200_300, 100, 1, 25]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parsed_with_quotes_and_escapes() {
        for (text, attributes) in [
            ("CN=app.example", Some(1)),
            ("cn = app.example , O=\"Contoso, Ltd\";C=US", Some(3)),
            (r"CN=a\,b,ST=Oslo", Some(2)),
            ("CN=*.example, E=a@b.example, DC=example", Some(3)),
            ("", None),
            ("CN=", None),
            ("app.example", None),
            ("CN=a,", None),
            ("CN=a,CN=b", None),
            ("X=a", None),
            ("CN=a, 2.5.4.5=Ä 7", Some(2)),
            ("2.5.4.3=a, CN=b", None),
            ("3.5.4=a", None),
            ("1.40.4=a", None),
            ("CN=\"a", None),
            ("CN=a\\", None),
            ("C=Ä", None),
        ] {
            assert_eq!(parse(text).map(|name| name.iter().count()), attributes, "{text}");
        }
    }

    #[test]
    fn a_written_name_is_parsed_as_the_same_attributes() {
        let attributes = [(vec![2, 5, 4, 3], "a, \"b\" \\ c".to_owned()), (vec![2, 5, 4, 10], "Contoso".to_owned())];
        let text = write(&attributes);
        assert_eq!(text, r#"CN="a, \"b\" \\ c", O=Contoso"#);
        let split = split(&text).unwrap();
        assert_eq!(split, [("CN".to_owned(), attributes[0].1.clone()), ("O".to_owned(), "Contoso".to_owned())]);
    }
}
