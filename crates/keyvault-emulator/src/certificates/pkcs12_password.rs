//! The password of a PKCS#12 container.

/// A password in its two encodings.
pub(super) struct Password {
    pub(super) text: String,
    /// UTF-16, big-endian, with a terminator.
    pub(super) utf16: Vec<u8>,
}

impl Password {
    /// Returns the encodings that tools use. They disagree on the terminator of an empty password.
    pub(super) fn candidates(text: &str) -> Vec<Self> {
        let utf16 = text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
        let mut candidates = vec![Self { text: text.to_owned(), utf16 }];
        if text.is_empty() {
            candidates.push(Self { text: String::new(), utf16: Vec::new() });
        }
        candidates
    }
}
