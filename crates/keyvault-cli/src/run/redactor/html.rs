//! The character references of HTML and XML.

use super::decoder::{Decoded, character};

/// Decodes a reference such as `&lt;` or `&#43;` at the beginning of `bytes`. `None` if there is none.
pub(super) fn html(bytes: &[u8]) -> Option<Decoded> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let length = bytes[1..].iter().take(MAX_ENTITY + 1).take_while(|byte| is_part(byte)).count();
    let Some(end) = bytes.get(1 + length) else {
        return (length <= MAX_ENTITY).then_some(Decoded::Undecided);
    };
    if *end != b';' {
        return None;
    }
    let name = str::from_utf8(&bytes[1..=length]).ok()?;
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let hex = number.strip_prefix(['x', 'X']);
            let number = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
            char::from_u32(number?)?
        }
        None => entity(name)?,
    };
    Some(character(c, length + 2))
}

/// The length of the longest name or number between `&` and `;`.
const MAX_ENTITY: usize = 10;

/// Returns the character that a name stands for.
fn entity(name: &str) -> Option<char> {
    if let Some((_, c)) = ENTITIES.iter().find(|(entity, _)| *entity == name) {
        return Some(*c);
    }
    let index = LATIN_1.split(' ').position(|entity| entity == name)?;
    char::from_u32(0xa0 + u32::try_from(index).ok()?)
}

const ENTITIES: [(&str, char); 40] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("AMP", '&'),
    ("LT", '<'),
    ("GT", '>'),
    ("QUOT", '"'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("verbar", '|'),
    ("rcub", '}'),
    ("euro", '€'),
];

/// The names of the characters from U+00A0 to U+00FF.
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 \
    sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml \
    Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml \
    times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave \
    eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute \
    ucirc uuml yacute thorn yuml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_latin_1_has_its_character() {
        assert_eq!(LATIN_1.split(' ').count(), 96);
        assert_eq!((entity("nbsp"), entity("yuml"), entity("nope")), (Some('\u{a0}'), Some('ÿ'), None));
    }
}
