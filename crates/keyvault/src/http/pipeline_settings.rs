//! The settings of a pipeline.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::ClientOptions;
use rustls::ClientConfig;

use super::tls;
use crate::error::{Error, Result};

/// The settings that a client shares with its copies for other origins.
#[derive(Clone)]
pub struct PipelineSettings {
    /// The version of the REST API.
    pub api_version: String,
    /// The total time of an operation.
    pub timeout: Duration,
    /// The largest number of requests per second, on average. At least 1.
    pub requests_per_second: u32,
    /// The options of the SDK's pipeline.
    pub options: ClientOptions,
    /// The certificate authorities in PEM that are trusted beside those of the platform.
    pub certificate_authorities: Vec<String>,
    /// Whether HTTP/1.1 is used even if HTTP/2 is offered.
    pub http1_only: bool,
    /// `None` if the program brought the transport, in the options. It may lead anywhere, so it shares no rate limit
    /// with other clients.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl PipelineSettings {
    /// Creates the settings with a timeout of 30 seconds.
    pub fn new(api_version: &str, requests_per_second: u32) -> Self {
        Self {
            api_version: api_version.to_owned(),
            timeout: Duration::from_secs(30),
            requests_per_second,
            options: ClientOptions::default(),
            certificate_authorities: Vec::new(),
            http1_only: false,
            tls: None,
        }
    }

    /// Checks that the settings are in range, and sets up TLS, unless the program brought the transport.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a setting is out of range or a certificate authority cannot be parsed.
    pub fn set_up(&mut self) -> Result<()> {
        if self.timeout < Duration::from_millis(1) {
            return Err(Error::invalid("timeout of a client is below 1 millisecond"));
        }
        if self.requests_per_second == 0 {
            return Err(Error::invalid("requests per second of a client must be at least 1"));
        }
        if self.options.transport.is_none() {
            self.tls = Some(Arc::new(tls::config(&self.certificate_authorities, self.http1_only)?));
        }
        Ok(())
    }
}
