//! What one connection is doing, and since when: idle, sending headers, being answered, or not taking
//! what we send. hyper's own header timeout makes a timer a request and closes idle connections as if
//! they were slow; this costs two stores a request and one timer a connection.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::clock;

/// How long a connection may stay in a state.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first byte of the headers to the last.
    pub headers: Duration,
    /// Without a request, and without taking what we send.
    pub idle: Duration,
}

/// What a connection has run out of patience with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing is under way: it can be closed without a word.
    Idle,
    /// The headers are not complete.
    Headers,
}

const IDLE: u8 = 0;
const HEADERS: u8 = 1;
const ANSWERING: u8 = 2;
const STALLED: u8 = 3;

/// The state of one connection, shared by its socket, its answers and its watch.
pub struct Pulse {
    state: AtomicU8,
    since: AtomicU64,
    start: Instant,
    fresh: AtomicBool,
}

impl Pulse {
    /// A connection that was just accepted.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(IDLE),
            since: AtomicU64::new(0),
            start: clock::instant(),
            fresh: AtomicBool::new(true),
        })
    }
    /// A request is being answered until the returned value is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.state.store(ANSWERING, Relaxed);
        self.fresh.store(false, Relaxed);
        Busy(self.clone())
    }
    /// Whether nothing has been asked yet. Whoever connects is about to.
    pub fn is_fresh(&self) -> bool {
        self.fresh.load(Relaxed)
    }
    /// What has lasted longer than it may.
    pub fn overdue(&self, patience: Patience) -> Option<Overdue> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        let lasted = self.start.elapsed().saturating_sub(since);
        match self.state.load(Relaxed) {
            IDLE | STALLED if lasted >= patience.idle => Some(Overdue::Idle),
            HEADERS if lasted >= patience.headers => Some(Overdue::Headers),
            _ => None,
        }
    }
    fn enter(&self, state: u8) {
        self.since
            .store(self.start.elapsed().as_millis() as u64, Relaxed);
        self.state.store(state, Relaxed);
    }
    fn received(&self) {
        if self.state.load(Relaxed) == IDLE {
            self.enter(HEADERS);
        }
    }
    fn sent(&self, done: bool) {
        match (self.state.load(Relaxed), done) {
            (ANSWERING, false) => self.enter(STALLED),
            (STALLED, true) => self.state.store(ANSWERING, Relaxed),
            _ => {}
        }
    }
}

/// While this lives, its connection is being answered.
pub struct Busy(Arc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(IDLE);
    }
}

/// What bytes come over. Boxed, so that plain connections do not keep the room of those with TLS.
pub enum Socket {
    /// As they are.
    Plain(TcpStream),
    /// Sealed.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Writes as much as goes out without waiting, and says that nothing follows.
    pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes).map(drop),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_mut();
                session.writer().write_all(bytes)?;
                session.send_close_notify();
                session.write_tls(&mut AtOnce(socket)).map(drop)
            }
        }
    }
}

struct AtOnce<'a>(&'a TcpStream);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A socket that tells its pulse when bytes come and go.
pub struct Wire {
    socket: TokioIo<Socket>,
    pulse: Arc<Pulse>,
}

impl Wire {
    /// Wraps an accepted socket.
    pub fn new(socket: Socket, pulse: Arc<Pulse>) -> Self {
        Self {
            socket: TokioIo::new(socket),
            pulse,
        }
    }
    /// The socket itself, for a last word.
    pub fn into_socket(self) -> Socket {
        self.socket.into_inner()
    }
    fn note(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.pulse.sent(sent.is_ready());
        sent
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if read.is_ready() {
            self.pulse.received();
        }
        read
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.note(sent)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.socket).poll_write_vectored(context, pieces);
        self.note(sent)
    }
    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_connection_keeps_no_room_for_tls() {
        assert_eq!(size_of::<Socket>(), size_of::<TcpStream>());
    }
}
