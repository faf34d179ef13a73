//! The thread that performs the socket I/O of all sessions of a store.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::store::error::{Result, StoreError};

/// Stack size in bytes; the futures that handle the sockets are small.
const STACK_BYTES: usize = 256 * 1024;

/// A running thread. Dropping it stops the thread and waits until the thread has ended.
pub(super) struct IoThread {
    handle: Handle,
    end: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns an error if the system cannot create the thread or its runtime.
    pub(super) fn start() -> Result<Self> {
        let failed = |error: std::io::Error| StoreError::Failed(format!("no thread: {error}"));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (handle, end) = (runtime.handle().clone(), Arc::new(Notify::new()));
        let ended = Arc::clone(&end);
        let thread = std::thread::Builder::new()
            .name("quire-postgres".into())
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(ended.notified()))
            .map_err(failed)?;
        Ok(Self {
            handle,
            end,
            thread: Some(thread),
        })
    }

    /// Returns a handle to the thread's runtime.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.end.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
