//! Texts to vectors.

use std::ops::ControlFlow;

use super::Pipeline;
use super::each::in_batches;
use crate::embedding::{Embedding, Reading, Source};
use crate::{Error, Result};

impl Pipeline {
    /// The vector of each text.
    ///
    /// ```no_run
    /// use t5_gpu::embedding::{Embedding, Pooling};
    /// use t5_gpu::{LoadOptions, ModelFiles, Pipeline};
    ///
    /// let files = ModelFiles::open("path/to/sentence-t5-base")?;
    /// let model = Pipeline::load(&files, &LoadOptions::default(), &mut |_, _| ())?;
    /// let embedding = files.embedding(model.config().d_model)?;
    /// // A directory that sentence-transformers did not write says nothing of embeddings.
    /// let embedding = embedding.unwrap_or(Embedding::new(Pooling::Mean));
    /// let vectors = model.embed(&["A text.", "Another."], &files.reading()?, &embedding)?;
    /// assert_eq!(vectors.len(), 2);
    /// # Ok::<(), t5_gpu::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first text's that fails; [`Pipeline::embed_each`] tells all apart.
    pub fn embed(
        &self,
        texts: &[impl AsRef<str>],
        reading: &Reading,
        embedding: &Embedding,
    ) -> Result<Vec<Vec<f32>>> {
        let tokenizer = self.tokenizer.as_ref().ok_or_else(|| {
            Error::Invalid("this model has no tokenizer: use embed_each with token ids".into())
        })?;
        let sources = texts
            .iter()
            .map(|text| reading.read(tokenizer, text.as_ref(), None))
            .collect::<Result<Vec<_>>>()?;
        let mut vectors = vec![Vec::new(); sources.len()];
        let mut outcome = Ok(());
        self.embed_each(&sources, embedding, &mut |index, vector| match vector {
            Ok(vector) => {
                vectors[index] = vector;
                ControlFlow::Continue(())
            }
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        });
        outcome.map(|()| vectors)
    }

    /// The vector of each source, told as by [`Pipeline::generate_each`].
    pub fn embed_each(
        &self,
        sources: &[Source],
        embedding: &Embedding,
        done: &mut dyn FnMut(usize, Result<Vec<f32>>) -> ControlFlow<()>,
    ) {
        let check = |source: &Source| {
            self.check_source(&source.input_ids)?;
            Ok(source.input_ids.len())
        };
        let run = |batch: &[&Source]| {
            let ids: Vec<Vec<u32>> = batch.iter().map(|one| one.input_ids.clone()).collect();
            let hidden = self
                .engine
                .on_device(|model| model.encode(&ids)?.hidden_states())?;
            let vectors = batch.iter().zip(hidden).map(|(source, hidden)| {
                embedding.apply(&hidden, self.config().d_model, source.prompt_tokens)
            });
            vectors.collect()
        };
        in_batches(sources, self.limits, check, run, done);
    }
}
