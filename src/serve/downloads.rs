//! Translated files that wait to be fetched: some bytes of them, for some time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;

/// Files by name, the oldest first.
#[derive(Default)]
pub struct Downloads(Mutex<VecDeque<Download>>);

struct Download {
    name: String,
    bytes: Bytes,
    since: Instant,
}

/// A file is kept so long.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// Bytes of all files.
const MOST_BYTES: usize = 128 << 20;

impl Downloads {
    /// Keeps a file.
    pub fn put(&self, name: String, bytes: Bytes) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.push_back(Download {
            name,
            bytes,
            since: Instant::now(),
        });
        let mut sum: usize = files.iter().map(|file| file.bytes.len()).sum();
        while let Some(oldest) = files.front()
            && (oldest.since.elapsed() > KEPT || sum > MOST_BYTES && files.len() > 1)
        {
            sum -= oldest.bytes.len();
            files.pop_front();
        }
    }

    /// A file, if it is still there.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.iter().find(|file| file.name == name)?;
        (file.since.elapsed() <= KEPT).then(|| file.bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_make_room() {
        let downloads = Downloads::default();
        let big = Bytes::from(vec![0; MOST_BYTES / 2]);
        for name in ["a", "b", "c"] {
            downloads.put(name.into(), big.clone());
        }
        assert!(downloads.get("a").is_none());
        assert!(downloads.get("b").is_some() && downloads.get("c").is_some());
        assert!(downloads.get("").is_none());
    }
}
