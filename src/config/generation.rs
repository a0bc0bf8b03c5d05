//! Generation options by their Hugging Face names: `generation_config.json`, a task's block, `--jsonl` fields.

/// `early_stopping` of beam search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    #[default]
    No,
    Yes,
    Never,
}

/// Every generation option, with transformers' names and defaults.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GenerationConfig {
    pub max_new_tokens: Option<usize>,
}
