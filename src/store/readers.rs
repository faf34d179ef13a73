//! A few reader threads. Each takes a read-only connection from a pool while it has work. Threads start when queries
//! need them, and broken connections are replaced.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use r2d2::{ManageConnection, Pool, PooledConnection};
use scheduled_thread_pool::ScheduledThreadPool;

use super::connection::Reader;
use super::engine::DatabaseConnector;
use super::error::{Result, StoreError};
use super::health::StoreHealth;
use super::job_queue::WriteQueue;

/// Stack size, in bytes, the same as for the writer thread. It suffices for SQLite and for parsing a stored plan, which
/// needs large stack frames in an unoptimized build. Untouched pages use no memory; the default is 2 MiB.
const STACK_BYTES: usize = 512 * 1024;
/// A query to run with a connection. If it gets an error instead of a connection, it passes the error to its caller.
pub(super) type Job = Box<dyn FnOnce(Result<&Reader>) + Send>;

pub(super) struct ReadPool {
    pub(super) queue: Arc<WriteQueue<Job>>,
    pool: Pool<Connect>,
    started: Mutex<u32>,
    connector: Arc<DatabaseConnector>,
    /// Has one additional reference per query that has no result yet.
    pending_queries: Arc<()>,
    health: Arc<StoreHealth>,
}

struct Connect(Arc<DatabaseConnector>);

impl ManageConnection for Connect {
    type Connection = Reader;
    type Error = StoreError;

    fn connect(&self) -> Result<Reader> {
        self.0.reader()
    }
    fn is_valid(&self, db: &mut Reader) -> Result<()> {
        db.query_one("SELECT 1", [], |_| Ok(()))
    }
    fn has_broken(&self, db: &mut Reader) -> bool {
        db.is_broken()
    }
}

impl ReadPool {
    pub(super) fn new(connector: Arc<DatabaseConnector>, health: Arc<StoreHealth>) -> Self {
        let pool = Pool::builder()
            .max_size(connector.max_readers())
            // An idle server keeps no connection and therefore no page cache.
            .min_idle(Some(0))
            .idle_timeout(Some(Duration::from_secs(60)))
            .max_lifetime(None)
            // A local file does not disappear between queries, and a failure is noticed when it happens.
            .test_on_check_out(false)
            .connection_timeout(connector.connect_timeout())
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .thread_pool(Arc::new(
                ScheduledThreadPool::builder()
                    .num_threads(1)
                    .thread_name_pattern("quire-pool")
                    .build(),
            ))
            .build_unchecked(Connect(Arc::clone(&connector)));
        Self {
            queue: Arc::new(WriteQueue::new()),
            pool,
            started: Mutex::new(0),
            connector,
            pending_queries: Arc::new(()),
            health,
        }
    }

    /// Starts a reader thread and connects it, so that the first query does not have to wait for a connection.
    pub(super) fn connect_early(&self) {
        self.start_thread_if_needed(1);
        // Not counted as pending, so that the first query does not start another thread. The queue refuses it only if
        // it is closed.
        let _ = self.queue.put_now(Box::new(|_| {}));
    }

    fn pending_queries(&self) -> usize {
        Arc::strong_count(&self.pending_queries) - 1
    }

    /// Wraps a query for a reader thread, which passes the result to `deliver`. The connection's state is recorded
    /// first, so that a caller that gets an error finds the failure in the health state too.
    pub(super) fn job<T>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
        deliver: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Job {
        let health = Arc::clone(&self.health);
        let unanswered = Arc::clone(&self.pending_queries);
        self.start_thread_if_needed(self.pending_queries());
        Box::new(move |db| {
            let result = db.and_then(|db| {
                let result = ask(db);
                record_health(&health, db);
                result
            });
            // Dropped before the result is delivered, so that the caller's next query does not start another thread.
            drop(unanswered);
            deliver(result);
        })
    }

    /// Starts a thread if there are more queries than threads. Sequential queries, such as those at startup, need only
    /// one thread and one connection with its page cache.
    fn start_thread_if_needed(&self, unanswered: usize) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if *started >= self.connector.max_readers() || *started as usize >= unanswered {
            return;
        }
        *started += 1;
        let (queue, pool) = (Arc::clone(&self.queue), self.pool.clone());
        let (health, connector) = (Arc::clone(&self.health), Arc::clone(&self.connector));
        let thread = std::thread::Builder::new()
            .name(format!("quire-reader-{started}"))
            .stack_size(STACK_BYTES)
            .spawn(move || run(&queue, &pool, &health, &connector));
        if thread.is_err() && *started == 1 {
            // No thread would process the jobs, so they are refused instead of waiting forever.
            self.queue.close();
        }
    }
}

fn run(
    queue: &WriteQueue<Job>,
    pool: &Pool<Connect>,
    health: &StoreHealth,
    connector: &DatabaseConnector,
) {
    while let Some(jobs) = queue.take(connector.queries_per_snapshot()) {
        match take_live_connection(pool) {
            Ok(db) => {
                health.record_read(true);
                let mut jobs = jobs;
                while !jobs.is_empty() {
                    answer_jobs(&db, health, jobs);
                    jobs = match db.is_broken() {
                        true => Vec::new(),
                        false => queue.take_waiting(connector.queries_per_snapshot()),
                    };
                }
                record_health(health, &db);
            }
            Err(error) => {
                health.record_read(false);
                refuse_jobs(jobs, &connector.refusal(&error));
            }
        }
    }
}

/// Takes a connection that has not been lost while idle.
fn take_live_connection(
    pool: &Pool<Connect>,
) -> std::result::Result<PooledConnection<Connect>, r2d2::Error> {
    loop {
        let db = pool.get()?;
        if !db.is_broken() {
            return Ok(db);
        }
    }
}

// Records whether the connection is broken or has read a damaged page.
fn record_health(health: &StoreHealth, db: &Reader) {
    if db.is_broken() {
        health.record_read(false);
    }
    if db.is_damaged() {
        health.record_damage();
    }
}

fn refuse_jobs(jobs: Vec<Job>, why: &StoreError) {
    for job in jobs {
        job(Err(why.clone()));
    }
}

/// Runs queued queries in one transaction. All of their statements see the same snapshot of the database, which is
/// taken after the last of these queries was queued.
fn answer_jobs(db: &Reader, health: &StoreHealth, jobs: Vec<Job>) {
    if let Err(error) = db.run_control("BEGIN") {
        db.mark_broken();
        record_health(health, db);
        return refuse_jobs(jobs, &error);
    }
    let mut no_panic = true;
    for job in jobs {
        // A panic drops the reply channel, which the caller treats as a failure.
        no_panic &= catch_unwind(AssertUnwindSafe(|| job(Ok(db)))).is_ok();
    }
    if !no_panic || (db.in_transaction() && db.run_control("COMMIT").is_err()) {
        db.mark_broken();
    }
}
