//! Error responses that are written without hyper, before it takes over a connection or after it has released one.

use std::time::Duration;

use tokio::net::TcpStream;

use super::error::ApiError;
use super::headers;
use crate::app::{Error, Kind};

/// Sends a 503 response on a connection that exceeds the connection limit.
pub fn reject_overload(socket: &TcpStream) {
    let mut error = Error::new(Kind::Unavailable, "too many connections are open");
    error.retry_after = Some(Duration::from_secs(1));
    refuse(socket, &ApiError::from(error).closing_connection());
}

/// Writes an error response to a socket without blocking. Does nothing if the socket does not accept bytes now.
pub fn refuse(socket: &TcpStream, error: &ApiError) {
    let _ = socket.try_write(error_text(error).as_bytes());
}

/// Returns the raw HTTP text of an error response.
pub fn error_text(error: &ApiError) -> String {
    let body = error.body("").to_string();
    let mut text = format!(
        "HTTP/1.1 {}\r\ncontent-length: {}\r\n",
        error.status(),
        body.len()
    );
    let mut reply = error.reply("");
    headers::CommonHeaders::default().add(&mut reply, "");
    for (name, value) in reply.headers() {
        text.push_str(&format!(
            "{name}: {}\r\n",
            value.to_str().unwrap_or_default()
        ));
    }
    format!("{text}\r\n{body}")
}
