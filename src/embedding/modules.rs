//! `modules.json`: what a sentence-transformers model is put together from, each module in a directory of its own.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::json::{self, at};
use super::layers::{Dense, LayerNorm};
use super::pooling::{MODES, Pooling};
use super::reading::lower_cases;
use super::{Embedding, Layer, Reading};
use crate::checkpoint::Checkpoint;
use crate::config::Fields;
use crate::{Error, Result};

/// The modules of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Modules {
    root: PathBuf,
    /// In the order in which they run.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    /// Its class in Python: `sentence_transformers.models.Pooling`, longer in newer versions.
    #[serde(rename = "type")]
    class: String,
    /// Its directory, from the root.
    path: String,
}

/// What a module's settings are called.
const CONFIG: &str = "config.json";

const SUPPORTED: &str =
    "Transformer, then Pooling, then any of Dense, LayerNorm, Normalize and Dropout";

impl Modules {
    /// The list's name.
    pub const LIST: &str = "modules.json";
    /// Settings of the whole, which there may be beside the list.
    pub const SETTINGS: &str = "config_sentence_transformers.json";

    /// The list in `root`; `None` where there is none, for then it is no directory of sentence-transformers.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] for a list that cannot be understood or that leads elsewhere.
    pub fn read(root: &Path) -> Result<Option<Modules>> {
        let path = root.join(Self::LIST);
        let Some(entries) = json::read::<Vec<Entry>>(&path)? else {
            return Ok(None);
        };
        let inside = |entry: &&Entry| {
            let mut parts = Path::new(&entry.path).components();
            parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        };
        if let Some(entry) = entries.iter().find(|entry| !inside(entry)) {
            let message = format!("names {:?}, which is not in this directory", entry.path);
            return Err(at(&path, Error::Invalid(message)));
        }
        Ok(Some(Modules {
            root: root.to_owned(),
            entries,
        }))
    }

    /// Where the model and its tokenizer are.
    pub fn transformer(&self) -> PathBuf {
        let entries = &mut self.entries.iter();
        match entries.find(|entry| entry.name() == "Transformer") {
            // An empty path joined would only add a slash.
            Some(entry) if !entry.path.is_empty() => self.root.join(&entry.path),
            _ => self.root.clone(),
        }
    }

    /// The folders of modules that have settings, each with whether it has weights, too.
    pub fn folders(&self) -> impl Iterator<Item = (PathBuf, bool)> {
        self.entries.iter().filter_map(|entry| {
            let has_weights = match entry.name() {
                "Pooling" => false,
                "Dense" | "LayerNorm" => true,
                _ => return None,
            };
            Some((self.root.join(&entry.path), has_weights))
        })
    }

    /// Whether the tokenizer is to see small letters only.
    ///
    /// # Errors
    /// As [`Modules::read`].
    pub fn lower_case(&self) -> Result<bool> {
        lower_cases(&self.transformer())
    }

    /// How text is read.
    ///
    /// # Errors
    /// As [`Modules::read`], and settings that are not heeded here.
    pub fn reading(&self) -> Result<Reading> {
        let whole = self.whole()?;
        Reading::from_settings(&whole, &self.transformer())
            .map_err(|error| at(&self.root.join(Self::SETTINGS), error))
    }

    /// What follows the encoder, whose states have `d_model` dimensions.
    ///
    /// # Errors
    /// As [`Modules::read`], [`Error::File`] names modules and settings that are not run here, and layers whose weights are
    /// missing or do not fit.
    pub fn embedding(&self, d_model: usize) -> Result<Embedding> {
        let list = self.root.join(Self::LIST);
        let entries: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.name() != "Dropout")
            .collect();
        let (pooling, rest) = match entries[..] {
            [first, pooling, ref rest @ ..]
                if (first.name(), pooling.name()) == ("Transformer", "Pooling") =>
            {
                (pooling, rest)
            }
            _ => return Err(at(&list, self.unsupported(&entries))),
        };
        let directory = self.root.join(&pooling.path).join(CONFIG);
        let fields = json::read::<Map<String, Value>>(&directory)?.unwrap_or_default();
        let mut embedding = pooling_of(&fields).map_err(|error| at(&directory, error))?;
        let mut width = d_model * embedding.poolings.len();
        for entry in rest {
            let directory = self.root.join(&entry.path);
            let layer = match entry.name() {
                "Dense" | "LayerNorm" | "Normalize" => entry.layer(&directory, width)?,
                _ => return Err(at(&list, self.unsupported(&entries))),
            };
            if let Layer::Dense(dense) = &layer {
                width = dense.out_features;
            }
            embedding.layers.push(layer);
        }
        let truncate = Fields(&self.whole()?).size("truncate_dim");
        let truncate = truncate.map_err(|error| at(&self.root.join(Self::SETTINGS), error))?;
        embedding.layers.extend(truncate.map(Layer::Truncate));
        Ok(embedding)
    }

    fn whole(&self) -> Result<Map<String, Value>> {
        Ok(json::read(&self.root.join(Self::SETTINGS))?.unwrap_or_default())
    }

    fn unsupported(&self, entries: &[&Entry]) -> Error {
        let classes: Vec<&str> = entries.iter().map(|entry| entry.class.as_str()).collect();
        Error::Unsupported {
            what: "chain of modules",
            found: classes.join(", "),
            supported: format!(
                "{SUPPORTED}, of sentence_transformers; --pooling goes without them"
            ),
        }
    }
}

