//! What the engine is doing, in numbers.

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
