//! The models of a service: which of them serves which languages.

use std::ops::ControlFlow;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::translate::{Ask, Pair, Running, Translate};
use crate::engine::Gauges;
use crate::language::distance;
use crate::pipeline::json::{no_tokenizer, read_request};
use crate::pipeline::{AlignRequest, Pending, Request};
use crate::task::Task;
use crate::{Error, Pipeline, Result, Translator};

/// Models on their devices.
pub struct Models {
    models: Vec<Model>,
}

/// Texts of a request that are under way together at most.
const TOGETHER: usize = 64;

struct Model {
    pipeline: Pipeline,
    pairs: Vec<(String, String)>,
}

impl Models {
    /// The first model is the one that answers `generate`.
    pub fn new(pipelines: Vec<Pipeline>) -> Models {
        let models = pipelines.into_iter().map(|pipeline| Model {
            pairs: pairs(&pipeline),
            pipeline,
        });
        Models {
            models: models.collect(),
        }
    }

    /// The model whose languages are the nearest to these, the first among equals.
    fn choose(&self, from: &str, to: &str) -> Option<&Model> {
        let rank = |model: &Model| {
            let pairs = model.pairs.iter();
            let ranks = pairs.filter_map(|(a, b)| Some((distance(to, b)?, distance(from, a)?)));
            ranks.min()
        };
        let ranked = self
            .models
            .iter()
            .filter_map(|model| Some((rank(model)?, model)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, model)| model)
    }

    fn for_pair(&self, Pair { from, to }: &Pair) -> Result<&Model> {
        let model = self.choose(from, to);
        model.ok_or_else(|| Error::Invalid(format!("no model translates {from} to {to}")))
    }

    fn first(&self) -> Result<&Model> {
        let first = self.models.first();
        first.ok_or_else(|| Error::Invalid("there is no model".into()))
    }
}

/// What a model translates: what its config lists, else any language of its vocabulary into any other.
fn pairs(pipeline: &Pipeline) -> Vec<(String, String)> {
    let listed = Task::translations(pipeline.config());
    if !listed.is_empty() {
        return listed;
    }
    let codes: Vec<&str> = pipeline.targets().codes().collect();
    let others = |from| codes.iter().filter(move |&&to| to != from);
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let all = codes.iter();
    all.flat_map(|&from| others(from).map(move |to| pair(from, to)))
        .collect()
}

impl Model {
    /// Translates one of the texts of an ask.
    async fn translate(&self, pair: &Pair, text: &str, ask: &Ask) -> Result<Vec<String>> {
        // Others get a turn between texts, which take their time to be read.
        tokio::task::yield_now().await;
        let (task, mut options) = self.pipeline.translation(&pair.from, &pair.to)?;
        if ask.outputs > 1 {
            options.num_beams = options.num_beams.max(ask.outputs);
            options.num_return_sequences = ask.outputs;
        }
        let mut translator = Translator::with(&self.pipeline, task.prefix, options, &pair.from)
            .splitting(ask.splitting)
            .admission(ask.admission.clone());
        if let Some(glossary) = &ask.glossary {
            translator = translator.glossary(glossary.clone());
        }
        let translation = match &ask.markup {
            Some(markup) => translator.translate_markup_async(text, markup).await?,
            None => translator.translate_async(text).await?,
        };
        let outputs = translation.outputs.into_iter();
        Ok(outputs
            .map(|output| output.text.unwrap_or_default())
            .collect())
    }

    fn submit(&self, mut request: Request, streamed: bool, deadline: Instant) -> Result<Running> {
        if streamed {
            self.pipeline.check_stream(&request.options)?;
        }
        if request.input_ids.is_empty() {
            request
                .input_ids
                .extend(request.options.eos_token_id.first());
        }
        let pending = self.pipeline.try_submit(&request, Some(deadline))?;
        Ok(running(pending, streamed))
    }
}

impl Model {
    /// The word of the text that each word of the translation attends to most.
    fn align(&self, prefix: &str, text: &str, translation: &str) -> Result<Vec<(usize, usize)>> {
        let tokenizer = self.pipeline.tokenizer().ok_or_else(no_tokenizer)?;
        let source = tokenizer.encode(&format!("{prefix}{text}"))?;
        let target = tokenizer.encode(translation)?;
        let request = AlignRequest {
            input_ids: source.clone(),
            labels: target.clone(),
        };
        let mut aligned = Err(Error::Stopped);
        self.pipeline.align_each(&[request], None, &mut |_, found| {
            aligned = found;
            ControlFlow::Continue(())
        });
        let prefix_words = prefix.split_whitespace().count();
        let end = &self.pipeline.generation().eos_token_id;
        let of_words = aligned?.of_words(tokenizer, &source, prefix_words, &target, end);
        Ok(of_words.hard())
    }
}

fn running(pending: Pending, streamed: bool) -> Running {
    let following = pending.following(streamed);
    Box::pin(stream::unfold(following, async |mut following| {
        let progress = following.next().await?;
        Some((progress, following))
    }))
}

impl Translate for Models {
    fn pairs(&self) -> Vec<(String, String)> {
        let all = self.models.iter().flat_map(|model| model.pairs.iter());
        all.cloned().collect()
    }

    fn translate(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Vec<String>>>> {
        async move {
            let texts = ask.texts.iter().map(|(pair, text)| {
                let model = self.for_pair(pair)?;
                Ok(model.translate(pair, text, &ask))
            });
            let texts: Vec<_> = texts.collect::<Result<_>>()?;
            stream::iter(texts).buffered(TOGETHER).try_collect().await
        }
        .boxed()
    }

    fn generate(
        &self,
        mut fields: Map<String, Value>,
        streamed: bool,
        deadline: Instant,
    ) -> Result<Running> {
        let mut language = |name: &str| match fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(code)) => Ok(Some(code)),
            Some(_) => Err(Error::Invalid(format!("{name} must be a language"))),
        };
        let languages = (language("from")?, language("to")?);
        let (model, (task, mut options)) = match languages {
            (None, None) => {
                let model = self.first()?;
                (
                    model,
                    (Task::default(), model.pipeline.generation().clone()),
                )
            }
            (Some(from), Some(to)) => {
                let model = self.choose(&from, &to);
                let model = model.map_or_else(|| self.first(), Ok)?;
                (model, model.pipeline.translation(&from, &to)?)
            }
            _ => {
                return Err(Error::Invalid(
                    "from and to go together: give both or none".into(),
                ));
            }
        };
        if streamed && !fields.contains_key("num_beams") {
            options.num_beams = 1;
        }
        let tokenizer = model.pipeline.tokenizer();
        let request = read_request(fields, tokenizer, &task.prefix, options, false)?;
        model.submit(request, streamed, deadline)
    }

    fn align(&self, pair: &Pair, text: &str, translation: &str) -> Result<Vec<(usize, usize)>> {
        let model = self.for_pair(pair)?;
        let (task, _) = model.pipeline.translation(&pair.from, &pair.to)?;
        model.align(&task.prefix, text, translation)
    }

    fn gauges(&self) -> Gauges {
        let models = self.models.iter();
        models.map(|model| model.pipeline.engine().gauges()).sum()
    }

    fn is_ready(&self) -> bool {
        let mut models = self.models.iter();
        models.all(|model| !model.pipeline.model().gpu().is_lost())
    }
}
