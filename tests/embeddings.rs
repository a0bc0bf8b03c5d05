//! Models that sentence-transformers wrote, and what it makes of some texts with them.

mod common;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use t5_gpu::embedding::{Embedding, Pooling, Reading};
use t5_gpu::{Error, LoadOptions, ModelFiles, Part, Pipeline};

use common::fixtures::Sample;

/// Vectors are of magnitude 1.
const TOLERANCE: f32 = 1e-5;

const MODELS: [&str; 4] = ["sentence-t5", "nested", "prompts", "bytes"];

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    /// With the default prompt, cut.
    input_ids: Vec<Vec<u32>>,
    embeddings: Vec<Vec<f32>>,
    normalized: Vec<Vec<f32>>,
    /// With the prompt "look: ".
    prompt: Vec<Vec<f32>>,
    /// With the prompt named "document", where the model has prompts.
    prompt_name: Vec<Vec<f32>>,
    /// The mean of whole texts' states, the first state.
    mean: Vec<Vec<f32>>,
    cls: Vec<Vec<f32>>,
    /// The fourth text's states.
    hidden: Sample,
}

struct Model {
    name: &'static str,
    files: ModelFiles,
    pipeline: Pipeline,
    expected: Expected,
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/embeddings")
        .join(name)
}

fn models() -> impl Iterator<Item = Model> {
    MODELS.into_iter().map(|name| {
        let files = ModelFiles::open(directory(name)).unwrap();
        let options = LoadOptions {
            batch_size: Some(4),
            ..LoadOptions::default()
        };
        let pipeline = Pipeline::load(&files, &options, &mut |_, _| ()).unwrap();
        let expected = std::fs::read(directory(name).join("expected.json")).unwrap();
        Model {
            name,
            files,
            pipeline,
            expected: serde_json::from_slice(&expected).unwrap(),
        }
    })
}

impl Model {
    fn embedding(&self) -> Embedding {
        let width = self.pipeline.config().d_model;
        self.files.embedding(width).unwrap().expect("modules.json")
    }

    #[track_caller]
    fn check(&self, what: &str, reading: &Reading, embedding: &Embedding, expected: &[Vec<f32>]) {
        let texts = &self.expected.texts;
        let together = self.pipeline.embed(texts, reading, embedding).unwrap();
        for ((text, found), expected) in texts.iter().zip(together).zip(expected) {
            let error = common::max_error(&found, expected);
            common::note_error(self.name, error);
            assert!(
                error < TOLERANCE,
                "{}, {what}, {text:?}: {error:e}",
                self.name
            );
            let alone = self.pipeline.embed(&[text], reading, embedding).unwrap();
            assert_eq!(alone, [found], "{}, {what}, {text:?} alone", self.name);
        }
    }
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    for model in models() {
        let reading = model.files.reading().unwrap();
        let embedding = model.embedding();
        let Expected {
            embeddings,
            normalized,
            mean,
            cls,
            ..
        } = &model.expected;
        model.check("as it is", &reading, &embedding, embeddings);
        model.check("normalized", &reading, &embedding.normalized(), normalized);
        let whole = Reading::default();
        model.check("mean", &whole, &Embedding::new(Pooling::Mean), mean);
        model.check("first", &whole, &Embedding::new(Pooling::First), cls);
    }
}

#[test]
fn prompts_go_in_front() {
    for model in models() {
        let reading = model.files.reading().unwrap();
        let embedding = model.embedding();
        let prompts = model.name == "prompts";
        let named = prompts.then(|| reading.prompt("document").unwrap());
        let Expected {
            prompt,
            prompt_name,
            ..
        } = &model.expected;
        for (prompt, expected) in [(Some("look: "), prompt), (named, prompt_name)] {
            let tokenizer = model.pipeline.tokenizer().unwrap();
            let read = |text: &String| reading.read(tokenizer, text, prompt).unwrap();
            let sources: Vec<_> = model.expected.texts.iter().map(read).collect();
            model
                .pipeline
                .embed_each(&sources, &embedding, &mut |index, found| {
                    let error = common::max_error(&found.unwrap(), &expected[index]);
                    assert!(error < TOLERANCE, "{}, {prompt:?}: {error:e}", model.name);
                    std::ops::ControlFlow::Continue(())
                });
        }
    }
}

#[test]
fn texts_are_cut_as_sentence_transformers_cuts_them() {
    for model in models() {
        let reading = model.files.reading().unwrap();
        let tokenizer = model.pipeline.tokenizer().unwrap();
        for (text, expected) in model.expected.texts.iter().zip(&model.expected.input_ids) {
            let source = reading.read(tokenizer, text, None).unwrap();
            assert_eq!(&source.input_ids, expected, "{}, {text:?}", model.name);
            let prompt = match model.name {
                "prompts" => "find the station: ",
                _ => "",
            };
            let whole = tokenizer.encode(&format!("{prompt}{text}")).unwrap();
            assert_eq!(source.cut, whole.len() - expected.len(), "{text:?}");
        }
    }
}

#[test]
fn states_are_those_of_the_encoder() {
    for model in models() {
        let tokenizer = model.pipeline.tokenizer().unwrap();
        let ids = tokenizer.encode(&model.expected.texts[3]).unwrap();
        let network = model.pipeline.model();
        let hidden = network.encode(&[ids]).unwrap();
        let hidden = hidden.hidden(0).unwrap();
        model.expected.hidden.assert_close(&hidden, model.name);
    }
}

#[test]
fn an_encoder_takes_no_memory_for_a_decoder_that_is_not_asked_for() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints/v1_1");
    let files = ModelFiles::open(directory).unwrap();
    let load = |part| {
        let options = LoadOptions {
            part,
            ..LoadOptions::default()
        };
        let pipeline = Pipeline::load(&files, &options, &mut |_, _| ()).unwrap();
        let model = pipeline.model();
        let states = model.encode(&[vec![5, 7, 9, 1]]).unwrap();
        let states = states.hidden(0).unwrap();
        (model.gpu().allocated_bytes(), states, pipeline)
    };
    let (whole, expected, _) = load(Part::Both);
    let (half, states, pipeline) = load(Part::Encoder);
    assert_eq!(states, expected);
    // Two layers of six matrices of attention and three of the feed-forward, and a head.
    let decoder = 4 * (2 * (8 * 24 * 16 + 3 * 24 * 40) + 24 * 96);
    assert!(
        half + decoder <= whole,
        "{half} and {decoder} bytes of {whole}"
    );
    assert!(!pipeline.model().has_decoder());
}

#[test]
fn an_encoder_alone_says_so_where_a_decoder_is_asked_for() {
    for model in models() {
        let error = model.pipeline.generate(&["She reads."]).unwrap_err();
        assert!(matches!(error, Error::NoDecoder { .. }), "{error}");
        let options = LoadOptions {
            part: Part::Both,
            ..LoadOptions::default()
        };
        let error = Pipeline::load(&model.files, &options, &mut |_, _| ()).err();
        assert!(matches!(error, Some(Error::NoDecoder { .. })), "{error:?}");
    }
}
