//! BER and DER from outside.

use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader};

/// Parses BER, of which DER is a part.
pub(super) fn parse<'a, T>(
    bytes: &'a [u8],
    read: impl for<'b> FnOnce(BERReader<'a, 'b>) -> ASN1Result<T>,
) -> ASN1Result<T> {
    if !has_valid_lengths(bytes) {
        return Err(ASN1Error::new(ASN1ErrorKind::Eof));
    }
    yasna::parse_ber(bytes, read)
}

/// Returns whether every value ends within the bytes. The parser adds lengths to positions without a check.
fn has_valid_lengths(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((&identifier, after)) = rest.split_first() {
        rest = after;
        if identifier & 31 == 31 {
            let continues = rest.iter().take_while(|byte| **byte & 128 != 0).count();
            rest = rest.get(continues + 1..).unwrap_or_default();
        }
        let Some((&first, after)) = rest.split_first() else { return false };
        rest = after;
        // An indefinite length, 128, has no octets either: its values follow until an end.
        let mut length = usize::from(first & 127);
        if first >= 128 {
            let Some((octets, after)) = rest.split_at_checked(length) else { return false };
            rest = after;
            let value = |sum: Option<usize>, octet: &u8| sum?.checked_mul(256)?.checked_add(usize::from(*octet));
            let Some(value) = octets.iter().fold(Some(0), value) else { return false };
            length = value;
        }
        if length > rest.len() {
            return false;
        }
        // A constructed value contains values.
        if identifier & 32 == 0 {
            rest = &rest[length..];
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_ends_outside_is_refused() {
        for (bytes, is_valid) in [
            (&[][..], true),
            (&[0x04, 0x02, 1, 2], true),
            (&[0x04, 0x03, 1, 2], false),
            (&[0x30, 0x80, 0x04, 0x01, 9, 0, 0], true),
            (&[0x30, 0x03, 0x04, 0x02, 9], false),
            (&[0x04, 0x81, 0x01, 9], true),
            (&[0x04, 0x88, 255, 255, 255, 255, 255, 255, 255, 255], false),
            (&[0x04, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0], false),
            (&[0xbf, 0x81, 0x01, 0x02, 0x04, 0x00], true),
            (&[0x04], false),
        ] {
            assert_eq!(has_valid_lengths(bytes), is_valid, "{bytes:02x?}");
        }
    }
}
