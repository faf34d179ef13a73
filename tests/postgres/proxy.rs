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

/// The message with which a client commits.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\0";

/// Forward everything.
pub const FORWARD: u8 = 0;
/// Cut the link instead of forwarding a commit.
pub const CUT_BEFORE: u8 = 1;
/// Cut the link instead of returning the answer to a commit.
pub const CUT_AFTER: u8 = 2;
/// Like `CUT_AFTER`, and refuse connections from then on.
pub const CUT_OFF: u8 = 3;
/// Refuse connections.
pub const REFUSE: u8 = 4;
/// Cut the link to the client as soon as a commit has been forwarded.
pub const CUT_SENT: u8 = 5;
/// Accept connections, and never answer on them.
pub const HOLD: u8 = 6;
/// Like `CUT_OFF`, for the commit of the next transaction that records a call on a new connection.
pub const CUT_OFF_CALL: u8 = 7;
/// Keep everything back until there is another fault, as a network does that loses all packets.
pub const BLACK_HOLE: u8 = 8;
/// What such a transaction contains.
const CALL: &[u8] = b"INSERT INTO calls";

/// A proxy in front of a server, which cuts a link once.
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

    /// Starts one in front of the server at this port of the folder.
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

    /// Cuts all links, without a word to the server about what it is doing for them.
    pub fn cut(&self) {
        for client in self.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// Returns the address of the database through the proxy.
    pub fn database(&self) -> String {
        format!("postgres://quire@{}/postgres?sslmode=disable", self.address)
    }

    /// Returns the host and port of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the switch for the next fault.
    pub fn fault(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.fault)
    }

    /// Number of connections that were accepted and never answered.
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

/// Waits until messages may pass.
fn wait_while_black(fault: &AtomicU8) {
    while fault.load(Ordering::SeqCst) == BLACK_HOLE {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn connect(client: TcpStream, socket: PathBuf, fault: Arc<AtomicU8>) {
    let Ok(server) = UnixStream::connect(socket) else {
        return;
    };
    // Whether the answer is to be kept from the client.
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
            has_call |= bytes[..length].windows(CALL.len()).any(|part| part == CALL);
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
            if *kept.lock().unwrap() != FORWARD || to_client.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = from_server.shutdown(Shutdown::Both);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}
