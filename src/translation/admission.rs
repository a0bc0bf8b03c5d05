//! How the sentences of texts come to the engine: from a thread that waits for room, or from tasks that wait on none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::pipeline::{Output, Pending, Pipeline, Progress, Request};
use crate::{Error, Result};

/// Hears what becomes of a sentence.
pub type Watcher = Box<dyn FnMut(&Progress) + Send>;

/// How sentences enter the engine's queue, by when they have to be done, and who hears of them.
#[derive(Clone, Default)]
pub struct Admission {
    deadline: Option<Instant>,
    /// Whether any was let in; where there is nothing to say that, they wait on the caller's thread.
    has_entered: Option<Arc<AtomicBool>>,
    watch: Option<Arc<dyn Fn() -> Watcher + Send + Sync>>,
}

impl Admission {
    /// For tasks: where there is no room for the first sentence, all are refused; once one is in, the others wait for room, on
    /// no thread. Clones are of the same party.
    pub fn of_tasks(deadline: Instant) -> Admission {
        Admission {
            deadline: Some(deadline),
            has_entered: Some(Arc::default()),
            watch: None,
        }
    }

    /// The same with somebody who hears of each sentence.
    pub fn watched(self, watch: impl Fn() -> Watcher + Send + Sync + 'static) -> Admission {
        Admission {
            watch: Some(Arc::new(watch)),
            ..self
        }
    }

    /// Somebody who hears of one more sentence, where anybody is to.
    pub fn watcher(&self) -> Option<Watcher> {
        self.watch.as_ref().map(|watch| watch())
    }

    /// Lets a request in.
    pub(super) async fn submit(&self, pipeline: &Pipeline, request: &Request) -> Result<UnderWay> {
        let watcher = self.watcher();
        let pending = match &self.has_entered {
            None => pipeline.submit(request, self.deadline)?,
            Some(entered) if entered.load(Ordering::Relaxed) => {
                pipeline.submit_async(request, self.deadline).await?
            }
            Some(entered) => {
                let pending = pipeline.try_submit(request, self.deadline)?;
                entered.store(true, Ordering::Relaxed);
                pending
            }
        };
        Ok(UnderWay { pending, watcher })
    }
}

/// A request that was let in.
pub struct UnderWay {
    pub pending: Pending,
    watcher: Option<Watcher>,
}

impl UnderWay {
    /// Waits for the outputs, best first.
    pub async fn outputs(mut self) -> Result<Vec<Output>> {
        let mut following = self.pending.following(false);
        while let Some(progress) = following.next().await {
            let progress = progress?;
            if let Some(watcher) = &mut self.watcher {
                watcher(&progress);
            }
            if let Progress::Done { outputs, .. } = progress {
                return Ok(outputs);
            }
        }
        Err(Error::Stopped)
    }
}
