//! Detects a connection pooler between this process and the server. PgBouncer and similar poolers accept the client's
//! connection themselves and run each transaction on any of their own connections to the server.

use std::future::{Ready, ready};
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::stream::UnboundStream;

/// Size of a request to cancel a query, in bytes: its length, a constant, the process, and the process's key, of 4
/// bytes each.
const CANCEL_BYTES: usize = 16;
/// Size in bytes of the request for encryption that comes first if the connection is encrypted.
const ENCRYPT_BYTES: usize = 8;

/// Returns whether there is a pooler: whether the process that answers statements is not the one that was named when
/// the connection was accepted. A pooler names a process that does not exist.
///
/// # Errors
/// Returns an error if the server cannot be reached.
pub(super) async fn is_between(client: &Client) -> Result<bool, Error> {
    let rows = client.simple_query("SELECT pg_backend_pid()").await?;
    let answering = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i32>().ok(),
        _ => None,
    });
    Ok(answering != Some(named_process(client).await?))
}

/// Returns the process that was named when the connection was accepted. The client reveals it only in a request to
/// cancel a query, which is written to a buffer here instead of being sent.
async fn named_process(client: &Client) -> Result<i32, Error> {
    let (near, mut far) = tokio::io::duplex(CANCEL_BYTES + ENCRYPT_BYTES);
    // The answer "yes", in case the client first requests encryption.
    let _ = far.write_all(b"S").await;
    client
        .cancel_token()
        .cancel_query_raw(near, Unencrypted)
        .await?;
    let mut written = Vec::new();
    let _ = far.read_to_end(&mut written).await;
    let request = written.len().saturating_sub(CANCEL_BYTES);
    let process = written.get(request + 8..request + 12);
    let process = process.and_then(|bytes| bytes.try_into().ok());
    Ok(process.map_or(0, i32::from_be_bytes))
}

/// Leaves the stream unencrypted, because its bytes never leave this process.
struct Unencrypted;

impl TlsConnect<DuplexStream> for Unencrypted {
    type Stream = UnboundStream<DuplexStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<UnboundStream<DuplexStream>>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(UnboundStream(stream)))
    }
}
