//! Replaces a running process without losing a connection. The old process passes its listening sockets to the new one
//! (SCM_RIGHTS over a socket in the data folder), unless systemd holds the sockets. Clients that connect in the
//! meantime wait in the kernel's queue, which both processes share. Processes of other users are refused.
//!
//! SO_REUSEPORT is not used, because it gives each process its own queue. When the old process closes its socket, the
//! connections in its queue that it has not accepted are reset.

use std::fs;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::log;

/// Maximum number of listening sockets in a handover.
const MAX_SOCKETS: usize = 4;
/// How long each process waits for the next message from the other.
const IO_TIMEOUT: Duration = Duration::from_secs(30);
/// The byte that accompanies the sockets: the version of the handover protocol.
const PROTOCOL_VERSION: [u8; 1] = [1];
/// The byte that tells the old process to stop, because the new one has everything it needs.
const STOP_BYTE: [u8; 1] = [2];

/// Returns the sockets that systemd has opened for this process (LISTEN_FDS), in systemd's order.
///
/// # Errors
/// Returns an error if one of the sockets is not a TCP listener.
pub(super) fn inherited_listeners() -> io::Result<Vec<TcpListener>> {
    let mut passed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        if let Some(socket) = passed.take_tcp_listener(index)? {
            // The duplicate is close-on-exec, so the child processes that read files do not inherit it.
            sockets.push(TcpListener::from(socket.as_fd().try_clone_to_owned()?));
        }
    }
    Ok(sockets)
}

/// A running server's offer to hand over its listening sockets.
pub(super) struct Handover {
    listener: UnixListener,
    path: PathBuf,
    sockets: Vec<OwnedFd>,
}

impl Handover {
    /// Creates the Unix socket to which a successor connects. May be called only by the process that holds the folder's
    /// lock.
    ///
    /// # Errors
    /// Returns an error if the Unix socket cannot be created in the folder.
    pub(super) fn offer_handover(folder: &Path, sockets: Vec<OwnedFd>) -> io::Result<Self> {
        let path = socket_path(folder);
        // A killed process may have left its socket behind.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path,
            sockets,
        })
    }

    /// Waits until a successor has received the sockets and told this process to stop.
    pub(super) async fn wait_for_takeover(&self) {
        loop {
            let Ok((successor, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            match timeout(IO_TIMEOUT, self.hand_over(successor)).await {
                Ok(Ok(process)) => return log::info("handing over", &[("process", &process)]),
                Ok(Err(error)) => log::warn("not handed over", &[("why", &error)]),
                Err(_) => log::warn("not handed over", &[("why", &"no answer in time")]),
            }
        }
    }

    async fn hand_over(&self, mut successor: UnixStream) -> io::Result<i32> {
        let credentials = successor.peer_cred()?;
        // By default, only the folder's owner can connect, but the permissions may have been changed.
        let owner = fs::metadata(&self.path)?.uid();
        if credentials.uid() != owner && credentials.uid() != 0 {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "another user"));
        }
        successor.writable().await?;
        successor.try_io(Interest::WRITABLE, || self.send(successor.as_fd()))?;
        let mut byte = [0];
        successor.read_exact(&mut byte).await?;
        match byte == STOP_BYTE {
            true => Ok(credentials.pid().unwrap_or_default()),
            false => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn send(&self, to: BorrowedFd<'_>) -> io::Result<()> {
        let sockets: Vec<_> = self
            .sockets
            .iter()
            .map(AsFd::as_fd)
            .take(MAX_SOCKETS)
            .collect();
        let mut buffer = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut buffer);
        ancillary.push(SendAncillaryMessage::ScmRights(&sockets));
        sendmsg(
            to,
            &[IoSlice::new(&PROTOCOL_VERSION)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The running server, as the process that replaces it sees it. The server continues to serve until
/// [`Self::request_stop`] is called.
pub(super) struct Predecessor {
    connection: BlockingStream,
    /// The server's listening sockets, in the order of its listeners.
    pub(super) sockets: Vec<TcpListener>,
}

impl Predecessor {
    /// Connects to the running server and requests its listening sockets. Blocks.
    ///
    /// # Errors
    /// Returns an error if no process serves this folder, or if the process uses another version of the handover
    /// protocol.
    pub(super) fn connect(folder: &Path) -> io::Result<Self> {
        let mut connection = BlockingStream::connect(socket_path(folder))?;
        connection.set_read_timeout(Some(IO_TIMEOUT))?;
        let mut buffer = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut buffer);
        let mut byte = [0];
        let into = &mut [IoSliceMut::new(&mut byte)];
        recvmsg(&connection, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let messages = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        let sockets: Vec<_> = messages.flatten().map(TcpListener::from).collect();
        if byte != PROTOCOL_VERSION || sockets.is_empty() {
            // Nothing is read if the process has closed the connection. Any other byte means a different protocol
            // version.
            let _ = connection.read(&mut byte);
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Self {
            connection,
            sockets,
        })
    }

    /// Tells the running server to stop and to release the data folder.
    ///
    /// # Errors
    /// Returns an error if the server has closed the connection.
    pub(super) fn request_stop(mut self) -> io::Result<()> {
        self.connection.write_all(&STOP_BYTE)
    }
}

fn socket_path(folder: &Path) -> PathBuf {
    folder.join("handover")
}
