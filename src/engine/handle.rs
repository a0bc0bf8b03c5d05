//! A caller's end of a request, for threads that wait and for tasks that are woken.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

#[cfg(test)]
use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(test))]
use std::sync::{Condvar, Mutex, MutexGuard};

use super::inbox::Inbox;
use super::is_end;
use crate::generate::{Event, Output};
use crate::{Error, Result};

/// A request under way: its events as they come, the last of which is [`Event::Finished`] or [`Event::Failed`]. As an
/// iterator it waits for them, [`Handle::event`] and [`Handle::poll_event`] are for tasks of any runtime. Dropping it ends
/// the request.
pub struct Handle {
    id: u64,
    events: Arc<Events>,
    inbox: Arc<Inbox>,
    is_over: bool,
}

impl Handle {
    pub(super) fn new(id: u64, events: Arc<Events>, inbox: Arc<Inbox>) -> Handle {
        Handle {
            id,
            events,
            inbox,
            is_over: false,
        }
    }

    /// Waits for the outputs, best first.
    ///
    /// # Errors
    /// Why there are none: [`Error::TimedOut`], [`Error::Stopped`], or what the device reported.
    pub fn outputs(mut self) -> Result<Vec<Output>> {
        match self.by_ref().find(is_end) {
            Some(Event::Finished(outputs)) => Ok(outputs),
            Some(Event::Failed(error)) => Err(error),
            _ => Err(Error::Stopped),
        }
    }

    /// The next event, or that none is there yet, and the task will be woken when it is. `None` after the last.
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.events
            .poll(context)
            .map(|event| Some(self.take(event)))
    }

    /// The next event, without a thread that waits for it. `None` after the last.
    pub async fn event(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_event(context)).await
    }

    fn take(&mut self, event: Event) -> Event {
        self.is_over = is_end(&event);
        event
    }
}

impl Iterator for Handle {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        let event = self.events.wait();
        Some(self.take(event))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.is_over {
            self.inbox.cancel(self.id);
        }
    }
}

/// Events on their way from the engine's thread to a handle.
#[derive(Default)]
pub struct Events {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Whether the engine is gone.
    is_closed: bool,
    /// The task that waits, if one does.
    waker: Option<Waker>,
}

impl State {
    fn next(&mut self) -> Option<Event> {
        // An engine that is gone without a word has stopped too.
        let stopped = || self.is_closed.then_some(Event::Failed(Error::Stopped));
        self.events.pop_front().or_else(stopped)
    }
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Event {
        let mut state = self.lock();
        loop {
            if let Some(event) = state.next() {
                return event;
            }
            state = (self.arrived.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Event> {
        let mut state = self.lock();
        match state.next() {
            Some(event) => Poll::Ready(event),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.waker.take()
        };
        self.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The engine's end of [`Events`].
pub struct Sender(pub Arc<Events>);

impl Sender {
    pub fn send(&self, event: Event) {
        self.0.change(|state| state.events.push_back(event));
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.change(|state| state.is_closed = true);
    }
}

/// Every order in which a caller and the engine may come to the events, by loom.
#[cfg(test)]
mod tests {
    use loom::future::block_on;
    use loom::thread;

    use super::*;

    fn engine(events: &Arc<Events>, tokens: u32) -> thread::JoinHandle<()> {
        let sender = Sender(events.clone());
        thread::spawn(move || {
            for token in 0..tokens {
                sender.send(Event::Token { sequence: 0, token });
            }
        })
    }

    /// All tokens that come before the end.
    fn told(mut next: impl FnMut() -> Event) -> Vec<u32> {
        let mut told = Vec::new();
        loop {
            match next() {
                Event::Token { token, .. } => told.push(token),
                end => {
                    assert!(matches!(end, Event::Failed(Error::Stopped)));
                    return told;
                }
            }
        }
    }

    #[test]
    fn a_thread_hears_all_and_the_end() {
        loom::model(|| {
            let events = Arc::new(Events::default());
            let engine = engine(&events, 2);
            assert_eq!(told(|| events.wait()), [0, 1]);
            engine.join().unwrap();
        });
    }

    #[test]
    fn a_task_is_woken_for_all_and_the_end() {
        loom::model(|| {
            let events = Arc::new(Events::default());
            let engine = engine(&events, 2);
            let next = || block_on(poll_fn(|context| events.poll(context)));
            assert_eq!(told(next), [0, 1]);
            engine.join().unwrap();
        });
    }
}
