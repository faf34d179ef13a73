//! The socket of a connection to a provider, with or without TLS. It records its activity.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A bidirectional byte stream.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Activity of a socket that hyper does not report. It is shared, because hyper owns the socket itself.
#[derive(Default)]
pub(super) struct SocketActivity {
    /// Whether a byte has arrived since the last request.
    pub has_received: AtomicBool,
    /// Whether the peer currently accepts no more bytes.
    pub is_write_blocked: AtomicBool,
    /// Number of successful writes, including partial ones.
    pub writes: AtomicUsize,
}

/// A socket that records its activity.
pub(super) struct ProviderSocket {
    pub stream: Box<dyn ByteStream>,
    pub activity: Arc<SocketActivity>,
}

impl ProviderSocket {
    fn record_write<T>(&self, polled: &Poll<io::Result<T>>) {
        let is_blocked = polled.is_pending();
        let activity = &self.activity;
        activity
            .is_write_blocked
            .store(is_blocked, Ordering::Relaxed);
        if !is_blocked {
            activity.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for ProviderSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.has_received.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for ProviderSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.record_write(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.record_write(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.record_write(&polled);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
