//! A session: a connection to the server with its prepared statements and the state of its transaction.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream, SimpleQueryMessage, Statement};

use super::address::PostgresAddress;
use super::direct_connection::DirectConnection;
use super::errors::meaning;
use super::io_thread::IoThread;
use super::notices::RunNotices;
use super::pooler;
use super::row::{EncodedParam, UntypedParam};
use super::transaction::Transaction;
use super::transaction_mark::TransactionMark;
use crate::store::error::{OpenError, Result, StoreError};
use crate::store::params::Value;

/// How long to wait for the answer to a statement before the session is abandoned. Longer than the server's own time
/// limit for the statements of a transaction.
const ANSWER_DEADLINE: Duration = Duration::from_secs(40);
/// Timeout for opening a session, including the answers of a server that has accepted the connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Maximum number of prepared statements per session; above it, all are discarded and prepared again as needed.
const MAX_STATEMENTS: usize = 400;
/// Begins a transaction with time limits, which ensure that a Quire server that freezes within a transaction does not
/// keep its locks. The limits end with the transaction, because a pooler may then give the connection to another
/// client.
const BEGIN_WRITE: &str = "BEGIN; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '10s'";
/// Begins a transaction that sees a single snapshot of the database.
const BEGIN_READ: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '30s'";

/// Opens sessions on a database server.
pub(in crate::store) struct PostgresServer {
    address: PostgresAddress,
    /// The address without a pooler, and whether it leads to a pooler nevertheless.
    direct: Option<(PostgresAddress, bool)>,
    thread: Arc<IoThread>,
}

impl PostgresServer {
    /// Creates the opener of sessions and starts its thread. Does not connect yet.
    ///
    /// # Errors
    /// Returns an error if the address is not valid or no thread can be started.
    pub(in crate::store) fn new(address: PostgresAddress) -> std::result::Result<Self, OpenError> {
        let thread = Arc::new(IoThread::start()?);
        Ok(Self {
            address,
            direct: None,
            thread,
        })
    }

    /// Opens a read-write session at an address without a pooler. From then on, that address is used for whatever is
    /// not possible through a pooler.
    ///
    /// # Errors
    /// Returns `Busy` if the server cannot be reached or rejects the connection.
    pub(in crate::store) fn connect_directly(
        &mut self,
        address: PostgresAddress,
    ) -> Result<PostgresSession> {
        let session = self.connect_to(&address, true)?;
        self.direct = Some((address, session.is_pooled));
        Ok(session)
    }

    /// Returns whether an address without a pooler is configured, and whether it leads to a pooler nevertheless.
    pub(in crate::store) fn direct_connection(&self) -> DirectConnection {
        match self.direct {
            None => DirectConnection::NotConfigured,
            Some((_, false)) => DirectConnection::Direct,
            Some((_, true)) => DirectConnection::Pooled,
        }
    }

    /// Starts to exchange notices with the other servers of the database. `boot` is unique to this server.
    pub(in crate::store) fn start_notices(&self, boot: Arc<str>) -> RunNotices {
        // If the usual connection is pooled, the direct one may still be able to listen.
        let direct = self.direct.as_ref().filter(|(_, is_pooled)| !is_pooled);
        let address = direct.map_or(&self.address, |(address, _)| address);
        let address = address.clone();
        RunNotices::start(address, self.thread.handle(), boot)
    }

    /// Opens a session, either read-only or read-write.
    ///
    /// # Errors
    /// Returns `Busy` if the server cannot be reached or rejects the connection.
    pub(in crate::store) fn connect(&self, writes: bool) -> Result<PostgresSession> {
        self.connect_to(&self.address, writes)
    }

