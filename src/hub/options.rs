//! Where models come from and go to, by the environment variables that Hugging Face's own tools read.

use std::path::PathBuf;
use std::time::Duration;

/// How models are found and fetched. [`Options::from_env`] reads what the user has set.
#[derive(Clone)]
pub struct Options {
    /// The cache shared with other tools: `HF_HUB_CACHE`, else `hub` below `HF_HOME`.
    pub cache: PathBuf,
    /// The hub: `HF_ENDPOINT`, else <https://huggingface.co>. No trailing slash.
    pub endpoint: String,
    /// What gated and private models ask for: `HF_TOKEN`, else the token that `hf auth login` wrote.
    pub token: Option<String>,
    /// `HF_HUB_OFFLINE`: use the cache alone.
    pub offline: bool,
    /// Weights are wanted, too, and not only a model's config and tokenizer.
    pub weights: bool,
    /// Draw no progress bars.
    pub quiet: bool,
    /// How often in a row a transfer may fail without a new byte before it is given up.
    pub retries: u32,
    /// The pause before the first retry; it doubles with each.
    pub retry_delay: Duration,
}

impl Options {
    /// The options that the environment asks for.
    pub fn from_env() -> Self {
        Self::from_vars(
            |name| std::env::var(name).ok(),
            std::env::home_dir().unwrap_or_default(),
        )
    }

    /// [`Options::from_env`] over any lookup of variables; `home` is the user's directory. An empty variable counts
    /// as unset.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>, home: PathBuf) -> Self {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let path = |name: &str| var(name).map(|value| expand_home(&value, &home));
        let flag = |name: &str| {
            var(name).is_some_and(|value| {
                matches!(
                    value.to_ascii_uppercase().as_str(),
                    "1" | "ON" | "YES" | "TRUE"
                )
            })
        };

        let hf_home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .unwrap_or_else(|| home.join(".cache"))
                .join("huggingface")
        });
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| hf_home.join("hub"));
        let token = var("HF_TOKEN")
            .or_else(|| var("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| {
                if flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
                    return None;
                }
                let file = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
                std::fs::read_to_string(file).ok()
            });

        Self {
            cache,
            endpoint: var("HF_ENDPOINT").map_or_else(
                || "https://huggingface.co".into(),
                |url| url.trim_end_matches('/').into(),
            ),
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()),
            offline: flag("HF_HUB_OFFLINE") || flag("TRANSFORMERS_OFFLINE"),
            weights: true,
            quiet: false,
            retries: 5,
            retry_delay: Duration::from_secs(1),
        }
    }
}

/// The token stays out of logs.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// `~` and `~/x`, which a shell leaves alone inside quotes and env files.
fn expand_home(value: &str, home: &std::path::Path) -> PathBuf {
    match value.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => PathBuf::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(vars: &[(&str, &str)]) -> Options {
        let find = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        };
        Options::from_vars(find, PathBuf::from("/home/ada"))
    }

    #[test]
    fn the_cache_follows_hugging_face_precedence() {
        for (vars, cache) in [
            (&[][..], "/home/ada/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/xdg")], "/xdg/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/xdg"), ("HF_HOME", "/hf")], "/hf/hub"),
            (
                &[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")],
                "/old",
            ),
            (
                &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")],
                "/new",
            ),
            (&[("HF_HUB_CACHE", "~/models")], "/home/ada/models"),
            (&[("HF_HUB_CACHE", ""), ("HF_HOME", "~")], "/home/ada/hub"),
        ] {
            assert_eq!(options(vars).cache, PathBuf::from(cache), "{vars:?}");
        }
    }

    #[test]
    fn the_endpoint_loses_its_slash_and_offline_takes_the_usual_words() {
        assert_eq!(options(&[]).endpoint, "https://huggingface.co");
        assert_eq!(
            options(&[("HF_ENDPOINT", "http://mirror:8000/")]).endpoint,
            "http://mirror:8000"
        );
        for (value, offline) in [
            ("1", true),
            ("true", true),
            ("Yes", true),
            ("ON", true),
            ("0", false),
            ("", false),
        ] {
            assert_eq!(
                options(&[("HF_HUB_OFFLINE", value)]).offline,
                offline,
                "{value:?}"
            );
        }
        assert!(options(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
    }

    #[test]
    fn the_token_comes_from_the_variable_then_from_the_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "hf_file\n").unwrap();
        let home = directory.path().to_str().unwrap();
        assert_eq!(
            options(&[("HF_HOME", home)]).token.as_deref(),
            Some("hf_file")
        );
        assert_eq!(
            options(&[("HF_HOME", home), ("HF_TOKEN", " hf_var ")])
                .token
                .as_deref(),
            Some("hf_var")
        );
        assert_eq!(
            options(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]).token,
            None
        );
        let shown = format!("{:?}", options(&[("HF_TOKEN", "hf_secret")]));
        assert!(!shown.contains("hf_secret"), "{shown}");
    }
}