impl Entry {
    /// The class's name, without where sentence-transformers keeps it, which differs from version to version.
    fn name(&self) -> &str {
        match self.class.strip_prefix("sentence_transformers.") {
            Some(class) => class.rsplit('.').next().unwrap_or_default(),
            None => &self.class,
        }
    }

    /// What follows pooling, for vectors of `width` dimensions.
    fn layer(&self, directory: &Path, width: usize) -> Result<Layer> {
        let path = directory.join(CONFIG);
        let fields: Map<String, Value> = json::read(&path)?.unwrap_or_default();
        check_names(&fields).map_err(|error| at(&path, error))?;
        let (layer, takes) = match self.name() {
            "Normalize" => return Ok(Layer::Normalize),
            "LayerNorm" => {
                let norm = LayerNorm::read(&fields, &Checkpoint::open(directory)?)
                    .map_err(|error| at(directory, error))?;
                let dimension = norm.dimension();
                (Layer::LayerNorm(norm), dimension)
            }
            _ => {
                let dense = Dense::read(&fields, &Checkpoint::open(directory)?)
                    .map_err(|error| at(directory, error))?;
                let dimension = dense.in_features;
                (Layer::Dense(dense), dimension)
            }
        };
        if takes == width {
            return Ok(layer);
        }
        let message = format!("takes {takes} dimensions, but what comes before gives {width}");
        Err(at(&path, Error::Invalid(message)))
    }
}

/// Refuses layers that do not go from the vector to the vector, and settings that none of them has.
fn check_names(fields: &Map<String, Value>) -> Result<()> {
    let ends = ["module_input_name", "module_output_name"];
    let settings = [
        "in_features",
        "out_features",
        "bias",
        "activation_function",
        "use_residual",
        "dimension",
    ];
    json::refuse_unknown(fields, &[&ends[..], &settings].concat())?;
    for name in ends {
        match Fields(fields).string(name)? {
            None | Some("sentence_embedding") => (),
            Some(other) => {
                return Err(Error::Unsupported {
                    what: name,
                    found: other.into(),
                    supported: "sentence_embedding".into(),
                });
            }
        }
    }
    Ok(())
}

/// By the list of modes, or by the older switches.
fn pooling_of(fields: &Map<String, Value>) -> Result<Embedding> {
    let mut known = vec![
        "embedding_dimension",
        "word_embedding_dimension",
        "pooling_mode",
        "include_prompt",
    ];
    known.extend(MODES.iter().map(|(_, _, switch)| *switch));
    json::refuse_unknown(fields, &known)?;
    let config = Fields(fields);
    let named = |name: &Value| {
        let modes = &mut MODES.iter();
        match modes.find(|(_, known, _)| name == known) {
            Some((mode, ..)) => Ok(*mode),
            None => Err(Error::Unsupported {
                what: "pooling_mode",
                found: name.to_string(),
                supported: MODES.map(|(_, name, _)| name).join(", "),
            }),
        }
    };
    let mut poolings = match config.get("pooling_mode") {
        Some(Value::Array(names)) => names.iter().map(named).collect::<Result<_>>()?,
        Some(name) => vec![named(name)?],
        None => {
            let mut poolings = Vec::new();
            for (mode, _, switch) in MODES {
                if config.bool(switch)? == Some(true) {
                    poolings.push(mode);
                }
            }
            poolings
        }
    };
    if poolings.is_empty() {
        poolings.push(Pooling::Mean);
    }
    Ok(Embedding {
        poolings,
        include_prompt: config.bool("include_prompt")?.unwrap_or(true),
        layers: Vec::new(),
    })
}
