//! The fields of an X.509 certificate that a vault shows.
//!
//! See [RFC 5280](https://www.rfc-editor.org/rfc/rfc5280).

use yasna::models::ObjectIdentifier;
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, BERReaderSeq, Tag};

use super::ber;
use super::certificate_error::CertificateError;
use super::subject;

/// A parsed certificate. Nothing is verified.
pub(super) struct X509 {
    /// The validity, in seconds since 1970.
    pub(super) not_before: i64,
    pub(super) expires: i64,
    pub(super) subject: String,
    pub(super) dns_names: Vec<String>,
    /// The public key without its algorithm.
    pub(super) public_key: Vec<u8>,
}

impl X509 {
    /// Parses a certificate in DER.
    pub(super) fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = ber::parse(der, |reader| {
            reader.read_sequence(|certificate| {
                let parsed = certificate.next().read_sequence(Self::read)?;
                // Algorithm and signature.
                for _ in 0..2 {
                    certificate.next().read_der()?;
                }
                Ok(parsed)
            })
        });
        parsed.map_err(|_| CertificateError::Certificate)
    }

    /// Reads a `TBSCertificate`.
    fn read(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Self> {
        fields.read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_u8()))?;
        // Serial number, algorithm, issuer.
        for _ in 0..3 {
            fields.next().read_der()?;
        }
        let (not_before, expires) =
            fields.next().read_sequence(|times| Ok((timestamp(times.next())?, timestamp(times.next())?)))?;
        let subject = subject::write(&attributes(fields.next())?);
        let public_key = fields.next().read_sequence(|info| {
            info.next().read_der()?;
            Ok(info.next().read_bitvec_bytes()?.0)
        })?;
        for unique_id in [1, 2] {
            fields.read_optional(|id| id.read_tagged_implicit(Tag::context(unique_id), |id| id.read_bitvec_bytes()))?;
        }
        let dns_names =
            fields.read_optional(|all| all.read_tagged(Tag::context(3), |extensions| dns_names(extensions)))?;
        Ok(Self { not_before, expires, subject, dns_names: dns_names.unwrap_or_default(), public_key })
    }
}

/// Reads a `Name`.
fn attributes(reader: BERReader<'_, '_>) -> ASN1Result<Vec<(Vec<u64>, String)>> {
    let mut attributes = Vec::new();
    reader.read_sequence_of(|relative| {
        relative.read_set_of(|attribute| {
            attribute.read_sequence(|attribute| {
                let oid = attribute.next().read_oid()?.components().clone();
                let value = attribute.next().read_tagged_der()?;
                let text = if value.tag() == yasna::tags::TAG_BMPSTRING {
                    let units = value.value().chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
                } else {
                    String::from_utf8_lossy(value.value()).into_owned()
                };
                attributes.push((oid, text));
                Ok(())
            })
        })
    })?;
    Ok(attributes)
}

/// Reads the DNS names among the subject's alternative names.
fn dns_names(reader: BERReader<'_, '_>) -> ASN1Result<Vec<String>> {
    let mut names = Vec::new();
    reader.read_sequence_of(|extension| {
        let value = extension.read_sequence(|extension| {
            let oid = extension.next().read_oid()?;
            extension.read_default(false, |critical| critical.read_bool())?;
            let value = extension.next().read_bytes()?;
            Ok((oid == ObjectIdentifier::from_slice(SUBJECT_ALTERNATIVE_NAME)).then_some(value))
        })?;
        let Some(value) = value else { return Ok(()) };
        ber::parse(&value, |reader| {
            reader.read_sequence_of(|name| {
                if name.lookahead_tag()? == Tag::context(2) {
                    names.push(name.read_tagged_implicit(Tag::context(2), |name| name.read_ia5_string())?);
                } else {
                    name.read_der()?;
                }
                Ok(())
            })
        })
    })?;
    Ok(names)
}

fn timestamp(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    match reader.lookahead_tag()? {
        yasna::tags::TAG_UTCTIME => Ok(reader.read_utctime()?.datetime().unix_timestamp()),
        yasna::tags::TAG_GENERALIZEDTIME => Ok(reader.read_generalized_time()?.datetime().unix_timestamp()),
        _ => Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
    }
}

const SUBJECT_ALTERNATIVE_NAME: &[u64] = &[2, 5, 29, 17];
