//! Object identifiers as text, such as `2.5.4.5`, and in DER.

use yasna::DERWriterSeq;
use yasna::models::ObjectIdentifier;

/// Parses an identifier. `None` if it has fewer than three components, or one that DER cannot encode.
pub(super) fn parse(text: &str) -> Option<Vec<u64>> {
    let components: Vec<u64> =
        text.split('.').map(|part| Some(part.parse::<u32>().ok()?.into())).collect::<Option<_>>()?;
    // DER encodes the first two components as one number: 40 times the first, and the second.
    let is_valid = components.len() > 2 && components[0] <= 2 && (components[0] == 2 || components[1] < 40);
    is_valid.then_some(components)
}

/// Writes an identifier.
pub(super) fn write(components: &[u64]) -> String {
    components.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Writes an identifier as the next element of a sequence.
pub(super) fn write_der(writer: &mut DERWriterSeq<'_>, components: &[u64]) {
    writer.next().write_oid(&ObjectIdentifier::from_slice(components));
}
