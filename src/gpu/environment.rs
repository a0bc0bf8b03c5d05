//! What the environment says about the device. A variable that is empty is not set.

use std::env::{self, VarError};

use super::parse_bytes;
use crate::{Error, Result};

/// Bytes that may be taken of the device at most: `T5_GPU_MEMORY_LIMIT`.
pub(super) fn memory_limit() -> Result<Option<u64>> {
    read(
        "T5_GPU_MEMORY_LIMIT",
        "a number of bytes above 0, such as 1000000000, 1e9, 512MiB or 1.5GB",
        parse_bytes,
    )
}

/// Bounds checks and zeroed workgroup memory in kernels: `T5_GPU_CHECKED_SHADERS`, or else in debug builds.
pub(super) fn checked_shaders() -> Result<bool> {
    let wanted = read("T5_GPU_CHECKED_SHADERS", "1 or 0", switch)?;
    Ok(wanted.unwrap_or(cfg!(debug_assertions)))
}

fn read<T>(name: &str, expected: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>> {
    let value = match env::var(name) {
        Ok(value) => value,
        Err(VarError::NotPresent) => return Ok(None),
        Err(VarError::NotUnicode(value)) => value.to_string_lossy().into_owned(),
    };
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    match parse(trimmed) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::Invalid(format!(
            "{name} is \"{value}\", but must be {expected}"
        ))),
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_on_or_off() {
        assert_eq!(["1", "TRUE", "yes", "on"].map(switch), [Some(true); 4]);
        assert_eq!(["0", "false", "No", "OFF"].map(switch), [Some(false); 4]);
        assert_eq!(["maybe", "2", "01"].map(switch), [None; 3]);
    }
}
