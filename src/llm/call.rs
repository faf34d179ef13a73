//! Runs a call in its own task, from request to result, and records its usage.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::attempt;
use super::call_origin::CallOrigin;
use super::call_queue::{CallRefused, ProviderLimiter};
use super::call_request::{CallAttempt, CallRequest, catch_panic, unreadable_error};
use super::cancel_slot::CancelSlot;
use super::event_sink::EventSink;
use super::registry::RegisteredProvider;
use super::shared_provider::ProviderPermit;
use super::usage_meter::UsageMeter;
use super::{LlmInner, demo, transport_error};
use crate::clock;
use crate::domain::chat::{Answer, CallBill, CallError, CallErrorKind, Delta, ModelRequest};

/// The limiter of demo models, which sets no limit because they are fast.
const DEMO_LIMITER: ProviderLimiter = ProviderLimiter {
    id: u64::MAX,
    max_concurrent: usize::MAX,
};
/// Stack size of a demo model's thread, in bytes. Untouched pages use no memory.
const DEMO_STACK_BYTES: usize = 256 * 1024;

/// A running or queued call. Dropping it cancels the call.
pub struct RunningCall {
    slot: Arc<CancelSlot>,
}

impl RunningCall {
    /// Cancels the call, even if it is still queued. Its `Finished` event is still sent.
    pub fn cancel(&self) {
        self.slot.cancel();
    }

    /// Ends the call as soon as more than this many output tokens have arrived. The answer is then truncated, as if it
    /// had reached the provider's own limit.
    pub fn limit_output(&self, tokens: u64) {
        self.slot.limit_output(tokens);
    }

    /// Ends the call and keeps the text received so far.
    pub fn cut_off(&self) {
        self.slot.cut_off();
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A call that has not started yet.
pub(super) struct PreparedCall {
    pub request: Arc<ModelRequest>,
    pub origin: CallOrigin,
    /// The provider and its name for the model; `None` for demo models and for models that no longer exist.
    pub entry: Option<(Arc<RegisteredProvider>, String)>,
}

/// Starts the task of a call, which may first wait in the queue. The run that owns the call waits for the `Finished`
/// event.
pub(super) fn start(inner: Arc<LlmInner>, call: PreparedCall, sink: EventSink) -> RunningCall {
    let slot = Arc::new(CancelSlot::default());
    let running = RunningCall { slot: slot.clone() };
    let queued_at = clock::instant();
    tokio::spawn(async move {
        let entry = call.entry.as_ref();
        let call_request = CallRequest {
            request: &call.request,
            queued_at,
            origin: call.origin,
            entry: entry.map(|(entry, name)| (&**entry, &**name)),
        };
        let mut bill = CallBill::default();
        let result = match slot.unless_cancelled(admit(&inner, &call)).await {
            None => Err(transport_error::cancelled()),
            Some(Err(_)) => Err(transport_error::queue_full()),
            Some(Ok(permit)) => {
                let permit = Arc::new(permit);
                run(&inner, (&call_request, &permit), &slot, &sink, &mut bill).await
            }
        };
        sink.finish(result, bill).await;
    });
    running
}

async fn admit(inner: &LlmInner, call: &PreparedCall) -> Result<ProviderPermit, CallRefused> {
    match &call.entry {
        Some((entry, name)) => inner.admit(entry, Some((name, call.origin))).await,
        None => inner.queue.admit(DEMO_LIMITER).await.map(Into::into),
    }
}

async fn run(
    inner: &LlmInner,
    (wanted, permit): (&CallRequest<'_>, &Arc<ProviderPermit>),
    slot: &CancelSlot,
    sink: &EventSink,
    bill: &mut CallBill,
) -> Result<Answer, CallError> {
    let mut meter = UsageMeter::new(wanted, sink, slot);
    let calling = async {
        match wanted.entry {
            Some((entry, name)) => {
                let attempt = CallAttempt {
                    inner,
                    entry,
                    provider: &entry.provider,
                    name,
                    call: wanted,
                    request: wanted.request,
                    slot,
                };
                attempt::ask(&attempt, &mut meter).await
            }
            None if inner.settings.demo && wanted.request.model.starts_with("demo/") => {
                run_demo(inner, (wanted.request, permit), slot, &mut meter).await
            }
            None => Err(CallError::new(
                CallErrorKind::Unavailable,
                "the model is no longer configured",
            )),
        }
    };
    let result = {
        let calling = pin!(calling);
        slot.unless_cancelled(catch_panic(calling)).await
    };
    *bill = meter.bill();
    match result {
        // If sending the last piece has shown that there is no reader left, the call is canceled.
        Some(result) if !slot.is_cancelled() => result,
        _ => Err(transport_error::cancelled()),
    }
}

async fn run_demo(
    inner: &LlmInner,
    (request, permit): (&Arc<ModelRequest>, &Arc<ProviderPermit>),
    slot: &CancelSlot,
    meter: &mut UsageMeter<'_>,
) -> Result<Answer, CallError> {
    meter.begin_attempt();
    let answer = compute_demo(request.clone(), permit.clone()).await?;
    for piece in answer.text.split_inclusive([' ', '\n']) {
        if !inner.settings.demo_pause.is_zero() {
            slot.pause(inner.settings.demo_pause).await;
        }
        if slot.is_cancelled() {
            break;
        }
        meter.add_piece(Delta::Text(piece.to_owned())).await;
    }
    meter.end_with_answer(&answer.usage);
    Ok(answer)
}

/// Computes a demo model's answer, which takes up to a second for long documents. The computation runs on a separate
/// thread, which holds the permit until it ends, even if the call is canceled.
async fn compute_demo(
    request: Arc<ModelRequest>,
    permit: Arc<ProviderPermit>,
) -> Result<Answer, CallError> {
    let (done_sender, is_done) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("quire-demo".into())
        .stack_size(DEMO_STACK_BYTES);
    let started = thread.spawn(move || {
        let _ = done_sender.send(demo::answer(&request.model, &request));
        drop(permit);
    });
    started.map_err(|_| transport_error::queue_full())?;
    // A panic ends the thread without sending an answer.
    is_done.await.unwrap_or_else(|_| Err(unreadable_error()))
}
