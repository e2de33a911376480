//! The router: passes each request to the control endpoint or the service, and sends the reply after its delay.

use std::fmt;
use std::future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};

use super::body::Body;
use crate::control::endpoint as control;
use crate::service::{LoggedRequest, Plan, Reply, Service};
use crate::storage::DataFile;

/// The entry point of every request, with or without a socket.
pub(crate) struct Router {
    pub(crate) service: Arc<Service>,
    pub(crate) ca_pem: String,
    pub(crate) data_file: Option<Arc<DataFile>>,
    pub(crate) observer: Option<Observer>,
}

/// Receives each request when its response is ready, with the time that it took.
pub(crate) type Observer = Box<dyn Fn(&LoggedRequest, Duration) + Send + Sync>;

impl Router {
    /// Responds to a request. An error represents a connection reset.
    pub(crate) async fn route(&self, request: Request<Bytes>) -> io::Result<Response<Body>> {
        if control::is_control(&request) {
            let (mut response, save) = control::serve(&self.service, &self.ca_pem, &request);
            if let Some(save) = save
                && !save.succeeds().await
            {
                response = control::failed_save();
            }
            return Ok(response.map(Body::complete));
        }
        let _in_flight = Service::is_for_vault(&request).then(|| self.service.in_flight.enter());
        let arrived = Instant::now();
        let (mut plan, request) = self.plan(request).await?;
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        if let Some(save) = plan.save.take()
            && !save.succeeds().await
        {
            self.service.fail_save(&request, &mut plan);
        }
        if let Some(observer) = &self.observer {
            observer(&plan.logged, arrived.elapsed());
        }
        Ok(match plan.reply {
            Reply::Complete(response) => response.map(Body::complete),
            Reply::HangInBody(response) => response.map(|bytes| Body::hanging(&bytes)),
            Reply::Truncated(response) => response.map(|bytes| Body::truncated(&bytes)),
            Reply::Oversized(response, length) => response.map(|_| Body::oversized(length)),
            Reply::Hang => future::pending().await,
            Reply::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
        })
    }

    /// Plans the reply to a request. A request that may generate keys is planned on another thread.
    async fn plan(&self, request: Request<Bytes>) -> io::Result<(Plan, Request<Bytes>)> {
        if !self.service.may_generate_keys(&request) {
            return Ok((self.service.plan(&request), request));
        }
        let service = Arc::clone(&self.service);
        tokio::task::spawn_blocking(move || (service.plan(&request), request)).await.map_err(io::Error::other)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("service", &self.service).finish_non_exhaustive()
    }
}
