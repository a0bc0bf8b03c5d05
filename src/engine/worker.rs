//! The engine's thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::gauges::Gauges;
use super::inbox::{Inbox, Sink};
use super::is_end;
use super::resident::Resident;
use crate::generate::{Event, Scheduler};
use crate::model::Model;
use crate::{Error, Result};

/// Somebody who waits for a request.
struct Client {
    sink: Sink,
    /// What it has in the queue, until it enters.
    queued: Option<usize>,
    /// Tokens it was told.
    told: usize,
}

/// Those who wait, by their requests' ids.
struct Clients {
    inbox: Arc<Inbox>,
    all: HashMap<u64, Client>,
    gauges: Gauges,
}

impl Clients {
    fn tell(&mut self, id: u64, event: Event) {
        let Some(client) = self.all.get_mut(&id) else {
            return;
        };
        if let Some(tokens) = client.queued.take() {
            self.inbox.release(tokens);
        }
        let gauges = &mut self.gauges;
        match &event {
            Event::Entered => {}
            Event::Token { .. } => {
                client.told += 1;
                gauges.tokens += 1;
            }
            Event::Finished(outputs) => {
                let tokens: usize = outputs.iter().map(|output| output.token_ids.len()).sum();
                // Those of beams have not been told.
                gauges.tokens += tokens.saturating_sub(client.told) as u64;
                gauges.finished += 1;
            }
            Event::Failed(_) => gauges.failed += 1,
        }
        let is_end = is_end(&event);
        (client.sink)(event);
        if is_end {
            self.all.remove(&id);
        }
    }

    /// Forgets one who is gone. False where it was over.
    fn remove(&mut self, id: u64) -> bool {
        let client = self.all.remove(&id);
        if let Some(tokens) = client.as_ref().and_then(|client| client.queued) {
            self.inbox.release(tokens);
        }
        client.is_some()
    }

    /// Tells everybody the end, and why.
    fn fail_all(&mut self, error: impl Fn() -> Error) {
        let ids: Vec<u64> = self.all.keys().copied().collect();
        for id in ids {
            self.tell(id, Event::Failed(error()));
        }
    }
}

/// However the thread ends, nobody waits for it any more.
impl Drop for Clients {
    fn drop(&mut self) {
        self.inbox.stop();
        for mut submission in self.inbox.news(false).submissions {
            let tokens = submission.request.encoder_input_ids.len();
            self.inbox.release(tokens);
            (submission.sink)(Event::Failed(Error::Stopped));
        }
        self.fail_all(|| Error::Stopped);
    }
}

pub struct Worker {
    inbox: Arc<Inbox>,
    resident: Arc<Resident>,
    scheduler: Scheduler,
    clients: Clients,
    vocab_size: usize,
    places: usize,
    kv_memory: Option<u64>,
    /// Decoders that failed since the last step that did not.
    failures: usize,
    published: Arc<Mutex<Gauges>>,
}

/// Decoders that may fail one after the other while nobody runs who could be to blame.
const MOST_FAILURES: usize = 3;

impl Worker {
    pub fn new(
        inbox: Arc<Inbox>,
        resident: Arc<Resident>,
        places: usize,
        kv_memory: Option<u64>,
        published: Arc<Mutex<Gauges>>,
    ) -> Worker {
        let vocab_size = resident.model().config().vocab_size;
        Worker {
            clients: Clients {
                inbox: inbox.clone(),
                all: HashMap::new(),
                gauges: Gauges::default(),
            },
            inbox,
            resident,
            scheduler: Scheduler::new(vocab_size, places),
            vocab_size,
            places,
            kv_memory,
            failures: 0,
            published,
        }
    }

    /// Serves until it is told to stop: on one device after the other, should they get lost.
    pub fn run(mut self) {
        let mut goes_on = self.receive();
        while goes_on {
            let model = self.resident.model();
            if let Err(error) = self.serve(&model) {
                self.recover(&model, error);
            }
            goes_on = self.receive();
        }
    }

    /// Steps with one decoder, as long as that works and it is the kind that is wanted.
    fn serve(&mut self, model: &Model) -> Result<()> {
        let selection = self.inbox.selection();
        let mut decoder = model.shared_decoder(self.kv_memory, selection)?;
        self.clients.gauges.pages = decoder.pages();
        loop {
            let clients = &mut self.clients;
            self.scheduler
                .step(&mut decoder, &mut |id, event| clients.tell(id, event))?;
            self.failures = 0;
            self.clients.gauges.pages_in_use = decoder.pages_in_use();
            if !self.receive() {
                return Ok(());
            }
            if self.scheduler.active() == 0 && self.inbox.selection() != selection {
                return Ok(());
            }
        }
    }

    /// Takes what has come, and ends those whose time is up. Where nobody is there, it waits for somebody. False when it
    /// is time to stop.
    fn receive(&mut self) -> bool {
        self.publish();
        let news = self.inbox.news(self.clients.all.is_empty());
        for submission in news.submissions {
            let (id, request) = (submission.id, submission.request);
            let client = Client {
                sink: submission.sink,
                queued: Some(request.encoder_input_ids.len()),
                told: 0,
            };
            self.clients.all.insert(id, client);
            if let Err(error) = self.scheduler.push(id, request, submission.deadline) {
                self.clients.tell(id, Event::Failed(error));
            }
        }
        for id in news.cancelled {
            let rows = self.scheduler.cancel(id);
            if self.clients.remove(id) {
                self.clients.gauges.cancelled += 1;
                self.clients.gauges.cancelled_rows += rows as u64;
            }
        }
        let clients = &mut self.clients;
        self.scheduler
            .expire(Instant::now(), &mut |id, event| clients.tell(id, event));
        !news.is_stopped
    }

    fn publish(&mut self) {
        let gauges = &mut self.clients.gauges;
        gauges.running_requests = self.scheduler.active();
        gauges.running_rows = self.scheduler.rows();
        *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = *gauges;
    }

    /// After an error of the decoder: what was running runs again, on a new device if the old one is lost, or fewer
    /// together, until it is known who cannot run at all.
    fn recover(&mut self, model: &Arc<Model>, error: Error) {
        let was_lost = model.gpu().is_lost();
        self.failures += 1;
        self.clients.gauges.lost_devices += u64::from(was_lost);
        let reopened = if was_lost {
            self.resident.reopen(model)
        } else {
            Ok(())
        };
        let is_to_blame = self.scheduler.active() > 0;
        let goes_on = is_to_blame || was_lost && self.failures <= MOST_FAILURES;
        if reopened.is_err() || !goes_on {
            // Without a decoder nobody can be served; whoever comes next has it tried again.
            let told = reopened.err().unwrap_or(error).to_string();
            self.clients.fail_all(|| Error::Invalid(told.clone()));
            self.scheduler = Scheduler::new(self.vocab_size, self.places);
            self.failures = 0;
            return;
        }
        let clients = &mut self.clients;
        self.scheduler
            .restart(error, was_lost, &mut |id, event| clients.tell(id, event));
    }
}
