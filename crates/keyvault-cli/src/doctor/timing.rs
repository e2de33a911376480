//! The response time and clock of a vault, measured inside the HTTP pipeline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request};

/// A pipeline policy that records the first response. It never reads a body.
#[derive(Debug, Default)]
pub(super) struct TimingPolicy {
    first: Mutex<Option<ResponseTiming>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseTiming {
    pub(super) time: Duration,
    /// The seconds by which the vault's clock is ahead of ours. `None` without a `Date` header.
    pub(super) skew: Option<i64>,
}

impl TimingPolicy {
    pub(super) fn first(&self) -> Option<ResponseTiming> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Policy for TimingPolicy {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let (started, sent_at) = (Instant::now(), SystemTime::now());
        let Some((following, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "pipeline has no transport",
            ));
        };
        let response = following.send(context, request, rest).await?;
        let time = started.elapsed();
        let date = response.headers().get_optional_str(&HeaderName::from_static("date"));
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        // The vault sets the date about halfway between request and response.
        let skew = date.map(|date| seconds_ahead(date, sent_at + time / 2));
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(ResponseTiming { time, skew });
        Ok(response)
    }
}

fn seconds_ahead(theirs: SystemTime, ours: SystemTime) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}
