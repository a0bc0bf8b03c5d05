//! How often a client may ask: so many texts in any minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What each client has left. It comes back evenly over a minute.
pub struct Limits<C> {
    clients: Mutex<HashMap<C, Spent>>,
}

/// What a client has asked for.
struct Spent {
    texts: f64,
    as_of: Instant,
}

const MINUTE: Duration = Duration::from_secs(60);
/// Clients that are remembered before those are forgotten that have all they may have.
const MANY_CLIENTS: usize = 10_000;

impl<C> Default for Limits<C> {
    fn default() -> Limits<C> {
        Limits {
            clients: Mutex::default(),
        }
    }
}

impl<C: Eq + Hash> Limits<C> {
    /// Lets a client have so many texts more, or says how long to wait. More than a minute's texts at once are a minute's.
    pub fn take(&self, client: C, texts: usize, limit: u32, now: Instant) -> Result<(), Duration> {
        let limit = f64::from(limit);
        let texts = (texts.max(1) as f64).min(limit.max(1.0));
        let rate = limit / MINUTE.as_secs_f64();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MANY_CLIENTS {
            clients.retain(|_, spent| now.saturating_duration_since(spent.as_of) < MINUTE);
        }
        let spent = clients.entry(client).or_insert(Spent {
            texts: 0.0,
            as_of: now,
        });
        let passed = now.saturating_duration_since(spent.as_of);
        spent.texts = (spent.texts - rate * passed.as_secs_f64()).max(0.0);
        spent.as_of = now;
        let too_many = spent.texts + texts - limit;
        if too_many > 1e-9 {
            let wait = if rate > 0.0 { too_many / rate } else { 60.0 };
            return Err(Duration::from_secs_f64(wait));
        }
        spent.texts += texts;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_so_many_texts() {
        let limits = Limits::default();
        let start = Instant::now();
        for _ in 0..3 {
            limits.take("a", 1, 3, start).unwrap();
        }
        let wait = limits.take("a", 1, 3, start).unwrap_err();
        assert!((19.0..=20.0).contains(&wait.as_secs_f64()), "{wait:?}");
        // Another client has its own.
        limits.take("b", 3, 3, start).unwrap();
        // What was refused costs nothing.
        limits.take("a", 1, 3, start + wait).unwrap();
        limits.take("a", 1, 3, start + wait).unwrap_err();
        limits.take("a", 3, 3, start + wait + MINUTE).unwrap();
    }

    #[test]
    fn a_list_is_as_many_texts_but_never_more_than_a_minutes() {
        let limits = Limits::default();
        let start = Instant::now();
        limits.take("a", 1000, 3, start).unwrap();
        limits.take("a", 1, 3, start).unwrap_err();
        limits.take("b", 1, 0, start).unwrap_err();
    }
}
