//! Servers and stores that use the same database.

use std::time::{Duration, Instant};

use quire::store::Store;

use super::cluster::Cluster;
use super::store::open;
use super::support::executable::Executable;
use super::support::provider::Provider;
use super::support::script::providers;
use super::support::server::Folder;
use super::support::{Client, Server};

/// How long a test waits for a condition. The time is generous, because only a failing test uses all of it.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(120);
/// The secret that all servers share.
pub const SECRET: &str = "a secret of all servers, long enough";

/// Two servers on one database, with a client of each. Both clients use the same account.
pub struct ServerPair {
    pub client: Client,
    pub elsewhere: Client,
    _servers: [Server; 2],
}

impl ServerPair {
    /// Starts two servers that use this provider's models.
    pub fn start(cluster: &Cluster, provider: &Provider) -> Self {
        let (database, known_providers) = (cluster.address("postgres"), providers(provider));
        let settings = server_settings(&database, &known_providers);
        let (one, other) = (Server::with(&settings), Server::with(&settings));
        let client = one.user("ada@example.com");
        Self {
            elsewhere: known(&other, &client),
            client,
            _servers: [one, other],
        }
    }
}

/// Two servers on one database, the first of which can be killed, with a client of each. Both clients use the same
/// account.
pub struct KillablePair {
    /// The first server; `None` after it was killed.
    pub first: Option<Executable>,
    pub client: Client,
    pub elsewhere: Client,
    _other: Server,
    _folder: Folder,
}

impl KillablePair {
    /// Starts two servers that use this provider's models.
    pub fn start(cluster: &Cluster, provider: &Provider) -> Self {
        let (database, known_providers) = (cluster.address("postgres"), providers(provider));
        let settings = server_settings(&database, &known_providers);
        let folder = Folder::new();
        let first = Executable::with(&folder, &settings);
        let other = Server::with(&settings);
        let client = Client::new(first.address).registered("ada@example.com");
        Self {
            first: Some(first),
            elsewhere: known(&other, &client),
            client,
            _other: other,
            _folder: folder,
        }
    }
}

/// Opens a store that can lease runs. `seed` must differ between the stores.
pub fn member(cluster: &Cluster, seed: u128) -> Store {
    let store = open(cluster, "postgres").unwrap();
    store.join_servers(seed).unwrap();
    store
}

pub fn boot(store: &Store) -> std::sync::Arc<str> {
    store.membership().unwrap().boot()
}

/// Waits until a condition is true; panics with `what` after [`WAIT_TIMEOUT`].
pub fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let until = Instant::now() + WAIT_TIMEOUT;
    while !is_true() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn server_settings<'a>(database: &'a str, known: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("DATABASE_URL", database),
        ("QUIRE_SECRET", SECRET),
        ("QUIRE_PROVIDERS", known),
        ("USE_MOCK", "true"),
    ]
}

/// Returns a client with the same account for another server.
pub fn known(server: &Server, client: &Client) -> Client {
    let mut client = client.clone();
    client.base = format!("http://{}", server.address);
    client
}
