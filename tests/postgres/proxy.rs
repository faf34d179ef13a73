//! A proxy between Quire and a PostgreSQL server that drops messages and connections on command.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quire::store::Store;

use super::cluster::Cluster;

/// The message with which a client commits a transaction.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\0";

/// Forward everything.
pub const FORWARD: u8 = 0;
/// Close the connection instead of forwarding a commit.
pub const CUT_BEFORE: u8 = 1;
/// Close the connection instead of returning the answer to a commit.
pub const CUT_AFTER: u8 = 2;
/// Like `CUT_AFTER`, and refuse connections afterward.
pub const CUT_OFF: u8 = 3;
/// Refuse connections.
pub const REFUSE: u8 = 4;
/// Close the connection to the client as soon as a commit has been forwarded.
pub const CUT_SENT: u8 = 5;
/// Accept connections, but never answer.
pub const HOLD: u8 = 6;
/// Like `CUT_OFF`, but only for the commit of the next transaction that records a call, on a connection opened from now
/// on.
pub const CUT_OFF_CALL: u8 = 7;
/// Hold all messages back until another fault is set, like a network that loses all packets.
pub const BLACK_HOLE: u8 = 8;
/// Forward a commit, but return an error in place of its answer, like a pooler that has lost the server.
pub const FAIL_COMMIT: u8 = 9;
/// Make the statement that begins the next transaction invalid, so that what is sent with it runs without a transaction.
pub const SPOIL_BEGIN: u8 = 10;
/// An error of the class "system error", followed by "ready for queries, not in a transaction".
const COMMIT_ERROR: &[u8] =
    b"E\x00\x00\x00\x27SERROR\0C58000\0Mthe server is gone\0\0Z\x00\x00\x00\x05I";
/// Statement that a transaction contains if it records a call.
const CALL: &[u8] = b"INSERT INTO calls";

/// A proxy in front of a server, which causes one of the faults above on command.
pub struct Proxy {
    address: SocketAddr,
    fault: Arc<AtomicU8>,
    held: Arc<AtomicUsize>,
    clients: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn start(cluster: &Cluster) -> Self {
        Self::on_port(cluster, 5432)
    }

    /// Starts a proxy in front of the cluster's server whose socket has this port.
    pub fn on_port(cluster: &Cluster, port: u16) -> Self {
        let socket = cluster.folder().join(format!(".s.PGSQL.{port}"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(AtomicU8::new(FORWARD));
        let told = Arc::clone(&fault);
        let held = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&held);
        let clients = Arc::<Mutex<Vec<TcpStream>>>::default();
        let connected = Arc::clone(&clients);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for client in listener.incoming().flatten() {
                let link = client.try_clone().unwrap();
                connected.lock().unwrap().push(link);
                match told.load(Ordering::SeqCst) {
                    REFUSE => {}
                    HOLD => {
                        silent.push(client);
                        count.store(silent.len(), Ordering::SeqCst);
                    }
                    _ => connect(client, socket.clone(), Arc::clone(&told)),
                }
            }
        });
        Self {
            address,
            fault,
            held,
            clients,
        }
    }

    /// Closes all connections to clients, without aborting what the server is doing for them.
    pub fn cut(&self) {
        for client in self.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// Returns the address of the database through this proxy.
    pub fn database(&self) -> String {
        format!("postgres://quire@{}/postgres?sslmode=disable", self.address)
    }

    /// Returns the IP address and port of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the variable that contains the current fault.
    pub fn fault(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.fault)
    }

    /// Returns the number of connections that were accepted and never answered.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    pub fn set(&self, fault: u8) {
        self.fault.store(fault, Ordering::SeqCst);
    }

    pub fn open(&self, cluster: &Cluster) -> Store {
        Store::open_postgres(&self.database(), None, cluster.folder()).unwrap()
    }
}

/// Waits while the fault is [`BLACK_HOLE`].
fn wait_while_black(fault: &AtomicU8) {
    while fault.load(Ordering::SeqCst) == BLACK_HOLE {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|part| part == text)
}

fn connect(client: TcpStream, socket: PathBuf, fault: Arc<AtomicU8>) {
    let Ok(server) = UnixStream::connect(socket) else {
        return;
    };
    // The fault that keeps the next answer from the client; `FORWARD` if there is none.
    let kept = Arc::new(Mutex::new(FORWARD));
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (seen, keeping) = (Arc::clone(&fault), Arc::clone(&kept));
    let also_seen = Arc::clone(&fault);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        let mut has_call = false;
        while let Ok(length @ 1..) = from_client.read(&mut bytes) {
            wait_while_black(&seen);
            has_call |= position(&bytes[..length], CALL).is_some();
            if seen.load(Ordering::SeqCst) == SPOIL_BEGIN
                && let Some(start) = position(&bytes[..length], b"BEGIN;")
            {
                bytes[start] = b'P';
                seen.store(FORWARD, Ordering::SeqCst);
            }
            if bytes[..length] == *COMMIT {
                let cut = match seen.load(Ordering::SeqCst) {
                    HOLD | REFUSE | BLACK_HOLE => FORWARD,
                    CUT_OFF_CALL if has_call => CUT_OFF,
                    CUT_OFF_CALL => FORWARD,
                    _ => seen.swap(FORWARD, Ordering::SeqCst),
                };
                match cut {
                    CUT_BEFORE => break,
                    CUT_OFF => seen.store(REFUSE, Ordering::SeqCst),
                    _ => {}
                }
                *keeping.lock().unwrap() = cut;
                if cut == CUT_SENT {
                    let _ = to_server.write_all(&bytes[..length]);
                    break;
                }
            }
            if to_server.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = from_client.shutdown(Shutdown::Both);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut from_server, mut to_client) = (server, client);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut bytes) {
            wait_while_black(&also_seen);
            let answer = match *kept.lock().unwrap() {
                FORWARD => &bytes[..length],
                FAIL_COMMIT => COMMIT_ERROR,
                _ => break,
            };
            if to_client.write_all(answer).is_err() {
                break;
            }
        }
        let _ = from_server.shutdown(Shutdown::Both);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}
