//! Which parts of a source given targets come from.

use std::ops::ControlFlow;

use super::{ForwardRequest, Pipeline};
use crate::alignment::Alignment;
use crate::model::TraceOptions;
use crate::{Error, Result};

/// A source and the target to align with it.
#[derive(Clone, Debug)]
pub struct AlignRequest {
    /// Token ids with `</s>`.
    pub input_ids: Vec<u32>,
    /// Token ids, without the start token.
    pub labels: Vec<u32>,
}

impl Pipeline {
    /// Aligns targets with their sources, told as by [`Pipeline::generate_each`]: how much each label attends to each of the
    /// source's tokens when it is predicted, the mean over the heads of a decoder `layer`, from 0, or of all.
    ///
    /// What is generated anyway is aligned on the way where its [`Request`](super::Request) asks for that; this is another
    /// pass over the model.
    pub fn align_each(
        &self,
        requests: &[AlignRequest],
        layer: Option<usize>,
        done: &mut dyn FnMut(usize, Result<Alignment>) -> ControlFlow<()>,
    ) {
        let passes: Vec<ForwardRequest> = requests
            .iter()
            .map(|request| ForwardRequest {
                input_ids: request.input_ids.clone(),
                labels: Some(request.labels.clone()),
            })
            .collect();
        let trace = TraceOptions {
            hidden_states: false,
            attentions: true,
        };
        self.forward_each(&passes, trace, &mut |index, forward| {
            let aligned = forward.and_then(|forward| {
                let layers = forward.decoder.unwrap_or_default().cross_attentions;
                let chosen = match layer {
                    None => &layers[..],
                    Some(layer) => layers.get(layer..=layer).ok_or_else(|| no_layer(&layers))?,
                };
                let AlignRequest { input_ids, labels } = &requests[index];
                Ok(Alignment::mean(chosen, labels.len(), input_ids.len()))
            });
            done(index, aligned)
        });
    }
}

fn no_layer(layers: &[Vec<f32>]) -> Error {
    Error::Invalid(format!(
        "there is no such layer: this model's decoder has {}, counted from 0",
        layers.len()
    ))
}
