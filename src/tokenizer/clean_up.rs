//! transformers' `clean_up_tokenization`.

/// These replacements, one after the other.
pub(super) fn spaces(text: String) -> String {
    const ENDINGS: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    ENDINGS
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}
