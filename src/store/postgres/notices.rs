//! Notices between the servers of one database about runs that have new events or commands. Each server has a
//! connection for notices, on which it listens to all of them and sends its own once the events or commands are stored.
//! If a notice is lost, the waiting server finds the events or commands at its next poll. Through a pooler there are no
//! notices, because a pooled connection cannot listen.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client};

use super::address::PostgresAddress;
use super::pooler;
use crate::domain::id::AnalysisId;

/// Starts to listen. Notices need not be on disk: without an fsync, they do not delay other commits.
const LISTEN: &str = "SET synchronous_commit = off; LISTEN quire_runs";
/// Sends a notice.
const NOTIFY: &str = "SELECT pg_notify('quire_runs', $1)";
/// Prefix of a run's ID in a notice about a command for the run. A server of an earlier version ignores such a notice.
const COMMAND_MARK: char = '!';
/// How long notices are collected before they are sent together.
const COLLECT_INTERVAL: Duration = Duration::from_millis(5);
/// Maximum size of a notice in bytes; PostgreSQL accepts less than 8,000.
const MAX_NOTICE_BYTES: usize = 7_900;
/// Maximum number of notices that wait to be sent, and maximum number that a watcher may lag behind.
const MAX_WAITING: usize = 1024;
/// Pause before reconnecting after a connection was lost.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);
/// Timeout for connecting, and for the answer to a statement; when it expires, the connection counts as lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time without outgoing notices after which the server sends one to itself, to test the connection.
const TEST_INTERVAL: Duration = Duration::from_secs(10);

/// Sends and receives the notices of a server. Its connection ends when this is dropped.
pub struct RunNotices {
    /// IDs of runs with new events, and of runs with new commands, prefixed with [`COMMAND_MARK`].
    outgoing: mpsc::Sender<String>,
    received: Arc<ReceivedNotices>,
}

struct ReceivedNotices {
    notices: broadcast::Sender<Arc<str>>,
    /// Whether a notice that this server sent to itself has arrived on the current connection.
    is_live: AtomicBool,
}

impl RunNotices {
    /// Connects on another thread, to which `runtime` belongs. `boot` is unique to this server.
    pub(in crate::store) fn start(
        address: PostgresAddress,
        runtime: &Handle,
        boot: Arc<str>,
    ) -> Self {
        let (outgoing, waiting) = mpsc::channel(MAX_WAITING);
        let received = Arc::new(ReceivedNotices {
            notices: broadcast::Sender::new(MAX_WAITING),
            is_live: AtomicBool::new(false),
        });
        let shared = Arc::clone(&received);
        // The task ends when `outgoing` is dropped.
        drop(runtime.spawn(exchange(address, waiting, shared, boot)));
        Self { outgoing, received }
    }

    /// Notifies the other servers, a few milliseconds later, that a run has new events.
    pub fn send_events(&self, id: &AnalysisId) {
        // If the queue is full, the waiting servers find the events at their next poll.
        let _ = self.outgoing.try_send(id.as_str().to_owned());
    }

    /// Notifies the server that drives a run, a few milliseconds later, that there is a command for the run.
    pub fn send_command(&self, id: &AnalysisId) {
        let _ = self
            .outgoing
            .try_send(format!("{COMMAND_MARK}{}", id.as_str()));
    }

    /// Returns a watch that receives all notices from now on.
    pub fn watch(&self) -> NoticeWatch {
        NoticeWatch {
            notices: self.received.notices.subscribe(),
            received: Arc::clone(&self.received),
        }
    }
}

/// Receives the notices that arrive after its creation.
pub struct NoticeWatch {
    notices: broadcast::Receiver<Arc<str>>,
    received: Arc<ReceivedNotices>,
}

impl NoticeWatch {
    /// Returns whether notices currently arrive.
    pub fn is_live(&self) -> bool {
        self.received.is_live.load(Relaxed)
    }

    /// Waits for a notice about new events of a run. Also returns if notices may have been missed.
    pub async fn wait_for_events(&mut self, id: &AnalysisId) {
        self.wait_for(|one| one == id.as_str()).await;
    }

