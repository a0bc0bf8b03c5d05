//! Who may ask: keys out of a file, a key a line, or a key, how many texts it may send in a minute, and how many characters
//! in all.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use subtle::ConstantTimeEq;

use crate::{Error, Result};

/// The keys of a service.
#[derive(Default)]
pub struct Keys {
    file: Option<PathBuf>,
    keys: RwLock<Vec<Arc<Key>>>,
    /// Keys that there have been.
    count: AtomicU64,
}

/// Somebody who may ask.
#[derive(Debug)]
pub struct Key {
    secret: String,
    /// Its number, which stays when the file is read again.
    pub id: u64,
    /// Texts a minute, where that is another number than everybody's.
    pub limit: Option<u32>,
    /// Characters in all.
    pub quota: Option<u64>,
    used: AtomicU64,
}

impl Key {
    /// Characters that were translated for it since the service began.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts characters, unless they are more than are left.
    pub fn spend(&self, characters: u64) -> bool {
        let fits = |used: u64| {
            let used = used.saturating_add(characters);
            self.quota.is_none_or(|quota| used <= quota).then_some(used)
        };
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.used.fetch_update(set, fetch, fits).is_ok()
    }
}

impl Keys {
    /// The keys of a file, if one was named.
    pub fn open(file: Option<&Path>) -> Result<Keys> {
        let keys = Keys {
            file: file.map(Path::to_owned),
            ..Keys::default()
        };
        keys.read_again()?;
        Ok(keys)
    }

    /// Reads the file again; where it cannot be used, the keys stay as they are. What a key has used stays, too.
    pub fn read_again(&self) -> Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
        let mut new = parse(&text).map_err(|message| Error::File {
            path: path.clone(),
            message,
        })?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for key in &mut new {
            match keys.iter().find(|old| old.secret == key.secret) {
                Some(old) => {
                    key.id = old.id;
                    key.used = AtomicU64::new(old.used());
                }
                None => key.id = self.count.fetch_add(1, Ordering::Relaxed),
            }
        }
        *keys = new.into_iter().map(Arc::new).collect();
        Ok(())
    }

    /// Whether anybody has to have one.
    pub fn are_needed(&self) -> bool {
        self.file.is_some()
    }

    /// The key that somebody gave. How long that takes says nothing of the keys that there are.
    pub fn find(&self, given: &str) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for key in keys.iter() {
            if bool::from(key.secret.as_bytes().ct_eq(given.as_bytes())) {
                found = Some(key.clone());
            }
        }
        found
    }
}

fn parse(text: &str) -> Result<Vec<Key>, String> {
    let lines = text.lines().map(|line| line.trim()).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let mut words = line.split_whitespace();
            let wrong = || {
                let number = index + 1;
                format!("line {number} is not KEY, KEY LIMIT or KEY LIMIT CHARACTERS")
            };
            let secret = words.next().ok_or_else(wrong)?.to_owned();
            let limit = words.next().map(|word| word.parse().map_err(|_| wrong()));
            let quota = words.next().map(|word| word.parse().map_err(|_| wrong()));
            match words.next() {
                None => Ok(Key {
                    secret,
                    id: 0,
                    limit: limit.transpose()?,
                    quota: quota.transpose()?,
                    used: AtomicU64::new(0),
                }),
                Some(_) => Err(wrong()),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_and_what_was_used_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, "# friends\nalpha\n\nbeta 30\ngamma 5 10\n").unwrap();
        let keys = Keys::open(Some(&path)).unwrap();
        assert!(keys.are_needed());
        assert_eq!(keys.find("alpha").unwrap().limit, None);
        assert_eq!(keys.find("beta").unwrap().limit, Some(30));
        for other in ["", "alph", "alphab", "#", "friends", "30"] {
            assert!(keys.find(other).is_none(), "{other}");
        }
        let gamma = keys.find("gamma").unwrap();
        assert!(gamma.spend(10) && !gamma.spend(1) && gamma.spend(0));

        std::fs::write(&path, "beta\ngamma 5 12\n").unwrap();
        keys.read_again().unwrap();
        assert!(keys.find("alpha").is_none());
        let gamma = keys.find("gamma").unwrap();
        assert_eq!((gamma.id, gamma.used()), (2, 10));
        assert!(gamma.spend(2) && !gamma.spend(1));

        std::fs::write(&path, "beta many\n").unwrap();
        let message = keys.read_again().unwrap_err().to_string();
        assert!(message.contains("line 1"), "{message}");
        assert!(!message.contains("beta"), "{message}");
        assert!(keys.find("gamma").is_some());
    }

    #[test]
    fn without_a_file_nobody_needs_a_key() {
        let keys = Keys::open(None).unwrap();
        assert!(!keys.are_needed());
        assert!(keys.find("").is_none());
    }
}
