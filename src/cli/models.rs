//! `t5-gpu models`

use std::io::{self, Write};

use clap::Args;
use serde_json::json;
use t5_gpu::hub::{self, CachedModel};

use super::Outcome;
use super::args::hub_options;

/// List the models in the Hugging Face cache, and which of them can be used here
#[derive(Args)]
pub struct Models {
    /// An object a line
    #[arg(long)]
    jsonl: bool,
    /// Accepted for uniformity: this command tells nothing on stderr
    #[arg(long, short)]
    quiet: bool,
}

impl Models {
    pub fn run(self) -> Outcome {
        let mut out = io::stdout().lock();
        for model in hub::cached(&hub_options(self.quiet))? {
            if self.jsonl {
                writeln!(out, "{}", to_json(&model))?;
            } else {
                writeln!(out, "{}", describe(&model))?;
            }
        }
        Ok(())
    }
}

fn describe(model: &CachedModel) -> String {
    let revision = match model.refs.as_slice() {
        [] => model.revision.clone(),
        refs => refs.join(", "),
    };
    let state = model.problem.as_deref().unwrap_or("usable");
    format!(
        "{} ({revision}): {}, {:.1} MB, {state}",
        model.id,
        model.kind.as_deref().unwrap_or("unknown kind"),
        model.size as f64 / 1e6,
    )
}

fn to_json(model: &CachedModel) -> serde_json::Value {
    json!({
        "id": model.id,
        "revision": model.revision,
        "refs": model.refs,
        "kind": model.kind,
        "bytes": model.size,
        "usable": model.usable(),
        "problem": model.problem,
        "path": model.path,
    })
}
