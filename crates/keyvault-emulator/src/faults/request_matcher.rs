//! The requests to which a fault or denial applies.

use crate::operations::RequestHead;

/// Returns whether a fault or denial applies to a request.
pub(crate) type RequestMatcher = Box<dyn Fn(&RequestHead) -> bool + Send + Sync>;
