//! What a file calls its tensors, where that is not what the model looks for.

use crate::{Error, Result};

/// How the names begin in files of a model that is part of another one: transformers takes that off.
pub(crate) const BASE_PREFIX: &str = "transformer.";

/// What ends the names of tensors that only quantised weights have beside them.
const QUANTISED: [&str; 11] = [
    ".SCB",
    ".absmax",
    ".quant_map",
    ".qweight",
    ".qzeros",
    ".scale_weight",
    ".weight_packed",
    ".weight_scale",
    ".weight_scale_inv",
    ".weight._data",
    "_weight_qdata",
];

/// Refuses weights that mean nothing without the scales beside them.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn check_plain(names: &[&str]) -> Result<()> {
    let is_mark = |name: &&&str| QUANTISED.iter().any(|ending| name.ends_with(ending));
    match names.iter().find(is_mark) {
        None => Ok(()),
        Some(mark) => Err(Error::quantised(mark)),
    }
}

/// For messages: what a file has instead of `name`, if it has tensors of these names that nobody asked for.
pub(crate) fn instead_of(name: &str, names: &[&str]) -> String {
    let wrapped = names
        .iter()
        .find_map(|found| Some((found, found.strip_suffix(name)?)));
    if let Some((found, prefix)) = wrapped {
        return if prefix.starts_with("base_model.") {
            format!(
                "{found}, which is peft's name: merge the adapter with merge_and_unload and save_pretrained that"
            )
        } else {
            format!("{found}: take \"{prefix}\" off its names and save it again")
        };
    }
    let near = |found: &&&str| strsim::normalized_damerau_levenshtein(name, found);
    let nearest = names.iter().max_by(|a, b| near(a).total_cmp(&near(b)));
    match nearest {
        None => "nothing in its place".into(),
        Some(found) if near(&found) > 0.7 => (*found).to_owned(),
        Some(_) => {
            let some: Vec<&str> = names.iter().copied().take(3).collect();
            format!(
                "{} tensors of other names: {}, ...",
                names.len(),
                some.join(", ")
            )
        }
    }
}