    fn connect_to(&self, address: &PostgresAddress, writes: bool) -> Result<PostgresSession> {
        let address = address.clone();
        // Connects on the socket thread, which then drives the connection.
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.thread.handle().spawn(async move {
            let connected = async {
                let client = address.connect().await?;
                let is_pooled = pooler::is_between(&client).await;
                let is_pooled = is_pooled.map_err(|error| meaning(&error).0)?;
                Ok::<_, StoreError>((client, is_pooled))
            };
            let _ = answer.send(tokio::time::timeout(CONNECT_DEADLINE, connected).await);
        });
        let (client, is_pooled) = match answered.recv() {
            Ok(Ok(Ok(connected))) => connected,
            Ok(Ok(Err(error))) => return Err(error),
            Ok(Err(_)) | Err(_) => return Err(StoreError::Busy),
        };
        Ok(PostgresSession {
            client,
            thread: Arc::clone(&self.thread),
            statements: RefCell::default(),
            is_pooled,
            writes,
            is_broken: Cell::new(false),
            transaction: Transaction::default(),
            mark: RefCell::default(),
            rows_changed: Cell::new(0),
            answer_timeout: Cell::new(ANSWER_DEADLINE),
        })
    }
}

/// A session, used by one thread at a time.
pub(in crate::store) struct PostgresSession {
    client: Client,
    thread: Arc<IoThread>,
    statements: RefCell<HashMap<String, Statement>>,
    /// Whether there is a pooler, which may run each transaction on another connection. In this case, nothing may
    /// outlast a transaction, such as a prepared statement.
    is_pooled: bool,
    writes: bool,
    is_broken: Cell<bool>,
    transaction: Transaction,
    /// Identifies the transaction being committed; `None` if it has changed nothing.
    mark: RefCell<Option<TransactionMark>>,
    rows_changed: Cell<u64>,
    answer_timeout: Cell<Duration>,
}

impl PostgresSession {
    /// Runs a query and passes its rows to `take`, which must not use the session.
    ///
    /// # Errors
    /// Returns the error from `take`, or an error if the database cannot be read.
    pub(in crate::store) fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        take: impl FnOnce(&mut PostgresRows<'_>) -> Result<T>,
    ) -> Result<T> {
        let stream = pin!(self.rows(sql, values)?);
        take(&mut PostgresRows {
            session: self,
            stream,
            current: None,
        })
    }

