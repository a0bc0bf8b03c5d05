//! What the engine's thread is told by others: requests, bounded by their tokens, and who is gone.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};
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
    /// Tasks that wait for room.
    wakers: Vec<Waker>,
}

impl State {
    fn put(&mut self, request: Request, deadline: Option<Instant>, sink: Sink) -> u64 {
        self.waiting.tokens += request.encoder_input_ids.len();
        self.waiting.requests += 1;
        self.ids += 1;
        self.news.submissions.push(Submission {
            id: self.ids,
            request,
            deadline,
            sink,
        });
        self.ids
    }
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
                wakers: Vec::new(),
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
        while let Err(error) = self.room(&state, tokens) {
            if !waits || !matches!(error, Error::QueueFull { .. }) {
                return Err(error);
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
        let id = state.put(request, deadline, sink);
        self.arrived.notify_one();
        Ok(id)
    }

    /// [`Inbox::submit`] for a task, which is woken when there may be room. A deadline is looked at whenever that is so.
    pub fn poll_submit(
        &self,
        submission: &mut Option<(Request, Sink)>,
        deadline: Option<Instant>,
        context: &Context<'_>,
    ) -> Poll<Result<u64>> {
        let tokens = submission
            .as_ref()
            .map_or(0, |(request, _)| request.encoder_input_ids.len());
        let mut state = self.lock();
        match self.room(&state, tokens) {
            Ok(()) => {}
            Err(Error::QueueFull { .. }) if deadline.is_none_or(|at| Instant::now() < at) => {
                state.wakers.push(context.waker().clone());
                return Poll::Pending;
            }
            Err(Error::QueueFull { .. }) => return Poll::Ready(Err(Error::TimedOut)),
            Err(error) => return Poll::Ready(Err(error)),
        }
        let Some((request, sink)) = submission.take() else {
            return Poll::Ready(Err(Error::Stopped));
        };
        let id = state.put(request, deadline, sink);
        self.arrived.notify_one();
        Poll::Ready(Ok(id))
    }

    /// Whether so many tokens may come in.
    fn room(&self, state: &State, tokens: usize) -> Result<()> {
        let waiting = state.waiting.tokens;
        if state.news.is_stopped {
            Err(Error::Stopped)
        } else if waiting == 0 || waiting + tokens <= self.limit {
            Ok(())
        } else {
            Err(Error::QueueFull {
                tokens,
                waiting,
                limit: self.limit,
            })
        }
    }

    /// Somebody has gone, or all must go.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.left.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A request is wanted no more. Of one that is over this says nothing new.
    pub fn cancel(&self, id: u64) {
        self.lock().news.cancelled.push(id);
    }

    /// Lets nobody in from now on.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.news.is_stopped = true;
        self.arrived.notify_all();
        self.wake(state);
    }

    /// A request of so many tokens waits no more.
    pub fn release(&self, tokens: usize) {
        let mut state = self.lock();
        state.waiting.tokens -= tokens;
        state.waiting.requests -= 1;
        self.wake(state);
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
    use std::future::poll_fn;

    use loom::future::block_on;
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
    fn a_task_that_waits_for_room_is_woken() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(2, DeviceSelection::NONE));
            submit(&inbox, 2, false).unwrap();
            let task = {
                let inbox = inbox.clone();
                thread::spawn(move || {
                    let sink: Sink = Box::new(|_| ());
                    let mut submission = Some((request(1), sink));
                    let poll = poll_fn(|context| inbox.poll_submit(&mut submission, None, context));
                    block_on(poll).unwrap()
                })
            };
            let served = serve(&inbox, 2);
            assert_eq!(served, [1, task.join().unwrap()]);
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
