//! An HTTP/1 connection to a provider. The call that uses the connection also drives it, without a separate task: a
//! chunk wakes only one task, dropping a call closes the socket, and no task waits on a pooled connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::deadline_timer::DeadlineTimer;
use super::provider_socket::{ByteStream, ProviderSocket, SocketActivity};
use super::transport_error::{ReadError, TransportError};
use crate::clock;

/// Maximum size of a response head, and of the buffer into which it is read, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Size, in bytes, at which a piece is returned without waiting for more.
const PIECE_BYTES: usize = 4 * 1024;

/// Deadlines for receiving a response head.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadDeadlines {
    /// When the whole call or the wait for the first byte ends, whichever comes first.
    pub answer: Instant,
    /// Maximum time during which the provider accepts no bytes of the request.
    pub write: Duration,
}

/// An open connection to a provider.
pub(super) struct ProviderConnection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<ProviderSocket>, Full<Bytes>>,
    /// Whether the connection is closed.
    has_ended: bool,
    /// Whether the connection has already served a call.
    is_reused: bool,
    activity: Arc<SocketActivity>,
    timer: DeadlineTimer,
}

impl ProviderConnection {
    /// Sets up HTTP/1 on a stream.
    ///
    /// # Errors
    ///
    /// Never returned in practice, because nothing is sent or received yet.
    pub async fn open(stream: Box<dyn ByteStream>) -> Result<Box<Self>, TransportError> {
        let activity = Arc::new(SocketActivity::default());
        let socket = ProviderSocket {
            stream,
            activity: activity.clone(),
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(socket))
            .await?;
        Ok(Box::new(Self {
            sender,
            driver,
            has_ended: false,
            is_reused: false,
            activity,
            timer: DeadlineTimer::new(),
        }))
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection breaks, a deadline passes, or the response is not HTTP.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        deadlines: HeadDeadlines,
    ) -> Result<Response<Incoming>, TransportError> {
        self.activity.has_received.store(false, Relaxed);
        let mut response = pin!(self.sender.send_request(request));
        let (mut writes, mut write_deadline) = (usize::MAX, deadlines.answer);
        poll_fn(|context| {
            self.drive(context);
            if let Poll::Ready(response) = response.as_mut().poll(context) {
                return Poll::Ready(response.map_err(TransportError::from));
            }
            let mut deadline = deadlines.answer;
            if self.activity.is_write_blocked.load(Relaxed) {
                let current_writes = self.activity.writes.load(Relaxed);
                if current_writes != writes {
                    (writes, write_deadline) = (current_writes, clock::instant() + deadlines.write);
                }
                deadline = deadline.min(write_deadline);
            }
            ready!(self.timer.poll_until(deadline, context));
            Poll::Ready(Err(TransportError::AnswerTimeout))
        })
        .await
    }

    /// Returns whether a request failed because the provider had already closed the connection: the connection has
    /// served a call before, and no byte has arrived for this one.
    pub fn was_stale(&self, error: &TransportError) -> bool {
        let has_received = self.activity.has_received.load(Relaxed);
        self.is_reused && !has_received && error.is_disconnect()
    }

    /// Returns whether the connection can serve another call. It can if the last response is complete and neither side
    /// has closed the connection.
    pub async fn is_usable(&mut self) -> bool {
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(())
        })
        .await;
        self.is_reused = true;
        !self.has_ended && self.sender.is_ready()
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if !self.has_ended {
            self.has_ended = Pin::new(&mut self.driver).poll(context).is_ready();
        }
    }
}

/// A response body that is being read from its connection.
pub(super) struct ResponseBody {
    connection: Box<ProviderConnection>,
    body: Incoming,
    /// When the whole call must end.
    call_deadline: Instant,
    /// When the next piece of the answer must arrive.
    read_deadline: Instant,
    is_complete: bool,
    /// An error to report after the bytes that precede it.
    read_error: Option<ReadError>,
}

impl ResponseBody {
    pub fn new(
        connection: Box<ProviderConnection>,
        body: Incoming,
        call_deadline: Instant,
        read_deadline: Instant,
    ) -> Self {
        Self {
            connection,
            body,
            call_deadline,
            read_deadline,
            is_complete: false,
            read_error: None,
        }
    }

    /// Sets the deadline for the next piece of the answer, which keep-alives do not extend.
    pub fn set_read_deadline(&mut self, moment: Instant) {
        self.read_deadline = moment;
    }

    /// Returns the connection if the body has been read to its end.
    pub fn into_connection(self) -> Option<Box<ProviderConnection>> {
        self.is_complete.then_some(self.connection)
    }

    /// Appends the bytes that have arrived to `piece`, and waits if there are none yet. Returns their number, or 0 once
    /// the body is complete.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection breaks, a deadline passes, or the framing is malformed.
    pub async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<usize, ReadError> {
        if let Some(error) = self.read_error.take() {
            return Err(error);
        }
        if self.is_complete {
            return Ok(0);
        }
        // Checked even if bytes have arrived, because a stream of keep-alives would never let the timer run.
        let now = clock::instant();
        if now >= self.call_deadline.min(self.read_deadline) {
            return Err(self.timeout(now));
        }
        let start = piece.len();
        poll_fn(|context| self.poll_piece(piece, start, context)).await
    }

