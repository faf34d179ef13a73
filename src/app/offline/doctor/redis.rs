//! Checks the Redis server, through which several servers share limits.

use super::{CheckResult, CheckState, finding};
use crate::config::Config;
use crate::shared_limits::{self, RedisError};

/// Subject of the check in the report.
const SUBJECT: &str = "Redis";

/// Connects to the configured Redis server. Returns `None` if none is configured.
pub(super) async fn examine(config: &Config) -> Option<CheckResult> {
    let redis = config.redis.as_ref()?;
    let probed = shared_limits::probe(redis, config.authorities.as_deref()).await;
    Some(match probed {
        Ok(version) => finding(
            SUBJECT,
            CheckState::Ok,
            format!("{version} at {redis} accepts this server"),
        ),
        Err(RedisError::Unreachable(why)) => finding(
            SUBJECT,
            CheckState::Warning,
            format!(
                "{redis} cannot be reached: {why}; the limits are divided among the servers until it can"
            ),
        ),
        Err(RedisError::Refused(why)) => finding(
            SUBJECT,
            CheckState::Failed,
            format!("{redis} refuses this server: {why}; check REDIS_URL"),
        ),
    })
}
