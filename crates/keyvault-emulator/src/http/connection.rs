//! A connection that can end with a reset, as that of a crashing server does, instead of a close.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A TCP connection. Dropping it after its signal resets it.
#[derive(Debug)]
pub(super) struct Connection {
    tcp: TcpStream,
    reset: Arc<ResetSignal>,
}

/// The signal to reset a connection.
#[derive(Debug, Default)]
pub(super) struct ResetSignal {
    is_sent: AtomicBool,
    sent: Notify,
}

impl ResetSignal {
    /// Sends the signal.
    pub(super) fn send(&self) {
        self.is_sent.store(true, Ordering::Release);
        self.sent.notify_one();
    }

    /// Waits for the signal.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait(&self) {
        self.sent.notified().await;
    }
}

impl Connection {
    /// Creates a connection with its signal.
    pub(super) fn new(tcp: TcpStream, reset: Arc<ResetSignal>) -> Self {
        Self { tcp, reset }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.reset.is_sent.load(Ordering::Acquire) {
            // The close then sends RST instead of FIN. If the option fails, the socket closes normally.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
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
