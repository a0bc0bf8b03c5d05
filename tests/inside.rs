//! The library's means to look inside: what `verify` makes of a wrong result, states of mixed requests, streaming.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;

use t5_gpu::checkpoint::{DType, Tensor, TensorSource};
use t5_gpu::model::TraceOptions;
use t5_gpu::pipeline::{Forward, ForwardRequest, Request};
use t5_gpu::reference::Reference;
use t5_gpu::verify::{self, Comparison};
use t5_gpu::{LoadOptions, ModelFiles, Parameters, Pipeline, Result, WeightDType};
use tempfile::TempDir;

fn fixture() -> ModelFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ModelFiles::open(root.join("tests/fixtures/checkpoints/t5")).unwrap()
}

fn pipeline(files: &ModelFiles) -> Pipeline {
    pipeline_of(files, WeightDType::F32)
}

fn pipeline_of(files: &ModelFiles, dtype: WeightDType) -> Pipeline {
    let options = LoadOptions {
        dtype,
        ..LoadOptions::default()
    };
    Pipeline::load(files, &options, &mut |_, _| ()).unwrap()
}

/// A checkpoint with one element of one tensor changed.
struct Changed<'a> {
    source: &'a dyn TensorSource,
    name: &'a str,
}

impl TensorSource for Changed<'_> {
    fn names(&self) -> Vec<&str> {
        self.source.names()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let tensor = self.source.tensor(name)?;
        Ok(tensor.map(|tensor| {
            if name != self.name {
                return tensor;
            }
            let mut values = tensor.to_f32();
            values[3] += 0.5;
            Tensor {
                dtype: DType::F32,
                data: Cow::Owned(values.into_iter().flat_map(f32::to_le_bytes).collect()),
                ..tensor
            }
        }))
    }
}

fn compare_with(changed: &str, dtype: WeightDType) -> Comparison {
    let files = fixture();
    let (config, weights) = (files.config().unwrap(), files.weights().unwrap());
    let weights = Changed {
        source: &weights,
        name: changed,
    };
    let parameters = Parameters::load(&weights, &config).unwrap();
    let reference = match dtype {
        WeightDType::Int8 => Reference::int8(&config, &parameters),
        _ => Reference::new(&config, &parameters),
    };
    let inputs = [vec![15, 55, 68, 34, 62, 76, 11], vec![6], (2..70).collect()];
    verify::compare(&pipeline_of(&files, dtype), &reference, &inputs, 6).unwrap()
}

/// The names of the stages out of bounds.
fn failed(comparison: &Comparison) -> Vec<&str> {
    let stages = comparison.stages.iter().filter(|stage| !stage.is_ok());
    stages.map(|stage| stage.name.as_str()).collect()
}

#[test]
fn verify_finds_the_stage_that_is_wrong() {
    for dtype in [WeightDType::F32, WeightDType::Int8] {
        let right = compare_with("none", dtype);
        assert_eq!(failed(&right), [""; 0], "{right:?}");
        assert!(
            right.tokens.iter().all(|tokens| tokens.is_ok()),
            "{right:?}"
        );

        let name = "encoder.block.1.layer.1.DenseReluDense.wo.weight";
        let wrong = compare_with(name, dtype);
        assert_eq!(failed(&wrong)[0], "encoder output", "{wrong:?}");
        // In int8 what follows is within what rounding does.
        if dtype == WeightDType::F32 {
            assert!(failed(&wrong).contains(&"logits, step by step"));
        }

        let name = "decoder.block.0.layer.0.SelfAttention.o.weight";
        let wrong = compare_with(name, dtype);
        assert_eq!(failed(&wrong)[0], "decoder layer 1", "{wrong:?}");
    }
}

/// The bounds that grow with what int8 rounds still tell it from the f32 that it stands for.
#[test]
fn int8_is_not_taken_for_f32() {
    let files = fixture();
    let reference = verify::reference(&files, WeightDType::F32).unwrap();
    let pipeline = pipeline_of(&files, WeightDType::Int8);
    let inputs = [vec![15, 55, 68, 34, 62, 76, 11], (2..70).collect()];
    let comparison = verify::compare(&pipeline, &reference, &inputs, 6).unwrap();
    assert!(failed(&comparison).contains(&"logits"), "{comparison:?}");
}

#[test]
fn half_precision_references_have_half_precision_weights() {
    let files = fixture();
    let reference = |dtype| verify::reference(&files, dtype).unwrap();
    let full = reference(t5_gpu::WeightDType::F32)
        .encode(&[5, 6, 7])
        .unwrap();
    let half = reference(t5_gpu::WeightDType::F16)
        .encode(&[5, 6, 7])
        .unwrap();
    let apart = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    };
    assert!((1e-5..1e-1).contains(&apart(&full, &half)));
}

