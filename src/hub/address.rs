//! Addresses: what is one, and what is the same server.

use ureq::http::Uri;

use crate::{Error, Result};

/// The hub's address.
///
/// # Errors
/// [`Error::Invalid`] for what is none.
pub(super) fn endpoint(text: &str) -> Result<Uri> {
    let fault = |message: &str| {
        Error::Invalid(format!(
            "HF_ENDPOINT is \"{}\", {message}",
            without_user(text)
        ))
    };
    let no_address = || {
        fault(
            &match text.contains("://") || text.contains(char::is_whitespace) {
                true => {
                    "which is no address of a hub: write it as https://HOST, or unset it".to_owned()
                }
                false => format!("which does not say how to talk to it: write https://{text}"),
            },
        )
    };
    let uri: Uri = text.parse().map_err(|_| no_address())?;
    let host = uri.host().is_some_and(|host| !host.is_empty());
    if !matches!(uri.scheme_str(), Some("http" | "https")) || !host || port(&uri).is_none() {
        return Err(no_address());
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(fault(
            "but a hub takes no user and password: leave them out, and set HF_TOKEN to a token",
        ));
    }
    if uri.query().is_some() {
        return Err(fault(
            "which goes on after its path: leave out what follows the \"?\"",
        ));
    }
    Ok(uri)
}

/// Scheme, host and port of an address.
pub(super) fn origin(uri: &Uri) -> String {
    let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let authority = part(uri.authority().map(|authority| authority.as_str()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{}://{host}", part(uri.scheme_str()))
}

/// The port of an address, that of its scheme where it names none; `None` for one that is out of range.
pub(super) fn port(uri: &Uri) -> Option<u16> {
    let host = uri.authority()?.as_str().rsplit('@').next()?;
    if host.rsplit(']').next()?.contains(':') {
        return uri.port_u16().filter(|&port| port > 0);
    }
    match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    }
}

/// The address that `location` is, seen from `base`.
pub(super) fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let scheme = location.split(['/', '?']).next()?.ends_with(':');
    let path = base.path();
    if scheme && location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}:{location}", base.scheme_str()?)
    } else if location.starts_with('/') {
        format!("{}{location}", origin(base))
    } else if location.starts_with('?') {
        format!("{}{path}{location}", origin(base))
    } else {
        let directory = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        format!("{}{directory}{location}", origin(base))
    }
    .parse()
    .ok()
}

/// What is told `hub` may be told `uri`: it is the same server, or the same under TLS.
pub(super) fn is_same_server(hub: &Uri, uri: &Uri) -> bool {
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    let ports = (port(hub), port(uri));
    let upgraded = ports == (Some(80), Some(443)) && uri.scheme_str() == Some("https");
    host(hub) == host(uri) && (upgraded || (hub.scheme() == uri.scheme() && ports.0 == ports.1))
}

/// An address, with `***` for its user and password.
pub(super) fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    match url.rfind('@') {
        Some(at) if at >= start => format!("{}***{}", &url[..start], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_read_from_where_it_stands() {
        let base = "http://a:8/hub/x?y=1".parse().unwrap();
        for (location, joined) in [
            ("https://b/z?k=%20#part", "https://b/z?k=%20"),
            ("//b/z", "http://b/z"),
            ("/z", "http://a:8/z"),
            ("/z?to=http://c/", "http://a:8/z?to=http://c/"),
            ("z", "http://a:8/hub/z"),
            ("?k", "http://a:8/hub/x?k"),
        ] {
            assert_eq!(join(&base, location).unwrap(), joined, "{location}");
        }
    }

    #[test]
    fn a_server_is_a_host_at_a_port() {
        let same =
            |hub: &str, uri: &str| is_same_server(&hub.parse().unwrap(), &uri.parse().unwrap());
        assert!(same("https://hub", "https://HUB:443/x"));
        assert!(same("http://hub", "https://hub/x"));
        for other in [
            "http://hub/",
            "https://hub:8443/",
            "https://a.hub/",
            "https://hub.b/",
        ] {
            assert!(!same("https://hub", other), "{other}");
        }
        assert!(!same("http://hub:8000", "https://hub/"));
    }

    #[test]
    fn an_address_of_a_hub_is_whole() {
        for text in [
            "https://huggingface.co",
            "http://h:8000",
            "https://h/api/hub",
            "http://[::1]:8",
        ] {
            assert_eq!(
                endpoint(text).unwrap().to_string().trim_end_matches('/'),
                text
            );
        }
        for (text, advice) in [
            ("hf-mirror.com", "write https://hf-mirror.com"),
            ("localhost:8000", "write https://localhost:8000"),
            ("not a url", "write it as https://HOST"),
            ("ftp://h", "write it as https://HOST"),
            ("http://", "write it as https://HOST"),
            ("http://h:99999", "write it as https://HOST"),
            ("https://ada:secret@h", "HF_TOKEN"),
            ("https://h/?x", "after its path"),
        ] {
            let message = endpoint(text).unwrap_err().to_string();
            assert!(message.starts_with("HF_ENDPOINT is \""), "{message}");
            assert!(
                message.contains(advice) && !message.contains("secret"),
                "{message}"
            );
        }
    }
}
