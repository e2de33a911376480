//! DER, written into buffers of the right size: a buffer that grows leaves copies of a key behind.

use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

pub(super) type Bytes = Zeroizing<Vec<u8>>;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Returns the tag of an explicit field, `[number]`.
pub(super) fn explicit(number: u8) -> u8 {
    0xa0 | number
}

/// Encodes an element whose value is `parts`, one after the other.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
    let mut out = Zeroizing::new(Vec::with_capacity(length + digits.len() + 2));
    out.push(tag);
    match u8::try_from(length) {
        Ok(short @ ..0x80) => out.push(short),
        // A length has at most eight digits.
        _ => {
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
            out.extend_from_slice(digits);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

pub(super) fn oid(oid: &ObjectIdentifier) -> Bytes {
    element(OBJECT_IDENTIFIER, &[oid.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_its_shortest_form() {
        for (length, header) in [
            (0, vec![4, 0]),
            (127, vec![4, 127]),
            (128, vec![4, 0x81, 128]),
            (256, vec![4, 0x82, 1, 0]),
            (65_536, vec![4, 0x83, 1, 0, 0]),
        ] {
            let encoded = element(OCTET_STRING, &[&vec![7; length]]);
            assert_eq!(encoded[..header.len()], header, "{length}");
            assert_eq!(encoded.len(), header.len() + length);
        }
    }
}
