//! BER, read as the tools write it, and DER.
//!
//! Some tools write PKCS#12 in BER: with indefinite lengths, and with strings in pieces. [`normalized`] rewrites it as
//! DER, so that everything after it reads one form.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};

use super::der_writer::{Bytes, OCTET_STRING, element};
use super::problem::Problem;

/// Returns the elements in `bytes`, one after the other.
pub(super) fn elements(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, Problem> {
    let mut reader = SliceReader::new(bytes).map_err(|_| Problem::DamagedContainer)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).map_err(|_| Problem::DamagedContainer)?);
    }
    Ok(found)
}

/// Returns the elements in the constructed element `any`, whose tag must be `tag`.
pub(super) fn children(any: AnyRef<'_>, tag: Tag) -> Result<Vec<AnyRef<'_>>, Problem> {
    if any.tag() == tag { elements(any.value()) } else { Err(Problem::DamagedContainer) }
}

/// Returns the elements of the sequence that is all of `bytes`.
pub(super) fn sequence(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, Problem> {
    match elements(bytes)?[..] {
        [sequence] => children(sequence, Tag::Sequence),
        _ => Err(Problem::DamagedContainer),
    }
}

/// Returns the element in the explicit field `[0]`.
pub(super) fn explicit(any: AnyRef<'_>) -> Result<AnyRef<'_>, Problem> {
    match &children(any, FIELD_0)?[..] {
        [inner] => Ok(*inner),
        _ => Err(Problem::DamagedContainer),
    }
}

pub(super) fn octets(any: AnyRef<'_>) -> Result<&[u8], Problem> {
    if any.tag() == Tag::OctetString { Ok(any.value()) } else { Err(Problem::DamagedContainer) }
}

pub(super) fn oid_of(any: AnyRef<'_>) -> Result<ObjectIdentifier, Problem> {
    any.decode_as().map_err(|_| Problem::DamagedContainer)
}

/// Returns the bytes of an element, with its tag.
pub(super) fn encoded(any: AnyRef<'_>) -> Result<Bytes, Problem> {
    any.to_der().map(Bytes::new).map_err(|_| Problem::DamagedContainer)
}

/// The tags of the constructed fields `[0]` and `[1]`.
pub(super) const FIELD_0: Tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(0) };
pub(super) const FIELD_1: Tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(1) };

/// Rewrites one element of BER, with everything in it, as DER. Bytes after the element are ignored.
///
/// # Errors
///
/// [`Problem::DamagedContainer`] for elements that are incomplete, deeper than 32 levels, or of tags that no form uses.
pub(super) fn normalized(bytes: &[u8]) -> Result<Bytes, Problem> {
    let mut rest = bytes;
    normalize(&mut rest, MAX_DEPTH)
}

/// PKCS#12 nests eleven levels at most between two octet strings.
const MAX_DEPTH: usize = 32;

fn normalize(rest: &mut &[u8], depth: usize) -> Result<Bytes, Problem> {
    let depth = depth.checked_sub(1).ok_or(Problem::DamagedContainer)?;
    let (tag, length) = header(rest)?;
    let is_constructed = tag & 0x20 != 0;
    if !is_constructed {
        let value = take(rest, length.ok_or(Problem::DamagedContainer)?)?;
        return Ok(element(tag, &[value]));
    }
    let mut parts = Vec::new();
    match length {
        Some(length) => {
            let mut inner = take(rest, length)?;
            while !inner.is_empty() {
                parts.push(normalize(&mut inner, depth)?);
            }
        }
        None => {
            while !rest.starts_with(&[0, 0]) {
                parts.push(normalize(rest, depth)?);
            }
            take(rest, 2)?;
        }
    }
    if tag != OCTET_STRING | 0x20 {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_slice()).collect();
        return Ok(element(tag, &parts));
    }
    let piece = |part| octets(AnyRef::from_der(part).map_err(|_| Problem::DamagedContainer)?);
    let pieces = parts.iter().map(|part| piece(part)).collect::<Result<Vec<_>, _>>()?;
    Ok(element(OCTET_STRING, &pieces))
}

/// Reads a tag and a length, which is `None` if it is indefinite.
fn header(rest: &mut &[u8]) -> Result<(u8, Option<usize>), Problem> {
    let (tag, first) = (byte(rest)?, byte(rest)?);
    if tag & 0x1f == 0x1f || tag == 0 {
        return Err(Problem::DamagedContainer);
    }
    let length = match first {
        0x80 => None,
        0x81..=0x84 => {
            let mut digits = take(rest, usize::from(first & 0x7f))?;
            let mut length = 0;
            while !digits.is_empty() {
                length = length << 8 | usize::from(byte(&mut digits)?);
            }
            Some(length)
        }
        0x85.. => return Err(Problem::DamagedContainer),
        short => Some(usize::from(short)),
    };
    Ok((tag, length))
}

fn byte(rest: &mut &[u8]) -> Result<u8, Problem> {
    take(rest, 1).map(|bytes| bytes[0])
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Problem> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Problem::DamagedContainer)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ber_is_rewritten_as_der() {
        for (ber, der) in [
            (&[0x30, 0x80, 0x02, 0x01, 0x03, 0, 0][..], &[0x30, 3, 0x02, 1, 3][..]),
            (&[0x30, 0x81, 3, 0x02, 1, 3], &[0x30, 3, 0x02, 1, 3]),
            (&[0x24, 0x80, 0x04, 1, 7, 0x04, 2, 8, 9, 0, 0], &[0x04, 3, 7, 8, 9]),
            (&[0x24, 0x80, 0x24, 3, 0x04, 1, 7, 0x04, 1, 8, 0, 0], &[0x04, 2, 7, 8]),
            (&[0xa0, 0x80, 0x30, 0x80, 0, 0, 0, 0], &[0xa0, 2, 0x30, 0]),
            (&[0x04, 1, 7, 1, 2, 3], &[0x04, 1, 7]),
        ] {
            assert_eq!(normalized(ber).unwrap().as_slice(), der, "{ber:?}");
            assert!((0..der.len()).all(|end| normalized(&der[..end]).is_err()), "{ber:?}");
        }
    }

    #[test]
    fn elements_that_no_tool_writes_are_refused() {
        let deep: Vec<u8> = [0x30, 0x80].repeat(100_000);
        for ber in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x04, 0x80, 0, 0],
            &[0x04, 0x85, 0, 0, 0, 0, 1, 7],
            &[0x1f, 0x81, 0, 0],
            &[0x24, 3, 0x02, 1, 7],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 7],
            &deep,
        ] {
            assert_eq!(normalized(ber).unwrap_err(), Problem::DamagedContainer, "{:?}", &ber[..ber.len().min(8)]);
        }
    }
}
