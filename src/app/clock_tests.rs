//! Tests a run during which the machine's clock is changed.

use std::time::Duration;

use super::App;
use crate::clock;
use crate::config::{self, ConfigLayers};
use crate::domain::analysis::Status;
use crate::domain::request::{Request, RunContext};

const ONE_YEAR: Duration = Duration::from_secs(365 * 86_400);

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_run_survives_setting_the_clock_forward() {
    let path = std::env::temp_dir().join(format!("quire-clock-{}", std::process::id()));
    let folder = Folder(path);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let layers = ConfigLayers {
        file: None,
        dotenv: None,
        environment: vec![
            pair("ENVIRONMENT", "test"),
            pair("USE_MOCK", "true"),
            pair("ALLOW_ANONYMOUS", "true"),
            pair("DISCOVER_LOCAL", "false"),
            pair("LOG_LEVEL", "error"),
            pair("QUIRE_DATA", folder.0.to_str().unwrap()),
        ],
        flags: Vec::new(),
    };
    let config = config::load(&layers).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // On a single thread, because only that thread's clock is changed, and the runner must share it.
    runtime.block_on(async {
        let app = App::open(config).unwrap();
        let request = Request {
            prompt: "How thick is the paper?".into(),
            models: vec!["demo/extract".into()],
            pattern: Some("gut".into()),
            ..Request::default()
        };
        let analyses = app.analyses();
        let run = analyses
            .start(None, request, RunContext::default(), clock::now())
            .await
            .unwrap();
        let mut watch = app.engine.watch(run.id.clone(), 0);
        // Wait until the run's calls have started.
        let first = watch.next().await.unwrap();
        assert!(first.is_some());
        clock::jump::set_offset(ONE_YEAR);
        let outcome = run.finished.wait_for_outcome().await.unwrap().result;
        clock::jump::set_offset(Duration::ZERO);
        assert_eq!(outcome.status, Status::Completed, "{:?}", outcome.error);
        assert!(outcome.totals.total_time_ms < 3_600_000);
        app.close().await;
    });
}