fn forward(pipeline: &Pipeline, requests: &[ForwardRequest]) -> Vec<Forward> {
    let trace = TraceOptions {
        hidden_states: true,
        attentions: false,
    };
    let mut all = vec![Forward::default(); requests.len()];
    pipeline.forward_each(requests, trace, &mut |index, answer| {
        all[index] = answer.unwrap();
        ControlFlow::Continue(())
    });
    all
}

/// Other batch sizes may take other kernels, which add up in another order.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn requests_with_and_without_a_target_go_together() {
    let pipeline = pipeline(&fixture());
    let request = |input_ids: &[u32], labels: Option<&[u32]>| ForwardRequest {
        input_ids: input_ids.to_vec(),
        labels: labels.map(<[u32]>::to_vec),
    };
    let requests = [
        request(&[5, 6, 1], None),
        request(&[7, 8, 9, 1], Some(&[11, 12, 1])),
        request(&[10], None),
        request(&[13, 1], Some(&[14, 15, 16, 17, 1])),
    ];
    let together = forward(&pipeline, &requests);
    for (request, answer) in requests.iter().zip(&together) {
        let alone = &forward(&pipeline, std::slice::from_ref(request))[0];
        assert_close(&answer.last_hidden_state, &alone.last_hidden_state);
        assert_close(
            &answer.hidden_states.concat(),
            &alone.hidden_states.concat(),
        );
        assert_eq!(answer.hidden_states.last(), Some(&answer.last_hidden_state));
        let (answer, alone) = (&answer.decoder, &alone.decoder);
        assert_eq!(answer.is_some(), request.labels.is_some());
        if let (Some(answer), Some(alone)) = (answer, alone) {
            assert_eq!(answer.input_ids, alone.input_ids);
            assert_close(
                &answer.hidden_states.concat(),
                &alone.hidden_states.concat(),
            );
            assert!(answer.cross_attentions.is_empty());
        }
    }
}

#[test]
fn text_comes_in_pieces() {
    let pipeline = Pipeline::embedded().unwrap();
    let source = "translate English to German: My father works in a big factory.";
    let input_ids = pipeline.tokenizer().unwrap().encode(source).unwrap();
    let request = Request::new(input_ids, pipeline.generation().clone());
    let mut pieces: Vec<String> = Vec::new();
    let output = pipeline
        .generate_streaming(&request, &mut |piece| {
            pieces.push(piece.to_owned());
            Ok(())
        })
        .unwrap();
    assert!(pieces.len() > 3, "{pieces:?}");
    assert_eq!(pieces.concat(), output.text.unwrap());
    let whole = pipeline.generate(&[source]).unwrap();
    assert_eq!(pieces.concat(), whole[0]);
}

/// A checkpoint of random weights with a tokenizer that goes with it.
fn with_tokenizer(checkpoint: &str, tokenizer: &str) -> (TempDir, Pipeline) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let directory = TempDir::new().unwrap();
    // The checkpoint's config comes last, and stays.
    for from in [
        root.join("tokenizers").join(tokenizer),
        root.join("checkpoints").join(checkpoint),
    ] {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
    }
    let pipeline = pipeline(&ModelFiles::open(directory.path()).unwrap());
    (directory, pipeline)
}

#[test]
fn pieces_are_whole_characters() {
    let mut wide = 0;
    for (checkpoint, tokenizer) in [("byt5-like", "byt5"), ("codet5-like", "codet5")] {
        let (_directory, pipeline) = with_tokenizer(checkpoint, tokenizer);
        for seed in 0..6 {
            let mut options = pipeline.generation().clone();
            options.do_sample = true;
            options.seed = Some(seed);
            options.max_new_tokens = Some(60);
            options.temperature = 3.0;
            if tokenizer == "byt5" {
                // Leading bytes of two-byte characters, bytes that follow them, and a few letters.
                let wanted = |id: &u32| matches!(id, 1 | 68..76 | 131..195 | 197..227);
                options.suppress_tokens = (0..384).filter(|id| !wanted(id)).collect();
            }
            let mut pieces: Vec<String> = Vec::new();
            let output = pipeline
                .generate_streaming(&Request::new(vec![70, 71, 1], options), &mut |piece| {
                    pieces.push(piece.to_owned());
                    Ok(())
                })
                .unwrap();
            assert_eq!(
                pieces.concat(),
                output.text.unwrap(),
                "{tokenizer}, seed {seed}"
            );
            if tokenizer == "byt5" {
                assert!(
                    pieces.iter().all(|piece| !piece.contains('\u{fffd}')),
                    "{pieces:?}"
                );
                wide += pieces.concat().chars().filter(|c| !c.is_ascii()).count();
            }
        }
    }
    assert!(wide > 20, "{wide} characters of more than one byte");
}