    /// Waits for a notice about a command for a run that this server executes, as decided by `is_driven`. Also returns
    /// if notices may have been missed.
    pub async fn wait_for_command(&mut self, is_driven: impl Fn(&AnalysisId) -> bool) {
        let is_own = |one: &str| {
            let id = one.strip_prefix(COMMAND_MARK).and_then(AnalysisId::parse);
            id.is_some_and(|id| is_driven(&id))
        };
        self.wait_for(is_own).await;
    }

    async fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) {
        loop {
            match self.notices.recv().await {
                Ok(notice) if !notice.split(' ').any(&is_it) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// Sends and receives notices until the sender is dropped or a pooler prevents notices. Reconnects when a connection is
/// lost.
async fn exchange(
    address: PostgresAddress,
    mut waiting: mpsc::Receiver<String>,
    received: Arc<ReceivedNotices>,
    boot: Arc<str>,
) {
    loop {
        if let Some((client, mut connection)) = within(address.clone().open()).await {
            let receive = async {
                while let Some(Ok(message)) =
                    poll_fn(|context| connection.poll_message(context)).await
                {
                    if let AsyncMessage::Notification(notice) = message {
                        received.deliver(notice.payload(), &boot);
                    }
                }
            };
            let is_over = tokio::select! {
                () = receive => false,
                sent = send(&client, &mut waiting, &boot) => sent.is_some(),
            };
            received.is_live.store(false, Relaxed);
            if is_over {
                return;
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
        if waiting.is_closed() {
            return;
        }
    }
}

/// Sends waiting notices. Returns when their sender is dropped, or at once if a pooler prevents notices from arriving;
/// returns `None` if the connection fails.
async fn send(client: &Client, waiting: &mut mpsc::Receiver<String>, boot: &str) -> Option<()> {
    if within(pooler::is_between(client)).await? {
        return Some(());
    }
    within(client.batch_execute(LISTEN)).await?;
    notify(client, boot).await?;
    let mut ids = Vec::new();
    loop {
        let received = waiting.recv_many(&mut ids, MAX_WAITING);
        match tokio::time::timeout(TEST_INTERVAL, received).await {
            Ok(0) => return Some(()),
            Ok(_) => {
                tokio::time::sleep(COLLECT_INTERVAL).await;
                while let Ok(id) = waiting.try_recv() {
                    ids.push(id);
                }
                for notice in notices(&std::mem::take(&mut ids)) {
                    notify(client, &notice).await?;
                }
            }
            Err(_) => notify(client, boot).await?,
        }
    }
}

async fn notify(client: &Client, notice: &str) -> Option<()> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&notice, Type::TEXT)];
    within(client.execute_typed(NOTIFY, &parameters))
        .await
        .map(drop)
}

/// Returns the result if there is one within [`ANSWER_TIMEOUT`]. A peer that accepts a connection and never answers,
/// such as a paused pooler, must not stop this server's notices forever.
async fn within<T, E>(asking: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(ANSWER_TIMEOUT, asking)
        .await
        .ok()?
        .ok()
}

/// Joins IDs, without duplicates, into as few notices as possible.
fn notices(ids: &[String]) -> Vec<String> {
    let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let mut all: Vec<String> = Vec::new();
    for id in ids {
        match all.last_mut() {
            Some(last) if last.len() + 1 + id.len() <= MAX_NOTICE_BYTES => {
                last.push(' ');
                last.push_str(id);
            }
            _ => all.push(id.to_owned()),
        }
    }
    all
}

impl ReceivedNotices {
    fn deliver(&self, notice: &str, boot: &str) {
        if notice == boot {
            self.is_live.store(true, Relaxed);
            return;
        }
        // This fails if there are no watchers, in which case nobody needs the notice.
        let _ = self.notices.send(notice.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn ids_are_joined_once_each_and_notices_are_bounded() {
        let id = |number| {
            let id = AnalysisId::new(Timestamp::from_millis(1_000), number);
            id.as_str().to_owned()
        };
        let joined = notices(&[id(2), id(1), id(2)]);
        assert_eq!(joined, [format!("{} {}", id(1), id(2))]);
        let many: Vec<String> = (0..500).map(id).collect();
        let joined = notices(&many);
        assert!(joined.len() > 1 && joined.iter().all(|notice| notice.len() <= MAX_NOTICE_BYTES));
        let count: usize = joined.iter().map(|notice| notice.split(' ').count()).sum();
        assert_eq!(count, 500);
    }
}
