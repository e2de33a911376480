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
            // The list of events may issue certificates, and a seed may contain them.
            let ca_pem = self.ca_pem.clone();
            let serve = move |service: &Service| control::serve(service, &ca_pem, &request);
            let (mut response, save) = self.on_another_thread(serve).await?;
            if let Some(save) = save
                && !save.succeeds().await
            {
                response = control::failed_save();
            }
            return Ok(response.map(Body::complete));
        }
        let _in_flight = Service::is_for_vault(&request).then(|| self.service.in_flight.enter());
        let arrived = Instant::now();
        self.issue_due(&request).await?;
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

    /// Issues the certificates that the response can show, and waits until they are visible. If they cannot be saved,
    /// the response shows the versions before.
    async fn issue_due(&self, request: &Request<Bytes>) -> io::Result<()> {
        let Some(shown) = self.service.due_certificates(request) else { return Ok(()) };
        if let Some(save) = self.on_another_thread(move |service| service.issue_due(&shown)).await? {
            save.succeeds().await;
        }
        Ok(())
    }

    /// Plans the reply to a request. A request that takes long is planned on another thread.
    async fn plan(&self, request: Request<Bytes>) -> io::Result<(Plan, Request<Bytes>)> {
        if !Service::takes_long(&request) {
            return Ok((self.service.plan(&request), request));
        }
        self.on_another_thread(move |service| (service.plan(&request), request)).await
    }

    /// Runs what may take up to seconds, so that other requests continue meanwhile.
    async fn on_another_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> io::Result<T> {
        let service = Arc::clone(&self.service);
        tokio::task::spawn_blocking(move || work(&service)).await.map_err(io::Error::other)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("service", &self.service).finish_non_exhaustive()
    }
}
