//! Asking again what failed in passing.

use std::time::Duration;

use super::failure::Failure;
use super::options::Options;

/// Asks again, with growing pauses, as long as a failure may pass. An unreachable hub stays so.
pub(super) fn retrying<T>(
    options: &Options,
    ask: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut failures = 0;
    loop {
        match ask() {
            Err(Failure::Transient(reason)) if failures < options.retries => {
                failures += 1;
                tracing::debug!("{reason}; asking again");
                pause(options, failures);
            }
            Err(Failure::Transient(reason)) => {
                return Err(Failure::Transient(match failures {
                    0 => reason,
                    _ => format!("no answer after {} tries ({reason})", failures + 1),
                }));
            }
            answer => return answer,
        }
    }
}

/// Waits before try number `failures + 1`.
pub(super) fn pause(options: &Options, failures: u32) {
    let longest = Duration::from_secs(30);
    std::thread::sleep(
        options
            .retry_delay
            .saturating_mul(1 << (failures - 1).min(16))
            .min(longest),
    );
}
