//! `t5-gpu eval`

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use t5_gpu::metrics::{Bleu, Chrf, corpus_bleu, corpus_chrf};
use t5_gpu::{Error, Part, Result};

use super::Outcome;
use super::args::{LoadArgs, TaskArgs};
use super::console::Console;
use super::corpus::{Corpus, CorpusArgs};
use super::generating::{DecodingArgs, Generating, one_line};
use super::lines::Answerer;
use super::request::no_tokenizer;

/// Translate texts and score the translations against references
///
/// Prints chrF2 and BLEU, each as sacreBLEU computes it by default and with its signature, and the speed of translating.
#[derive(Args)]
pub struct Eval {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Write the translations, one a line
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A JSON object instead of lines to read
    #[arg(long)]
    json: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    task: TaskArgs,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
}

impl Eval {
    pub fn run(self) -> Outcome {
        let console = Console::new(self.quiet);
        let corpus = self.corpus.read()?;
        // Where the file cannot be made, that is told before the work and not after it.
        let output = self.output.as_deref().map(create).transpose()?;
        let files = self.load.model.files(self.quiet)?;
        let plan = self
            .decoding
            .plan(&files, |files| self.task.task(files), &console)?;
        let generating = plan.generating(self.load.pipeline(&files, Part::Both, &console)?)?;

        let translated = translate(&generating, &corpus, &console)?;
        if let Some((path, file)) = output {
            write_lines(file, &translated.texts).map_err(|source| Error::write(path, source))?;
        }
        let report = Report {
            chrf: corpus_chrf(&translated.texts, &corpus.references)?,
            bleu: corpus_bleu(&translated.texts, &corpus.references)?,
            translated,
        };
        let mut out = io::stdout().lock();
        if self.json {
            let device = generating.pipeline.device();
            let mut object = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "model": self.load.model.name(),
                "dtype": self.load.dtype.name(),
                "device": device.name,
                "driver": device.driver,
            });
            report.add_to(&mut object);
            writeln!(out, "{object:#}")?;
        } else {
            write!(out, "{report}")?;
        }
        Ok(())
    }
}

/// Translations of a corpus and what they took.
struct Translated {
    /// One a source, on one line each; blank stays blank.
    texts: Vec<String>,
    /// Texts that were not blank.
    sentences: usize,
    /// Tokens that were generated, `</s>` counted.
    tokens: usize,
    /// From text to text, the model loaded.
    seconds: f64,
}

fn translate(generating: &Generating, corpus: &Corpus, console: &Console) -> Result<Translated> {
    if generating.pipeline.tokenizer().is_none() {
        return Err(no_tokenizer());
    }
    let at = |line: usize, error: Error| Error::File {
        path: corpus.path.clone(),
        message: format!("line {}: {error}", line + 1),
    };
    let begin = Instant::now();
    let (mut lines, mut requests) = (Vec::new(), Vec::new());
    for (line, source) in corpus.sources.iter().enumerate() {
        if !source.trim().is_empty() {
            lines.push(line);
            requests.push(
                generating
                    .read_text(source)
                    .map_err(|error| at(line, error))?,
            );
        }
    }
    let bar = console.progress(requests.len() as u64);
    let mut texts = vec![String::new(); corpus.sources.len()];
    let mut tokens = 0;
    let mut outcome = Ok(());
    let pipeline = &generating.pipeline;
    pipeline.generate_each(&requests, &mut |index, outputs| match outputs {
        Ok(outputs) => {
            tokens += outputs
                .iter()
                .map(|output| output.token_ids.len())
                .sum::<usize>();
            // The best one, where several were asked for.
            let best = outputs.first().and_then(|output| output.text.as_deref());
            texts[lines[index]] = one_line(best.unwrap_or_default());
            bar.inc(1);
            ControlFlow::Continue(())
        }
        Err(error) => {
            outcome = Err(at(lines[index], error));
            ControlFlow::Break(())
        }
    });
    bar.finish_and_clear();
    outcome.map(|()| Translated {
        texts,
        sentences: requests.len(),
        tokens,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

struct Report {
    chrf: Chrf,
    bleu: Bleu,
    translated: Translated,
}

impl Report {
    fn sentences_per_second(&self) -> f64 {
        self.translated.sentences as f64 / self.translated.seconds
    }

    fn tokens_per_second(&self) -> f64 {
        self.translated.tokens as f64 / self.translated.seconds
    }

    fn add_to(&self, object: &mut Value) {
        let Report {
            chrf,
            bleu,
            translated,
        } = self;
        object["chrf"] = json!({"score": chrf.score, "signature": chrf.signature});
        object["bleu"] = json!({
            "score": bleu.score,
            "signature": bleu.signature,
            "precisions": bleu.precisions,
            "brevity_penalty": bleu.brevity_penalty,
            "hypothesis_length": bleu.hypothesis_length,
            "reference_length": bleu.reference_length,
        });
        object["lines"] = translated.texts.len().into();
        object["sentences"] = translated.sentences.into();
        object["tokens"] = translated.tokens.into();
        object["seconds"] = translated.seconds.into();
        object["sentences_per_second"] = self.sentences_per_second().into();
        object["tokens_per_second"] = self.tokens_per_second().into();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.chrf, self.bleu)?;
        writeln!(
            f,
            "{} sentences, {} tokens in {:.2} s: {:.1} sentences/s, {:.1} tokens/s",
            self.translated.sentences,
            self.translated.tokens,
            self.translated.seconds,
            self.sentences_per_second(),
            self.tokens_per_second()
        )
    }
}

fn create(path: &Path) -> Result<(&Path, File)> {
    match File::create(path) {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(Error::write(path, error)),
    }
}

fn write_lines(file: File, lines: &[String]) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.flush()
}
