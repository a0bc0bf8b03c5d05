//! What all requests share: the models once they are there, keys, limits, meters, and who is still being answered.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};

use super::deepl_documents::Documents;
use super::deepl_glossaries::Glossaries;
use super::downloads::Downloads;
use super::incoming::Incoming;
use super::keys::{Key, Keys};
use super::languages::Languages;
use super::limits::Limits;
use super::meters::Meters;
use super::refusal::Refusal;
use super::settings::Settings;
use super::translate::Translate;
use crate::Result;

/// What all requests share.
pub struct Service {
    pub settings: Settings,
    pub keys: Keys,
    pub meters: Arc<Meters>,
    pub downloads: Downloads,
    pub documents: Documents,
    pub glossaries: Glossaries,
    pub aligning: Semaphore,
    limits: Limits<Client>,
    loaded: OnceLock<Loaded>,
    is_draining: AtomicBool,
    under_way: AtomicUsize,
    idle: Notify,
}

/// What there is once models are loaded.
pub struct Loaded {
    pub translate: Arc<dyn Translate>,
    pub languages: Languages,
}

/// Whose requests are counted together.
#[derive(PartialEq, Eq, Hash)]
enum Client {
    Key(u64),
    Address(IpAddr),
}

/// Somebody who may ask.
pub type Caller = Option<Arc<Key>>;

impl Service {
    pub fn new(settings: Settings) -> Result<Service> {
        Ok(Service {
            keys: Keys::open(settings.api_keys.as_deref())?,
            settings,
            meters: Arc::default(),
            downloads: Downloads::default(),
            documents: Documents::default(),
            glossaries: Glossaries::default(),
            aligning: Semaphore::new(1),
            limits: Limits::default(),
            loaded: OnceLock::new(),
            is_draining: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            idle: Notify::new(),
        })
    }

    /// Begins to answer.
    pub fn load(&self, translate: Arc<dyn Translate>) {
        let languages = Languages::new(translate.pairs());
        // Models come once.
        let _ = self.loaded.set(Loaded {
            translate,
            languages,
        });
    }

    /// The models.
    pub fn loaded(&self) -> Result<&Loaded, Refusal> {
        self.loaded.get().ok_or(Refusal::Loading)
    }

    /// Whether requests are answered.
    pub fn is_ready(&self) -> bool {
        let loaded = self.loaded.get();
        !self.is_draining() && loaded.is_some_and(|loaded| loaded.translate.is_ready())
    }

    /// Whether the service is about to end.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Takes no more requests.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
    }

    /// Lets a request begin; it is over when what comes back is dropped.
    pub fn begin(self: &Arc<Self>) -> Result<UnderWay, Refusal> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let under_way = UnderWay(self.clone());
        match self.is_draining() {
            true => Err(Refusal::Draining),
            false => Ok(under_way),
        }
    }

    /// Waits until no request is under way.
    pub async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.under_way.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Who asks.
    pub fn caller(&self, incoming: &Incoming) -> Result<Caller, Refusal> {
        let given = incoming.key()?;
        if !self.keys.are_needed() {
            return Ok(None);
        }
        let key = given.ok_or(Refusal::KeyNeeded)?;
        self.keys.find(&key).map(Some).ok_or(Refusal::WrongKey)
    }

    /// Lets a caller have so many texts, if it has not had too many in the last minute.
    pub fn allow(&self, incoming: &Incoming, caller: &Caller, texts: usize) -> Result<(), Refusal> {
        let own = caller.as_ref().and_then(|key| key.limit);
        let Some(limit) = own.or(self.settings.req_limit) else {
            return Ok(());
        };
        let client = match caller {
            Some(key) => Client::Key(key.id),
            None => Client::Address(incoming.address),
        };
        let allowed = self.limits.take(client, texts, limit, Instant::now());
        allowed.map_err(|wait| Refusal::TooOften { limit, wait })
    }
}

/// A request that is being answered.
pub struct UnderWay(Arc<Service>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