    fn rows(&self, sql: &str, values: &[Value<'_>]) -> Result<RowStream> {
        if self.is_pooled {
            let values = values
                .iter()
                .map(|value| (UntypedParam(*value), Type::UNKNOWN));
            return self.send(self.client.query_typed_raw(&numbered(sql), values));
        }
        let statement = self.prepared(sql)?;
        let values = encode(&statement, values)?;
        let values = values.iter().map(|value| value as &(dyn ToSql + Sync));
        self.send(self.client.query_raw(&statement, values))
    }

    /// Runs a statement that changes rows, and returns their number. The prepared statement is cached, unless there is
    /// a pooler.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(in crate::store) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        match self.is_pooled {
            true => self.execute_unnamed(sql, values),
            false => self.execute_statement(&self.prepared(sql)?, values),
        }
    }

    /// Like [`Self::execute`], but without caching the prepared statement.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(in crate::store) fn execute_rarely(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<usize> {
        self.execute_unnamed(sql, values)
    }

    /// Runs an unnamed statement: the server parses it each time, but in the same round trip.
    fn execute_unnamed(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        let values: Vec<_> = values.iter().copied().map(UntypedParam).collect();
        let values: Vec<(&(dyn ToSql + Sync), Type)> = values
            .iter()
            .map(|value| (value as &(dyn ToSql + Sync), Type::UNKNOWN))
            .collect();
        let rows = self.send(self.client.execute_typed(&numbered(sql), &values))?;
        self.count_changed(rows)
    }

    fn execute_statement(&self, statement: &Statement, values: &[Value<'_>]) -> Result<usize> {
        let values = encode(statement, values)?;
        let values = values.iter().map(|value| value as &(dyn ToSql + Sync));
        let rows = self.send(self.client.execute_raw(statement, values))?;
        self.count_changed(rows)
    }

    fn count_changed(&self, rows: u64) -> Result<usize> {
        self.rows_changed.set(self.rows_changed.get() + rows);
        usize::try_from(rows).map_err(|error| StoreError::Failed(error.to_string()))
    }

    /// Runs statements without parameters or results.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read or written.
    pub(in crate::store) fn execute_batch(&self, sql: &str) -> Result<()> {
        self.send(self.client.batch_execute(sql))
    }

    /// Begins or ends a transaction, or sets, releases, or restores a savepoint. Waits for the server only to roll
    /// back, or to commit a transaction of a read-write session; other statements are sent with the next query or
    /// without waiting.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached, or reports an error.
    pub(in crate::store) fn control(&self, sql: &str) -> Result<()> {
        if self.is_broken() {
            return Err(StoreError::Busy);
        }
        match sql {
            "COMMIT" if self.writes => self.commit(),
            "COMMIT" => self.end_reading(),
            "ROLLBACK" => match self.transaction.end() {
                true => self.execute_batch(sql),
                false => Ok(()),
            },
            _ if sql.starts_with("BEGIN") => {
                self.mark.replace(None);
                self.transaction.begin(match self.writes {
                    true => BEGIN_WRITE,
                    false => BEGIN_READ,
                });
                Ok(())
            }
            // Sent at once, so that the locks of what failed are released.
            _ if sql.starts_with("ROLLBACK TO ") => {
                self.transaction.add(sql)?;
                self.send_unsent(&self.transaction.take_unsent())
            }
            _ if is_about_savepoint(sql) => self.transaction.add(sql),
            _ => self.execute_batch(sql),
        }
    }

    /// Reads a mark of the transaction and then commits it. If the answer to the commit is lost, the mark makes it
    /// possible to query the outcome.
    fn commit(&self) -> Result<()> {
        let mark = self.send(self.client.simple_query(TransactionMark::QUERY))?;
        let mark = mark.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => TransactionMark::read(row.get(0)?, row.get(1)?),
            _ => None,
        });
        self.mark.replace(mark);
        let committed = self.execute_batch("COMMIT");
        // If PostgreSQL itself refuses a commit, it gives a known reason. Any other error may come from a pooler that
        // has lost the server, and the server may have committed, so the outcome must be queried.
        if matches!(committed, Err(StoreError::Failed(_))) {
            self.mark_broken();
        }
        committed?;
        self.transaction.end();
        Ok(())
    }

    /// Ends a transaction that has only read. Does not wait for the answer, because nothing depends on it.
    fn end_reading(&self) -> Result<()> {
        if !self.transaction.end() {
            return Ok(());
        }
        let mut ending = pin!(self.client.batch_execute("COMMIT"));
        self.answer(async {
            let sent = poll_fn(|context| Poll::Ready(ending.as_mut().poll(context)));
            // The first poll sends the statement.
            drop(sent.await);
            Ok(())
        })
    }

    /// Returns whether there is a pooler between this process and the server.
    pub(in crate::store) fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// Returns the mark of the transaction whose commit was sent but not answered, if the transaction has changed
    /// something.
    pub(in crate::store) fn lost_commit(&self) -> Option<TransactionMark> {
        match self.is_broken() {
            true => self.mark.borrow().clone(),
            false => None,
        }
    }

    /// Returns whether a transaction is open; false if the session is broken.
    pub(in crate::store) fn in_transaction(&self) -> bool {
        self.transaction.is_open() && !self.is_broken()
    }

    /// Returns the number of rows that this session has changed.
    pub(in crate::store) fn rows_changed(&self) -> u64 {
        self.rows_changed.get()
    }

    /// Returns whether the session must be discarded.
    pub(in crate::store) fn is_broken(&self) -> bool {
        self.is_broken.get() || self.client.is_closed()
    }

    /// Sets how long to wait for the answer to each statement.
    pub(in crate::store) fn limit_answers(&self, timeout: Duration) {
        self.answer_timeout.set(timeout);
    }

    pub(in crate::store) fn mark_broken(&self) {
        self.is_broken.set(true);
    }

    fn prepared(&self, sql: &str) -> Result<Statement> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.send(self.client.prepare(&numbered(sql)));
        let statement = statement.map_err(|error| match error {
            // Preparing a statement changes nothing.
            StoreError::Unknown => StoreError::Busy,
            other => other,
        })?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= MAX_STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends a query after the transaction's unsent statements, and waits for the answer. If one of the unsent
    /// statements fails, the session must be discarded: the server's transaction and savepoints are then not those of
    /// this session.
    fn send<T>(
        &self,
        asking: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let unsent = self.transaction.take_unsent();
        if unsent.is_empty() {
            return self.answer(asking);
        }
        // A pooler may refuse BEGIN and keep the connection; the query must not run without a transaction.
        if self.is_pooled && unsent.starts_with("BEGIN") {
            self.send_unsent(&unsent)?;
            return self.answer(asking);
        }
        let has_begun = Cell::new(true);
        let ran_alone = Cell::new(false);
        let answer = self.answer(async {
            // Both are sent in this order, without waiting for the first answer.
            let (begun, answer) = tokio::join!(biased; self.client.batch_execute(&unsent), asking);
            has_begun.set(begun.is_ok());
            ran_alone.set(begun.is_err() && answer.is_ok());
            begun.and(answer)
        });
        // If BEGIN was canceled, the query ran without a transaction, and what it changed is stored.
        if ran_alone.get() && self.writes {
            self.mark_broken();
            return Err(StoreError::Unknown);
        }
        self.discard_unless(has_begun.get())?;
        answer
    }

    /// Sends the transaction's unsent statements alone.
    fn send_unsent(&self, unsent: &str) -> Result<()> {
        let sent = self.answer(self.client.batch_execute(unsent));
        self.discard_unless(sent.is_ok())
    }

    fn discard_unless(&self, has_begun: bool) -> Result<()> {
        if !has_begun {
            self.mark_broken();
            return Err(StoreError::Busy);
        }
        Ok(())
    }

    /// Waits for the server's answer. Sends nothing in a broken session: its connection may still be open, and a late
    /// answer would be mistaken for the answer to another statement.
    fn answer<T>(
        &self,
        asking: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        if self.is_broken() {
            return Err(StoreError::Busy);
        }
        let handle = self.thread.handle();
        let deadline = self.answer_timeout.get();
        let answer = handle.block_on(async { tokio::time::timeout(deadline, asking).await });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                // The server has not seen a query that failed in this process.
                if error.code().is_some() {
                    self.transaction.abort();
                }
                let (error, is_lasting) = meaning(&error);
                if is_lasting {
                    self.mark_broken();
                }
                Err(error)
            }
            Err(_) => {
                self.mark_broken();
                Err(StoreError::Busy)
            }
        }
    }
}

