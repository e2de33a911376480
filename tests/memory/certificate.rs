//! Values with the form of a certificate, whose key is a hidden secret.

use zeroize::Zeroizing;

use super::hidden_secret::Hidden;

type Bytes = Zeroizing<Vec<u8>>;

/// Returns PKCS#12 with one plain key and no certificate, in DER.
pub(crate) fn container(hidden: Hidden) -> Bytes {
    in_container(&element(0x04, &[&bytes(hidden)]))
}

/// Returns the same container with the inner string in two pieces.
pub(crate) fn container_in_ber(hidden: Hidden) -> Bytes {
    let bytes = bytes(hidden);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    in_container(&element(0x24, &[&element(0x04, &[first]), &element(0x04, &[second])]))
}

fn in_container(key: &[u8]) -> Bytes {
    let algorithm = element(0x30, &[&[0x06, 1, 0x2a]]);
    let key = element(0x30, &[&[0x02, 1, 0], &algorithm, key]);
    let bag = element(0x30, &[KEY_BAG, &element(0xa0, &[&key])]);
    let safes = element(0x30, &[&data(&element(0x30, &[&bag]))]);
    element(0x30, &[&[0x02, 1, 3], &data(&safes)])
}

fn data(value: &[u8]) -> Bytes {
    element(0x30, &[DATA, &element(0xa0, &[&element(0x04, &[value])])])
}

/// Encodes an element with a length of three bytes.
fn element(tag: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = Zeroizing::new(Vec::with_capacity(length + 5));
    element.extend([tag, 0x83]);
    element.extend(&length.to_be_bytes()[5..]);
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

pub(crate) fn base64(bytes: &[u8]) -> Bytes {
    Zeroizing::new(azure_core::base64::encode(bytes).into_bytes())
}

pub(crate) fn json(data: &[u8]) -> Bytes {
    wrapped(b"{\"data\":\"", data)
}

/// Returns JSON with a hidden password and no certificate.
pub(crate) fn json_with_password(hidden: Hidden) -> Bytes {
    wrapped(b"{\"data\":\"MIIC\\n\",\"password\":\"\\u0041", &bytes(hidden))
}

fn wrapped(before: &[u8], text: &[u8]) -> Bytes {
    let mut json = Zeroizing::new(Vec::with_capacity(before.len() + text.len() + 2));
    json.extend_from_slice(before);
    json.extend_from_slice(text);
    json.extend(b"\"}");
    json
}

fn bytes(hidden: Hidden) -> Bytes {
    let mut bytes = Zeroizing::new(Vec::with_capacity(hidden.bytes().count()));
    bytes.extend(hidden.bytes());
    bytes
}

/// The object identifiers, as elements.
const DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const KEY_BAG: &[u8] = &[0x06, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 1];
