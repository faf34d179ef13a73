//! The waits of an experiment. Each ends early if the owner stops the experiment. If the server shuts down, that is
//! reported no later than the end of the wait.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use crate::app::{Error, Kind};
use crate::domain::experiment::Trial;
use crate::domain::id::AnalysisId;
use crate::engine::Engine;
use crate::store::StoreError;

/// Pause before retrying after a temporary refusal.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Why an experiment cannot continue.
#[derive(Debug)]
pub(super) enum Interrupt {
    /// The owner stopped the experiment.
    Stopped,
    /// User action is needed first, for this reason.
    Paused(String),
    /// The server is shutting down; its next start continues the experiment.
    Left,
    /// The experiment cannot continue because of this error.
    Failed(Error),
}

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Interrupt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Result of one step of an experiment. Its error says why the experiment cannot continue.
pub(super) type StepResult<T> = std::result::Result<T, Interrupt>;

/// The wait operations of one experiment.
#[derive(Clone)]
pub(super) struct ExperimentWaits {
    engine: Engine,
    stop: watch::Receiver<bool>,
}

impl ExperimentWaits {
    /// Creates the wait operations. `stop` becomes true when the owner stops the experiment; its sender outlives the
    /// experiment.
    pub fn new(engine: Engine, stop: watch::Receiver<bool>) -> Self {
        Self { engine, stop }
    }

    /// Checks whether the experiment may continue.
    ///
    /// # Errors
    /// `Stopped` if the owner has stopped it; `Left` if the server is shutting down.
    pub fn check_interrupt(&self) -> StepResult<()> {
        match (*self.stop.borrow(), self.engine.is_closing()) {
            (true, _) => Err(Interrupt::Stopped),
            (false, true) => Err(Interrupt::Left),
            (false, false) => Ok(()),
        }
    }

    /// Waits for `time`, unless the experiment must stop first.
    ///
    /// # Errors
    /// Same as [`ExperimentWaits::check_interrupt`].
    pub async fn pause(&self, time: Duration) -> StepResult<()> {
        tokio::select! {
            biased;
            () = self.wait_for_stop() => Err(Interrupt::Stopped),
            () = tokio::time::sleep(time) => self.check_interrupt(),
        }
    }

    /// Waits until the server has room for a background run.
    ///
    /// # Errors
    /// Same as [`ExperimentWaits::check_interrupt`].
    pub async fn wait_for_slot(&self) -> StepResult<()> {
        tokio::select! {
            biased;
            () = self.wait_for_stop() => Err(Interrupt::Stopped),
            free = self.engine.wait_for_idle() => match free {
                true => Ok(()),
                false => Err(Interrupt::Left),
            },
        }
    }

    /// Waits until an analysis is over, or until the server shuts down and leaves it for the next start. Cancels the
    /// analysis if the experiment is stopped first.
    ///
    /// # Errors
    /// Returns the errors of [`ExperimentWaits::check_interrupt`], and `Failed` if the store cannot be read.
    pub async fn wait_for_end(&self, analysis: &AnalysisId) -> StepResult<()> {
        tokio::select! {
            biased;
            over = self.wait_until_stored(analysis) => over,
            () = self.wait_for_stop() => {
                self.cancel(analysis).await?;
                Err(Interrupt::Stopped)
            }
        }
    }

    /// Waits until one of these analyses is over and returns its index. Does not cancel any of them.
    ///
    /// # Errors
    /// Same as [`ExperimentWaits::wait_for_end`].
    pub async fn first_finished(&self, started: &[(Trial, AnalysisId)]) -> StepResult<usize> {
        let mut ends: Vec<_> = started
            .iter()
            .map(|(_, analysis)| Box::pin(self.wait_until_stored(analysis)))
            .collect();
        let first = poll_fn(|context| {
            for (index, end) in ends.iter_mut().enumerate() {
                if let Poll::Ready(end) = Pin::new(end).poll(context) {
                    return Poll::Ready(end.map(|()| index));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            first = first => first,
            () = self.wait_for_stop() => Err(Interrupt::Stopped),
        }
    }

    /// Cancels an analysis of the experiment and waits until it has ended, which does not take long.
    ///
    /// # Errors
    /// `Failed` if the store cannot be read.
    pub async fn cancel(&self, analysis: &AnalysisId) -> StepResult<()> {
        self.engine.cancel(analysis, "its experiment was stopped");
        self.wait_until_stored(analysis).await
    }

    /// Handles a refusal to start a run: waits if the queue is full, and pauses the experiment otherwise.
    ///
    /// # Errors
    /// `Paused` if user action is needed, `Failed` on an internal error, and the errors of
    /// [`ExperimentWaits::check_interrupt`].
    pub async fn handle_refusal(&self, error: Error) -> StepResult<()> {
        self.check_interrupt()?;
        match error.kind {
            Kind::Unavailable => self.pause(RETRY_INTERVAL).await,
            Kind::Internal => Err(error.into()),
            _ => Err(Interrupt::Paused(error.public)),
        }
    }

    async fn wait_until_stored(&self, analysis: &AnalysisId) -> StepResult<()> {
        let mut watch = self.engine.watch(analysis.clone(), u64::MAX - 1);
        while watch.next().await?.is_some() {}
        Ok(())
    }

    async fn wait_for_stop(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // The sender was dropped, so nothing can stop the experiment anymore.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::App;
    use crate::config::{self, ConfigLayers};

    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn app(folder: &Folder) -> Arc<App> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let layers = ConfigLayers {
            file: None,
            dotenv: None,
            environment: vec![
                pair("ENVIRONMENT", "test"),
                pair("USE_MOCK", "true"),
                pair("DISCOVER_LOCAL", "false"),
                pair("LOG_LEVEL", "error"),
                pair("QUIRE_DATA", folder.0.to_str().expect("a path")),
            ],
            flags: Vec::new(),
        };
        App::open(config::load(&layers).expect("settings")).expect("an app")
    }

    #[test]
    fn only_a_full_queue_is_retried() {
        let path = std::env::temp_dir().join(format!("quire-waits-{}", std::process::id()));
        let folder = Folder(path);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let app = app(&folder);
            let (stop, stopped) = watch::channel(false);
            let waits = ExperimentWaits::new(app.engine.clone(), stopped);
            let refusal = |kind| Error::new(kind, "no");
            // While the engine is full, the experiment waits and then continues.
            let wait_result = waits.handle_refusal(refusal(Kind::Unavailable)).await;
            assert!(wait_result.is_ok(), "{wait_result:?}");
            // A problem that only the user can fix pauses the experiment.
            let paused = waits.handle_refusal(refusal(Kind::BudgetExceeded)).await;
            assert!(matches!(paused, Err(Interrupt::Paused(_))), "{paused:?}");
            let failed = waits.handle_refusal(Error::internal("broken")).await;
            assert!(matches!(failed, Err(Interrupt::Failed(_))), "{failed:?}");
            // A stop interrupts the wait for the queue.
            let stop_after_wait = async { stop.send(true) };
            let (end_result, stop_result) = tokio::join!(
                waits.handle_refusal(refusal(Kind::Unavailable)),
                stop_after_wait
            );
            assert!(stop_result.is_ok());
            assert!(
                matches!(end_result, Err(Interrupt::Stopped)),
                "{end_result:?}"
            );
            app.close().await;
        });
    }
}
