//! Sizes as people write them.

const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1000_u64.pow(2)),
    ("gb", 1000_u64.pow(3)),
    ("tb", 1000_u64.pow(4)),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Bytes out of a positive number with or without a unit, in any case: `536870912`, `1e9`, `512MiB`, `1.5 GB`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    // The exponent of 1e9 is part of the number, no unit begins so.
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].trim();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number = number.trim_end();
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(*factor)?,
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * *factor as f64;
            (bytes < u64::MAX as f64).then_some(bytes as u64)?
        }
    };
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_units() {
        for (text, expected) in [
            ("1", 1),
            ("1000000", 1_000_000),
            ("1e9", 1_000_000_000),
            ("1E9", 1_000_000_000),
            ("2.5e3", 2500),
            ("1MB", 1_000_000),
            ("1 mb", 1_000_000),
            ("512MiB", 512 << 20),
            ("1.5GB", 1_500_000_000),
            ("0.5GiB", 1 << 29),
            ("2TiB", 2 << 40),
            ("64kB", 64_000),
            ("7B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_bytes(text), Some(expected), "{text}");
        }
        for text in [
            "abc",
            "0",
            "-1",
            "0.2",
            "1XB",
            "MB",
            "1e",
            "e9",
            "1e30",
            "99999999TiB",
            "1,5GB",
            "inf",
            "nan",
            "+",
            "1 2",
            "0x10",
            "1M",
            ".5GB",
        ] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
