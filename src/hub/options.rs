//! Where models come from and go to, by the environment variables that Hugging Face's own tools read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::network::Network;
use super::setting::setting;
use super::token::Token;

/// How models are found and fetched. [`Options::from_env`] reads what the user has set.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cache shared with other tools: `HF_HUB_CACHE`, else `hub` below `HF_HOME`.
    pub cache: PathBuf,
    /// The hub: `HF_ENDPOINT`, else <https://huggingface.co>. No trailing slash.
    pub endpoint: String,
    /// What gated and private models ask for: `HF_TOKEN`, else the token that `hf auth login` wrote.
    pub token: Option<Token>,
    /// The way there.
    pub network: Network,
    /// `HF_HUB_OFFLINE`: use the cache alone.
    pub offline: bool,
    /// Files of a snapshot are links to its blobs, unless `HF_HUB_DISABLE_SYMLINKS` is set.
    pub symlinks: bool,
    /// Weights are wanted, too, and not only a model's config and tokenizer.
    pub weights: bool,
    /// Say nothing on stderr, and draw no progress bars there.
    pub quiet: bool,
    /// Draw progress bars, unless `HF_HUB_DISABLE_PROGRESS_BARS` is set.
    pub progress: bool,
    /// How often in a row a transfer may fail without a new byte before it is given up.
    pub retries: u32,
    /// The pause before the first retry; it doubles with each.
    pub retry_delay: Duration,
}

impl Options {
    /// The options that the environment asks for.
    pub fn from_env() -> Self {
        Self::from_vars(
            |name| std::env::var_os(name),
            std::env::home_dir().unwrap_or_default(),
        )
    }

    /// [`Options::from_env`] over any lookup of variables; `home` is the user's directory. An empty variable counts
    /// as unset.
    pub fn from_vars<V: Into<OsString>>(var: impl Fn(&str) -> Option<V>, home: PathBuf) -> Self {
        let var = |name: &str| var(name).map(Into::into);
        let text = |name: &str| setting(var, name).map(|setting| setting.value);
        let path = |name: &str| {
            let value = var(name).filter(|value: &OsString| !value.is_empty())?;
            Some(expand(value, var, &home))
        };
        let flag = |value: Option<String>| {
            value.is_some_and(|value| {
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
        let token = setting(var, "HF_TOKEN")
            .or_else(|| setting(var, "HUGGING_FACE_HUB_TOKEN"))
            .map_or_else(
                || match path("HF_TOKEN_PATH") {
                    Some(path) => Token::in_file(path, true),
                    None => Token::in_file(hf_home.join("token"), false),
                },
                Token::from_setting,
            );

        Self {
            cache,
            endpoint: text("HF_ENDPOINT").map_or_else(
                || "https://huggingface.co".into(),
                |url| url.trim().trim_end_matches('/').into(),
            ),
            token: match flag(text("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
                true => None,
                false => Some(token),
            },
            network: Network::from_vars(var),
            offline: flag(text("HF_HUB_OFFLINE").or_else(|| text("TRANSFORMERS_OFFLINE"))),
            symlinks: !flag(text("HF_HUB_DISABLE_SYMLINKS")),
            weights: true,
            quiet: false,
            progress: !flag(text("HF_HUB_DISABLE_PROGRESS_BARS")),
            retries: 5,
            retry_delay: Duration::from_secs(1),
        }
    }
}

/// What a shell leaves alone inside quotes and env files: `~` and `~/x`, `$NAME` and `${NAME}`. A variable that is not set
/// stays as it is written.
fn expand(value: OsString, var: impl Fn(&str) -> Option<OsString>, home: &Path) -> PathBuf {
    let Some(mut rest) = value.to_str() else {
        return value.into();
    };
    let mut expanded = OsString::new();
    if let Some(below) = rest.strip_prefix('~')
        && !home.as_os_str().is_empty()
        && (below.is_empty() || below.starts_with(std::path::is_separator))
    {
        expanded.push(home);
        rest = below;
    }
    while let Some(at) = rest.find('$') {
        let (before, name) = (&rest[..at], &rest[at + 1..]);
        let (name, after) = match name.strip_prefix('{').and_then(|name| name.split_once('}')) {
            Some(parts) => parts,
            None => name.split_at(
                name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                    .unwrap_or(name.len()),
            ),
        };
        expanded.push(before);
        match var(name).filter(|_| !name.is_empty()) {
            Some(value) => expanded.push(value),
            None => expanded.push(&rest[at..rest.len() - after.len()]),
        }
        rest = after;
    }
    expanded.push(rest);
    expanded.into()
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
            (
                &[
                    ("HF_HOME", "$BIG/hf-${WHO}"),
                    ("BIG", "/big"),
                    ("WHO", "ada"),
                ],
                "/big/hf-ada/hub",
            ),
            (&[("HF_HOME", "/a$/$NOT_SET/${/~")], "/a$/$NOT_SET/${/~/hub"),
        ] {
            assert_eq!(options(vars).cache, PathBuf::from(cache), "{vars:?}");
        }
    }

    /// Bytes that are no Unicode name directories all the same.
    #[test]
    #[cfg(unix)]
    fn a_cache_may_have_any_name() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(b"/caf\xe9".to_vec());
        let var = |key: &str| (key == "HF_HOME").then(|| name.clone());
        let options = Options::from_vars(var, PathBuf::new());
        assert_eq!(options.cache, PathBuf::from(name.clone()).join("hub"));
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
        let both = [("TRANSFORMERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "0")];
        assert!(!options(&both).offline, "the hub's own variable decides");
    }

    #[test]
    fn the_token_comes_from_the_variable_then_from_the_file() {
        let read = |vars: &[(&str, &str)]| options(vars).token.map(|token| token.read());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "hf_file\n").unwrap();
        let home = directory.path().to_str().unwrap();
        let file = [("HF_HOME", home)];
        assert_eq!(read(&file).unwrap().unwrap().as_deref(), Some("hf_file"));
        let both = [("HF_HOME", home), ("HF_TOKEN", " hf_var ")];
        assert_eq!(read(&both).unwrap().unwrap().as_deref(), Some("hf_var"));
        let neither = [("HF_HOME", "/nowhere")];
        assert_eq!(read(&neither).unwrap().unwrap(), None);

        let elsewhere = directory.path().join("elsewhere");
        let named = [
            ("HF_HOME", home),
            ("HF_TOKEN_PATH", elsewhere.to_str().unwrap()),
        ];
        let message = read(&named).unwrap().unwrap_err().to_string();
        assert!(message.contains("elsewhere"), "{message}");
        std::fs::write(&elsewhere, "hf_elsewhere").unwrap();
        assert_eq!(
            read(&named).unwrap().unwrap().as_deref(),
            Some("hf_elsewhere")
        );

        // As for Hugging Face's tools, no token that was not given to the call itself goes out then.
        let disabled = ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
        for vars in [[file[0], disabled], [both[1], disabled]] {
            assert!(read(&vars).is_none(), "{vars:?}");
        }
        let shown = format!("{:?}", options(&[("HF_TOKEN", "hf_secret")]));
        assert!(!shown.contains("hf_secret"), "{shown}");
    }
}
