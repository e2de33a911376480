//! The fields of a key-value.

/// A field of a key-value, which a list may be restricted to.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// [`value`](crate::KeyValue::value)
    Value,
    /// [`content_type`](crate::KeyValue::content_type)
    ContentType,
    /// [`etag`](crate::KeyValue::etag)
    Etag,
    /// [`last_modified`](crate::KeyValue::last_modified)
    LastModified,
    /// [`is_locked`](crate::KeyValue::is_locked)
    Locked,
    /// [`tags`](crate::KeyValue::tags)
    Tags,
    /// [`description`](crate::KeyValue::description)
    Description,
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::ContentType => "content_type",
            Self::Etag => "etag",
            Self::LastModified => "last_modified",
            Self::Locked => "locked",
            Self::Tags => "tags",
            Self::Description => "description",
        }
    }
}