/// The rows of a query, fetched one at a time.
pub(in crate::store) struct PostgresRows<'s> {
    session: &'s PostgresSession,
    stream: Pin<&'s mut RowStream>,
    current: Option<Row>,
}

impl PostgresRows<'_> {
    /// Fetches the next row. Returns `None` at the end.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(in crate::store) fn next(&mut self) -> Result<Option<&Row>> {
        let stream = &mut self.stream;
        let next = poll_fn(|context| stream.as_mut().poll_next(context));
        let next = async move { next.await.transpose() };
        self.current = self.session.answer(next)?;
        Ok(self.current.as_ref())
    }
}

fn is_about_savepoint(sql: &str) -> bool {
    let starts = ["SAVEPOINT ", "RELEASE "];
    starts.iter().any(|start| sql.starts_with(start))
}

/// Converts parameters to PostgreSQL's syntax: `?1` becomes `$1`. No statement may contain a question mark in a string.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

fn encode<'a>(statement: &Statement, values: &[Value<'a>]) -> Result<Vec<EncodedParam<'a>>> {
    match values.len() == statement.params().len() {
        true => Ok(values.iter().copied().map(EncodedParam).collect()),
        false => Err(StoreError::Failed(format!(
            "{} parameters for a statement with {}",
            values.len(),
            statement.params().len()
        ))),
    }
}
