//! A connection that can be cut as a dying server cuts it: reset, not closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A TCP connection under a cut.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    cut: Arc<Cut>,
}

/// The order to cut a connection.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    is_given: AtomicBool,
    given: Notify,
}

impl Cut {
    /// Gives the order.
    pub(crate) fn give(&self) {
        self.is_given.store(true, Ordering::Release);
        self.given.notify_one();
    }

    /// Waits for the order.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when dropped.
    pub(crate) async fn given(&self) {
        self.given.notified().await;
    }
}

impl Wire {
    /// Puts a connection under a cut.
    pub(crate) fn new(tcp: TcpStream, cut: Arc<Cut>) -> Self {
        Self { tcp, cut }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.cut.is_given.load(Ordering::Acquire) {
            // Closing then sends RST instead of FIN. A socket that cannot is closed all the same.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
