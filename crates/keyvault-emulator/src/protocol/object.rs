//! The objects of a vault, as errors name them.

/// The kind of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ObjectKind {
    /// A secret, or a certificate by its secret.
    Secret,
    /// A certificate.
    Certificate,
}

/// An object, by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectName<'a> {
    pub(crate) kind: ObjectKind,
    pub(crate) name: &'a str,
}

impl<'a> ObjectName<'a> {
    /// Names a secret.
    pub(crate) fn secret(name: &'a str) -> Self {
        Self { kind: ObjectKind::Secret, name }
    }

    /// Names a certificate.
    pub(crate) fn certificate(name: &'a str) -> Self {
        Self { kind: ObjectKind::Certificate, name }
    }
}

impl ObjectKind {
    /// Returns the word in a sentence.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
        }
    }

    /// Returns the word at the start of a sentence.
    pub(crate) fn capitalized(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Certificate => "Certificate",
        }
    }

    /// Returns the code of the error for an object that does not exist.
    pub(crate) fn not_found_code(self) -> &'static str {
        match self {
            Self::Secret => "SecretNotFound",
            Self::Certificate => "CertificateNotFound",
        }
    }
}
