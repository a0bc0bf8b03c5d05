//! What the engine's thread is told by others: requests, bounded by their tokens, and who is gone.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

#[cfg(test)]
use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(test))]
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::generate::{Event, Request};
use crate::model::DeviceSelection;
use crate::{Error, Result};

/// Told what becomes of a request, on the engine's thread.
pub type Sink = Box<dyn FnMut(Event) + Send>;

/// A request that was let into the queue.
pub struct Submission {
    pub id: u64,
    pub request: Request,
    pub deadline: Option<Instant>,
    pub sink: Sink,
}

/// What has come since the thread last looked.
#[derive(Default)]
pub struct News {
    pub submissions: Vec<Submission>,
    pub cancelled: Vec<u64>,
    pub is_stopped: bool,
}

/// Those who wait for their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub requests: usize,
    /// Their source tokens.
    pub tokens: usize,
}

struct State {
    news: News,
    waiting: Waiting,
    ids: u64,
    selection: DeviceSelection,
}

/// The queue between those who ask and the engine's thread.
pub struct Inbox {
    state: Mutex<State>,
    /// Something has come.
    arrived: Condvar,
    /// Tokens have gone, or the engine has.
    left: Condvar,
    /// Source tokens that may wait.
    limit: usize,
}

impl Inbox {
    pub fn new(limit: usize, selection: DeviceSelection) -> Inbox {
        Inbox {
            state: Mutex::new(State {
                news: News::default(),
                waiting: Waiting::default(),
                ids: 0,
                selection,
            }),
            arrived: Condvar::new(),
            left: Condvar::new(),
            limit,
        }
    }

    /// No holder of the lock leaves things half done, so that a panic elsewhere is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Source tokens that may wait.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Puts a request into the queue and gives its id. One alone may have more tokens than the queue.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::TimedOut`] and, for who does not wait, [`Error::QueueFull`].
    pub fn submit(
        &self,
        request: Request,
        deadline: Option<Instant>,
        waits: bool,
        sink: Sink,
    ) -> Result<u64> {
        let tokens = request.encoder_input_ids.len();
        let mut state = self.lock();
        loop {
            if state.news.is_stopped {
                return Err(Error::Stopped);
            }
            let waiting = state.waiting.tokens;
            if waiting == 0 || waiting + tokens <= self.limit {
                break;
            }
            if !waits {
                return Err(Error::QueueFull {
                    tokens,
                    waiting,
                    limit: self.limit,
                });
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return Err(Error::TimedOut),
                Some(left) => {
                    let woken = self.left.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => (self.left.wait(state)).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.waiting.tokens += tokens;
        state.waiting.requests += 1;
        state.ids += 1;
        let id = state.ids;
        state.news.submissions.push(Submission {
            id,
            request,
            deadline,
            sink,
        });
        self.arrived.notify_one();
        Ok(id)
    }

    /// A request is wanted no more. Of one that is over this says nothing new.
    pub fn cancel(&self, id: u64) {
        self.lock().news.cancelled.push(id);
    }

    /// Lets nobody in from now on.
    pub fn stop(&self) {
        self.lock().news.is_stopped = true;
        self.arrived.notify_all();
        self.left.notify_all();
    }

    /// A request of so many tokens waits no more.
    pub fn release(&self, tokens: usize) {
        let mut state = self.lock();
        state.waiting.tokens -= tokens;
        state.waiting.requests -= 1;
        self.left.notify_all();
    }

    /// What has come. Where there is nothing else to do, it waits for a request or the end.
    pub fn news(&self, waits: bool) -> News {
        let mut state = self.lock();
        while waits && state.news.submissions.is_empty() && !state.news.is_stopped {
            // Nobody is there who could be gone.
            state.news.cancelled.clear();
            state = (self.arrived.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
        let is_stopped = state.news.is_stopped;
        let news = std::mem::take(&mut state.news);
        state.news.is_stopped = is_stopped;
        news
    }

    pub fn waiting(&self) -> Waiting {
        self.lock().waiting
    }

    pub fn selection(&self) -> DeviceSelection {
        self.lock().selection
    }

    pub fn set_selection(&self, selection: DeviceSelection) {
        self.lock().selection = selection;
    }
}

/// Every order in which threads may come to the queue, by loom.
#[cfg(test)]
mod tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::GenerationConfig;

    fn request(tokens: usize) -> Request {
        Request::new(0, vec![1; tokens], GenerationConfig::default())
    }

    fn submit(inbox: &Inbox, tokens: usize, waits: bool) -> Result<u64> {
        inbox.submit(request(tokens), None, waits, Box::new(|_| ()))
    }

    fn serve(inbox: &Inbox, wanted: usize) -> Vec<u64> {
        let mut served = Vec::new();
        while served.len() < wanted {
            for submission in inbox.news(true).submissions {
                inbox.release(submission.request.encoder_input_ids.len());
                served.push(submission.id);
            }
        }
        served
    }

    #[test]
    fn who_waits_for_room_gets_in_once() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(3, DeviceSelection::NONE));
            let callers = [2, 3].map(|tokens| {
                let inbox = inbox.clone();
                thread::spawn(move || submit(&inbox, tokens, true).unwrap())
            });
            let mut served = serve(&inbox, 2);
            let mut given = callers.map(|caller| caller.join().unwrap());
            served.sort_unstable();
            given.sort_unstable();
            assert_eq!(
                (served, inbox.waiting()),
                (given.to_vec(), Waiting::default())
            );
        });
    }

    #[test]
    fn the_end_is_told_to_all_who_wait() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(2, DeviceSelection::NONE));
            let first = submit(&inbox, 2, false).unwrap();
            assert!(matches!(
                submit(&inbox, 1, false),
                Err(Error::QueueFull {
                    tokens: 1,
                    waiting: 2,
                    limit: 2
                })
            ));
            let caller = {
                let inbox = inbox.clone();
                thread::spawn(move || submit(&inbox, 1, true))
            };
            let server = {
                let inbox = inbox.clone();
                thread::spawn(move || {
                    let mut served = 0;
                    loop {
                        let news = inbox.news(true);
                        served += news.submissions.len();
                        if news.is_stopped {
                            return served;
                        }
                    }
                })
            };
            inbox.cancel(first);
            inbox.stop();
            assert!(matches!(caller.join().unwrap(), Err(Error::Stopped)));
            assert_eq!(server.join().unwrap(), 1);
        });
    }
}
