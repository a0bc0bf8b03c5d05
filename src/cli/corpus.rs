//! Texts with references: two or more files side by side, or one TSV file.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use t5_gpu::{Error, Result};

use super::input::lines_of;

/// Where texts and their references are.
#[derive(Args)]
pub struct CorpusArgs {
    /// Texts to translate, one a line
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "tsv",
        requires = "reference"
    )]
    source: Option<PathBuf>,
    /// What they should become, line by line; several files give several references
    #[arg(long, value_name = "FILE", requires = "source")]
    reference: Vec<PathBuf>,
    /// Both in one file: a line is SOURCE, a tab, REFERENCE, with further references behind further tabs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "reference"])]
    tsv: Option<PathBuf>,
}

/// Texts, not all of them blank, each with one reference or more.
pub struct Corpus {
    /// The file that the texts are from.
    pub path: PathBuf,
    pub sources: Vec<String>,
    /// Of each source.
    pub references: Vec<Vec<String>>,
}

impl CorpusArgs {
    /// Reads all of it.
    pub fn read(&self) -> Result<Corpus> {
        let corpus = match (&self.source, &self.tsv) {
            (Some(source), _) => side_by_side(source, &self.reference),
            (None, Some(tsv)) => from_tsv(tsv),
            (None, None) => unreachable!("clap asks for one of them"),
        }?;
        if corpus.sources.iter().all(|source| source.trim().is_empty()) {
            return Err(wrong(
                &corpus.path,
                "no text in it: a text a line is needed",
            ));
        }
        Ok(corpus)
    }
}

fn side_by_side(source: &Path, files: &[PathBuf]) -> Result<Corpus> {
    let sources = read_lines(source)?;
    let mut references = vec![Vec::new(); sources.len()];
    for file in files {
        let lines = read_lines(file)?;
        if lines.len() != sources.len() {
            let message = format!(
                "its lines are {}, those of {} are {}: a reference is needed for each text, on the same line",
                lines.len(),
                source.display(),
                sources.len()
            );
            return Err(wrong(file, message));
        }
        for (references, line) in references.iter_mut().zip(lines) {
            references.push(line);
        }
    }
    Ok(Corpus {
        path: source.into(),
        sources,
        references,
    })
}

fn from_tsv(path: &Path) -> Result<Corpus> {
    let mut corpus = Corpus {
        path: path.into(),
        sources: Vec::new(),
        references: Vec::new(),
    };
    for (index, line) in read_lines(path)?.into_iter().enumerate() {
        let Some((source, references)) = line.split_once('\t') else {
            let number = index + 1;
            let message = format!("line {number}: no reference: give SOURCE, a tab, REFERENCE");
            return Err(wrong(path, message));
        };
        corpus.sources.push(source.into());
        let references = references.split('\t').map(str::to_owned);
        corpus.references.push(references.collect());
    }
    Ok(corpus)
}

fn read_lines(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    lines_of(BufReader::new(file), path.into())
        .enumerate()
        .map(|(index, line)| {
            line.map_err(|error| match error {
                Error::Io { .. } => error,
                error => wrong(path, format!("line {}: {error}", index + 1)),
            })
        })
        .collect()
}

/// A file that was read but cannot be used.
fn wrong(path: &Path, message: impl Into<String>) -> Error {
    Error::File {
        path: path.into(),
        message: message.into(),
    }
}