    fn poll_piece(
        &mut self,
        piece: &mut Vec<u8>,
        start: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, ReadError>> {
        // Whether the connection has been driven since the body was last found to be empty.
        let mut was_polled = false;
        while piece.len() - start < PIECE_BYTES {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(bytes) = frame.data_ref() {
                        piece.extend_from_slice(bytes);
                    }
                    was_polled = false;
                }
                Poll::Ready(Some(Err(error))) if piece.len() > start => {
                    self.read_error = Some(error.into());
                    break;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => {
                    self.is_complete = true;
                    return Poll::Ready(Ok(piece.len() - start));
                }
                Poll::Pending if was_polled => break,
                Poll::Pending => {
                    self.connection.drive(context);
                    was_polled = true;
                }
            }
        }
        if piece.len() > start {
            return Poll::Ready(Ok(piece.len() - start));
        }
        let deadline = self.call_deadline.min(self.read_deadline);
        ready!(self.connection.timer.poll_until(deadline, context));
        Poll::Ready(Err(self.timeout(clock::instant())))
    }

    fn timeout(&self, now: Instant) -> ReadError {
        match now >= self.call_deadline {
            true => ReadError::OutOfTime,
            false => ReadError::Stalled,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const LONG_TIMEOUT: Duration = Duration::from_secs(600);
    const SHORT_TIMEOUT: Duration = Duration::from_millis(20);

    fn deadlines(answer: Duration, write: Duration) -> HeadDeadlines {
        HeadDeadlines {
            answer: clock::instant() + answer,
            write,
        }
    }

    fn request(body: Vec<u8>) -> Request<Full<Bytes>> {
        Request::post("/").body(Full::from(body)).unwrap()
    }

    /// Opens a connection to a server that sends these bytes in response to every request and stays open.
    async fn answering_connection(answer: &'static str) -> Box<ProviderConnection> {
        let (client_end, mut server_end) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while server_end
                .read(&mut buffer)
                .await
                .is_ok_and(|read| read > 0)
            {
                server_end.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        open_connection(client_end).await
    }

    async fn open_connection(stream: DuplexStream) -> Box<ProviderConnection> {
        let new_connection = ProviderConnection::open(Box::new(stream)).await;
        new_connection.unwrap_or_else(|error| panic!("{error:?}"))
    }

    async fn body_of(mut connection: Box<ProviderConnection>, idle: Duration) -> ResponseBody {
        let sending = connection.send(
            request(b"x".to_vec()),
            deadlines(LONG_TIMEOUT, LONG_TIMEOUT),
        );
        let body = sending.await.unwrap().into_body();
        let now = clock::instant();
        ResponseBody::new(connection, body, now + LONG_TIMEOUT, now + idle)
    }

    #[tokio::test]
    async fn a_connection_serves_one_call_after_the_other() {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\n\r\n";
        let mut connection = answering_connection(answer).await;
        for _ in 0..3 {
            let mut body = body_of(connection, LONG_TIMEOUT).await;
            let mut text = Vec::new();
            // Chunks that arrive together become one piece.
            assert_eq!(body.read_piece(&mut text).await, Ok(7));
            assert_eq!(body.read_piece(&mut text).await, Ok(0));
            assert_eq!(text, b"one two");
            connection = body.into_connection().unwrap();
            assert!(connection.is_usable().await);
        }
    }

    #[tokio::test]
    async fn an_unfinished_body_ends_at_its_deadline_and_its_connection_is_not_reused() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        let mut body = body_of(answering_connection(answer).await, LONG_TIMEOUT).await;
        let mut text = Vec::new();
        assert_eq!(body.read_piece(&mut text).await, Ok(4));
        body.set_read_deadline(clock::instant() + SHORT_TIMEOUT);
        let stalled = body.read_piece(&mut text).await;
        assert_eq!(stalled, Err(ReadError::Stalled));
        body.call_deadline = clock::instant();
        let late = body.read_piece(&mut text).await;
        assert_eq!(late, Err(ReadError::OutOfTime));
        assert!(body.into_connection().is_none());
    }

    #[tokio::test]
    async fn errors_come_after_the_bytes_before_them() {
        let answer =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\nnonsense\r\n";
        let mut body = body_of(answering_connection(answer).await, LONG_TIMEOUT).await;
        let mut text = Vec::new();
        assert_eq!(body.read_piece(&mut text).await, Ok(3));
        let malformed = body.read_piece(&mut text).await;
        assert_eq!(malformed, Err(ReadError::Protocol));
    }

    #[tokio::test]
    async fn a_provider_that_takes_no_bytes_or_sends_none_times_out() {
        // Nothing reads from the other end, so the buffer of 64 bytes fills up.
        let (client_end, _server_end) = tokio::io::duplex(64);
        let mut connection = open_connection(client_end).await;
        let large = request(vec![b'x'; 64 * 1024]);
        let send_result = connection
            .send(large, deadlines(LONG_TIMEOUT, SHORT_TIMEOUT))
            .await;
        assert!(matches!(send_result, Err(TransportError::AnswerTimeout)));
        let (client_end, _server_end) = tokio::io::duplex(64 * 1024);
        let mut connection = open_connection(client_end).await;
        let sending = connection.send(request(Vec::new()), deadlines(SHORT_TIMEOUT, LONG_TIMEOUT));
        assert!(matches!(sending.await, Err(TransportError::AnswerTimeout)));
    }

    #[tokio::test]
    async fn only_a_silent_reused_connection_is_stale() {
        for (is_reused, answer, expected) in [
            (false, "", false),
            (true, "", true),
            (true, "HTTP/1.1 2", false),
        ] {
            let (client_end, mut server_end) = tokio::io::duplex(64 * 1024);
            let mut connection = open_connection(client_end).await;
            connection.is_reused = is_reused;
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = server_end.read(&mut buffer).await;
                let _ = server_end.write_all(answer.as_bytes()).await;
            });
            let sending =
                connection.send(request(Vec::new()), deadlines(LONG_TIMEOUT, LONG_TIMEOUT));
            let error = sending.await.unwrap_err();
            assert_eq!(connection.was_stale(&error), expected, "{answer} {error:?}");
        }
    }
}
