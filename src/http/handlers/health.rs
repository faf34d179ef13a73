//! How the server is. No credential needed; cheap enough to be asked a thousand times a second.

use serde_json::json;

use crate::http::{ApiError, Cx, Reply};

/// The health answer, kept for a moment.
#[derive(Default)]
pub struct Cache;

/// `GET /health`, `GET /api/health`.
pub fn show(cx: &Cx) -> Reply {
    Reply::json(&json!({"status": "ok", "service": cx.app.config.service_name}))
}

/// `GET /api/metrics`.
pub async fn metrics(cx: Cx) -> Result<Reply, ApiError> {
    let stats = &cx.server.stats;
    Ok(Reply::json(
        &json!({"status": "ok", "metrics": {"requests_processed": stats.total()}}),
    ))
}
