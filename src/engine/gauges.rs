//! What the engine is doing, in numbers.

use std::iter::Sum;

/// What an engine is doing at the moment, and what it has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Requests that wait for their turn.
    pub waiting_requests: usize,
    /// Their source tokens.
    pub waiting_tokens: usize,
    /// Source tokens that may wait.
    pub queue_tokens: usize,
    /// Requests that run.
    pub running_requests: usize,
    /// Hypotheses of theirs that are extended in a step.
    pub running_rows: usize,
    /// Pages of keys and values in use, or kept for those who run.
    pub pages_in_use: usize,
    /// Pages that there may be; 0 until the first request has come.
    pub pages: usize,
    /// Tokens that were decided so far.
    pub tokens: u64,
    /// Requests that ended with their outputs.
    pub finished: u64,
    /// Requests that ended with an error, deadlines included.
    pub failed: u64,
    /// Requests that ended because their caller was gone.
    pub cancelled: u64,
    /// Hypotheses that ran for these.
    pub cancelled_rows: u64,
    /// Devices that were lost.
    pub lost_devices: u64,
}

/// What several engines are doing together.
impl Sum for Gauges {
    fn sum<I: Iterator<Item = Gauges>>(all: I) -> Gauges {
        all.fold(Gauges::default(), |sum, one| Gauges {
            waiting_requests: sum.waiting_requests + one.waiting_requests,
            waiting_tokens: sum.waiting_tokens + one.waiting_tokens,
            queue_tokens: sum.queue_tokens + one.queue_tokens,
            running_requests: sum.running_requests + one.running_requests,
            running_rows: sum.running_rows + one.running_rows,
            pages_in_use: sum.pages_in_use + one.pages_in_use,
            pages: sum.pages + one.pages,
            tokens: sum.tokens + one.tokens,
            finished: sum.finished + one.finished,
            failed: sum.failed + one.failed,
            cancelled: sum.cancelled + one.cancelled,
            cancelled_rows: sum.cancelled_rows + one.cancelled_rows,
            lost_devices: sum.lost_devices + one.lost_devices,
        })
    }
}
