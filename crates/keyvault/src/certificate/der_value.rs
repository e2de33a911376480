//! One value in DER or BER, whose structure shows what it is.
//!
//! Tools disagree about the labels of PEM, and a file in DER has none. So the structure alone decides.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Tag, Tagged};

use super::contents::Contents;
use super::der_reader::{FIELD_0, children, encoded, explicit, normalized, oid_of, sequence};
use super::password::Budget;
use super::pkcs12;
use super::private_key::PrivateKey;
use super::problem::Problem;

/// Reads PKCS#12, a key, a certificate, or the certificates of PKCS#7. Bytes after the value are ignored.
///
/// # Errors
///
/// [`Problem::DamagedContainer`] for any other structure.
pub(super) fn read(bytes: &[u8], password: &str, budget: &Budget) -> Result<Contents, Problem> {
    let value = normalized(bytes)?;
    let fields = sequence(&value)?;
    let mut contents = Contents::default();
    match fields[..] {
        [version, content, ..] if version.tag() == Tag::Integer && content.tag() == Tag::Sequence => {
            // The versions of keys are 0 and 1.
            match version.value() {
                [3] => return pkcs12::read(&fields, password, budget),
                _ => contents.add_key(PrivateKey::from_pkcs8(&value)?)?,
            }
        }
        [first, second, ..] => match (first.tag(), second.tag()) {
            (Tag::Integer, Tag::Integer) => contents.add_key(PrivateKey::from_pkcs1(&value)?)?,
            (Tag::Integer, Tag::OctetString) => contents.add_key(PrivateKey::from_sec1(&value)?)?,
            (Tag::Sequence, Tag::OctetString) => contents.add_key(pkcs12::decrypted_key(&fields, password, budget)?)?,
            (Tag::Sequence, Tag::Sequence) => contents.add_certificate(&value)?,
            (Tag::ObjectIdentifier, FIELD_0) if oid_of(first)? == SIGNED_DATA => {
                add_signed_data(&mut contents, explicit(second)?)?;
            }
            _ => return Err(Problem::DamagedContainer),
        },
        _ => return Err(Problem::DamagedContainer),
    }
    Ok(contents)
}

/// Adds the certificates of a `SignedData`, by [RFC 5652](https://www.rfc-editor.org/rfc/rfc5652#section-5.1). Their
/// order means nothing.
fn add_signed_data(contents: &mut Contents, signed_data: AnyRef<'_>) -> Result<(), Problem> {
    for field in children(signed_data, Tag::Sequence)? {
        if field.tag() == FIELD_0 {
            for certificate in children(field, FIELD_0)? {
                contents.add_certificate(&encoded(certificate)?)?;
            }
        }
    }
    Ok(())
}

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
