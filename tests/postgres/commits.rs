//! A connection that is lost during a commit: the caller learns whether the change was stored, and it is stored at most
//! once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use quire::domain::id::UserId;
use quire::domain::user::{Role, User};
use quire::store::{Store, StoreError, users};

use super::cluster::Cluster;
use super::store::{at, close, open};

/// The message with which a client commits.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\0";

/// Forward everything.
const FORWARD: u8 = 0;
/// Cut the link instead of forwarding a commit.
const CUT_BEFORE: u8 = 1;
/// Cut the link instead of returning the answer to a commit.
const CUT_AFTER: u8 = 2;
/// Like `CUT_AFTER`, and refuse connections from then on.
const CUT_OFF: u8 = 3;
/// Refuse connections.
const REFUSE: u8 = 4;

/// A proxy in front of a server, which cuts a link once.
struct Proxy {
    address: SocketAddr,
    fault: Arc<AtomicU8>,
}

impl Proxy {
    fn start(cluster: &Cluster) -> Self {
        let socket = cluster.folder().join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(AtomicU8::new(FORWARD));
        let told = Arc::clone(&fault);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if told.load(Ordering::SeqCst) == REFUSE {
                    continue;
                }
                connect(client, socket.clone(), Arc::clone(&told));
            }
        });
        Self { address, fault }
    }

    fn set(&self, fault: u8) {
        self.fault.store(fault, Ordering::SeqCst);
    }

    fn open(&self, cluster: &Cluster) -> Store {
        let address = format!("postgres://quire@{}/postgres?sslmode=disable", self.address);
        Store::open_postgres(&address, None, cluster.folder()).unwrap()
    }
}

fn connect(client: TcpStream, socket: PathBuf, fault: Arc<AtomicU8>) {
    let server = UnixStream::connect(socket).unwrap();
    // Whether the answer is to be kept from the client.
    let kept = Arc::new(Mutex::new(FORWARD));
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (seen, keeping) = (Arc::clone(&fault), Arc::clone(&kept));
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut bytes) {
            if bytes[..length] == *COMMIT {
                let cut = seen.swap(FORWARD, Ordering::SeqCst);
                match cut {
                    CUT_BEFORE => break,
                    CUT_OFF => seen.store(REFUSE, Ordering::SeqCst),
                    _ => {}
                }
                *keeping.lock().unwrap() = cut;
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
            if *kept.lock().unwrap() != FORWARD || to_client.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = from_server.shutdown(Shutdown::Both);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

fn user(number: u32) -> User {
    User {
        id: UserId::new(at(1_000), u128::from(number)),
        email: format!("person{number}@example.org"),
        name: format!("Person {number}"),
        password_hash: "$x$".into(),
        role: Role::User,
        disabled: false,
        created: at(1_000),
        last_login: None,
    }
}

fn add(store: &Store, number: u32) -> Result<(), StoreError> {
    store.write_now(move |db| users::insert(db, &user(number)))
}

/// Counts the accounts without the proxy, where a read ends with a commit too.
fn count(cluster: &Cluster) -> u64 {
    let store = open(cluster, "postgres").unwrap();
    let count = store.read_now(users::count).unwrap();
    close(&store);
    count
}

#[test]
fn a_commit_whose_answer_is_lost_is_reported_as_it_was() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    assert_eq!(add(&store, 1), Ok(()));
    for round in 1..=5 {
        proxy.set(CUT_AFTER);
        assert_eq!(add(&store, round * 10), Ok(()), "it was stored");
        assert_eq!(count(&cluster), u64::from(round) * 2);
        proxy.set(CUT_BEFORE);
        assert_eq!(
            add(&store, round * 10 + 1),
            Err(StoreError::Busy),
            "it was not"
        );
        assert_eq!(count(&cluster), u64::from(round) * 2);
        assert_eq!(add(&store, round * 10 + 1), Ok(()), "it can be repeated");
    }
    // A change of nothing has nothing to lose.
    proxy.set(CUT_AFTER);
    assert_eq!(store.write_now(|_| Ok(())), Err(StoreError::Busy));
    close(&store);
}

#[test]
fn all_changes_of_one_commit_are_reported_alike() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, running) = std::sync::mpsc::channel::<()>();
    // It keeps the writer busy until the others wait together.
    let (holder, fault) = (store.clone(), Arc::clone(&proxy.fault));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            holder.write_now(move |_| {
                let _ = begun.send(());
                wait.recv().map_err(|_| StoreError::Closed)
            })
        });
        running.recv().unwrap();
        let changes: Vec<_> = (1..=4)
            .map(|number| {
                let (store, fault) = (store.clone(), Arc::clone(&fault));
                scope.spawn(move || {
                    store.write_now(move |db| {
                        fault.store(CUT_AFTER, Ordering::SeqCst);
                        // The third one fails by itself.
                        users::insert(db, &user(if number == 3 { 9 } else { number }))?;
                        if number == 3 {
                            Err(StoreError::Missing)
                        } else {
                            Ok(())
                        }
                    })
                })
            })
            .collect();
        while store.commits().1 < 4 {
            std::thread::yield_now();
        }
        go.send(()).unwrap();
        for (number, change) in (1..).zip(changes) {
            let expected = if number == 3 {
                Err(StoreError::Missing)
            } else {
                Ok(())
            };
            assert_eq!(change.join().unwrap(), expected, "{number}");
        }
    });
    assert_eq!(count(&cluster), 3);
    close(&store);
}

#[test]
fn without_the_server_the_outcome_is_unknown() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    proxy.set(CUT_OFF);
    assert_eq!(add(&store, 1), Err(StoreError::Unknown));
    proxy.set(FORWARD);
    assert_eq!(count(&cluster), 1, "it was stored, but nobody could know");
    assert_eq!(add(&store, 1), Err(StoreError::Conflict("email")));
    close(&store);
}
