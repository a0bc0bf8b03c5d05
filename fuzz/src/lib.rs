//! What targets share.

use std::fs;
use std::path::Path;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::stream;
use serde_json::{Map, Value};
use t5_gpu::Result;
use t5_gpu::checkpoint::{Checkpoint, TensorSource};
use t5_gpu::engine::Gauges;
use t5_gpu::markup::{Aligned, Document};
use t5_gpu::pipeline::{Output, Progress};
use t5_gpu::serve::{Ask, Pair, Running, Translate};

/// A folder with such files, as long as it is there.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// In memory, where the system has such a place.
    pub fn with(files: &[(&str, &[u8])]) -> Folder {
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Folder(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A zip archive of such files, as they are; without their checksums.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let start = bytes.len() as u32;
        // From the version that is needed to the lengths of the name and of what is not there.
        let mut common = [20_u16, 0, 0, 0, 0, 0, 0].map(u16::to_le_bytes).concat();
        common.extend([content.len() as u32; 2].map(u32::to_le_bytes).concat());
        common.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([files.len() as u16; 2].map(u16::to_le_bytes).concat());
    bytes.extend([directory.len() as u32, start].map(u32::to_le_bytes).concat());
    bytes.extend([0; 2]);
    bytes
}

/// Reads every tensor of a checkpoint.
pub fn read(checkpoint: &Checkpoint) {
    let names: Vec<String> = checkpoint.names().into_iter().map(str::to_owned).collect();
    for name in names {
        if let Ok(Some(tensor)) = checkpoint.tensor(&name) {
            // A small file that stands for a large tensor is all right, but takes its time.
            if tensor.shape.iter().product::<usize>() < 1 << 16 {
                tensor.to_f32();
            }
        }
    }
}

/// What stands in for models: a text is its own translation.
pub struct StandIn;

impl Translate for StandIn {
    fn pairs(&self) -> Vec<(String, String)> {
        let pairs = [("en", "de"), ("de", "en"), ("en", "pt_BR")];
        pairs
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .to_vec()
    }

    fn translate(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Vec<String>>>> {
        let texts = ask.texts.iter().map(|(_, text)| match &ask.markup {
            None => vec![text.clone(); ask.outputs],
            Some(markup) => {
                let document = Document::parse(text, markup);
                let texts = document.texts().iter().map(|source| Aligned {
                    text: source.text.clone(),
                    links: Vec::new(),
                });
                let texts = texts.collect();
                vec![document.fill(texts)]
            }
        });
        ready(Ok(texts.collect())).boxed()
    }

    fn generate(&self, _: Map<String, Value>, _: bool, _: Instant) -> Result<Running> {
        let done = Progress::Done {
            outputs: vec![Output::of_text("x".into())],
            text: String::new(),
        };
        Ok(Box::pin(stream::iter([Ok(done)])))
    }

    fn align(&self, _: &Pair, _: &str, _: &str) -> Result<Vec<(usize, usize)>> {
        Ok(Vec::new())
    }

    fn gauges(&self) -> Gauges {
        Gauges::default()
    }

    fn is_ready(&self) -> bool {
        true
    }
}
