//! Which proxy stands on the way to an address. ureq would read the same variables, but go direct where it understands
//! none of them.

use std::net::IpAddr;

use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::{Proxy, ProxyProtocol};

use super::address::{port, without_user};
use super::network::Network;
use super::setting::Setting;
use crate::{Error, Result};

/// The proxies that the environment names.
pub(super) struct Proxies {
    http: Option<NamedProxy>,
    https: Option<NamedProxy>,
    all: Option<NamedProxy>,
    direct: Vec<Pattern>,
}

/// A proxy, with what to call it.
pub(super) struct NamedProxy {
    pub proxy: Proxy,
    /// The variable it comes from.
    pub variable: String,
    /// Its address, without user and password.
    pub address: String,
}

impl Proxies {
    /// # Errors
    /// [`Error::Invalid`] names the variable that is not a proxy's address.
    pub fn new(network: &Network) -> Result<Self> {
        let named = |setting: &Option<Setting>| setting.as_ref().map(NamedProxy::new).transpose();
        let direct = network.no_proxy.as_ref().map_or("", |hosts| &hosts.value);
        Ok(Self {
            http: named(&network.http_proxy)?,
            https: named(&network.https_proxy)?,
            all: named(&network.all_proxy)?,
            direct: direct
                .split(|letter: char| letter == ',' || letter.is_whitespace())
                .filter(|pattern| !pattern.is_empty())
                .map(Pattern::new)
                .collect(),
        })
    }

    /// The one to ask for `uri`; `None` for the direct way.
    pub fn of(&self, uri: &Uri) -> Option<&NamedProxy> {
        let own = match uri.scheme() == Some(&Scheme::HTTPS) {
            true => &self.https,
            false => &self.http,
        };
        let proxy = own.as_ref().or(self.all.as_ref())?;
        let direct = self.direct.iter().any(|pattern| pattern.matches(uri));
        Some(proxy).filter(|_| !direct)
    }
}

impl NamedProxy {
    fn new(Setting { name, value }: &Setting) -> Result<Self> {
        let shown = without_user(value);
        let fault = |message: &str| {
            Error::Invalid(format!(
                "{name} is \"{shown}\", {message}: write it as http://HOST:PORT or socks5h://HOST:PORT, with USER:PASSWORD@ \
                 before HOST where it asks for them, or unset it"
            ))
        };
        let (scheme, rest) = value
            .trim()
            .split_once("://")
            .unwrap_or(("http", value.trim()));
        let scheme = scheme.to_ascii_lowercase();
        if ProxyProtocol::try_from(scheme.as_str()).is_err() {
            return Err(fault("which is no kind of proxy known here"));
        }
        let url = format!("{scheme}://{rest}");
        let proxy = Proxy::new(&url)
            .ok()
            .filter(|proxy| is_server(proxy.uri()))
            .ok_or_else(|| fault("which is no address of a proxy"))?;
        let socks4 = matches!(
            proxy.protocol(),
            ProxyProtocol::Socks4 | ProxyProtocol::Socks4A
        );
        if socks4 && proxy.username().is_some() {
            return Err(fault(
                "but users and passwords are for SOCKS5 and HTTP proxies",
            ));
        }
        Ok(Self {
            proxy,
            variable: name.clone(),
            address: without_user(&url),
        })
    }
}

/// Nothing but a host, and a port that is one where one is named.
fn is_server(uri: &Uri) -> bool {
    let named = |host: &str| host.rsplit(']').next().is_some_and(|end| end.contains(':'));
    uri.authority().is_some_and(|authority| {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        !authority.host().is_empty()
            && (!named(host) || authority.port_u16().is_some_and(|port| port > 0))
    }) && matches!(uri.path(), "" | "/")
        && uri.query().is_none()
}

/// An entry of `no_proxy`.
enum Pattern {
    Everything,
    Network {
        address: IpAddr,
        bits: u32,
    },
    Host {
        name: String,
        port: Option<u16>,
    },
    /// `10.*`: how the name begins.
    Prefix(String),
}

impl Pattern {
    fn new(entry: &str) -> Self {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return Self::Everything;
        }
        // `::1` is no host with a port.
        let bare = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>();
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (entry.as_str(), None),
        };
        if let Ok(address) = bare(address) {
            let width = if address.is_ipv4() { 32 } else { 128 };
            match bits.map_or(Ok(width), str::parse) {
                Ok(bits) if bits <= width => return Self::Network { address, bits },
                _ => {}
            }
        }
        if let Some(prefix) = entry.strip_suffix('*') {
            return Self::Prefix(prefix.to_owned());
        }
        let (host, port) = match entry
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse()))
        {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (entry.as_str(), None),
        };
        Self::Host {
            name: host
                .trim_start_matches('*')
                .trim_matches(['.', '[', ']'])
                .to_owned(),
            port,
        }
    }

    fn matches(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        match self {
            Self::Everything => true,
            Self::Network { address, bits } => host
                .parse()
                .is_ok_and(|host| in_network(host, *address, *bits)),
            Self::Prefix(prefix) => host.starts_with(prefix.as_str()),
            // A name stands for all that is below it, too; an address has nothing below.
            Self::Host { name, port: wanted } => {
                let below = |rest: &str| rest.ends_with('.') && host.parse::<IpAddr>().is_err();
                let rest = host.strip_suffix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || below(rest))
                    && wanted.is_none_or(|wanted| port(uri) == Some(wanted))
            }
        }
    }
}

/// The first `bits` bits of both are the same.
fn in_network(host: IpAddr, network: IpAddr, bits: u32) -> bool {
    let differ = match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            u128::from(host.to_bits() ^ network.to_bits()) << 96
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => host.to_bits() ^ network.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(vars: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::new(&Network::from_vars(|name| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        }))
    }

    /// The variable that an address's proxy comes from.
    fn variable(vars: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = proxies(vars).unwrap();
        let found = proxies.of(&url.parse().unwrap());
        found.map(|proxy| proxy.variable.clone())
    }

    #[test]
    fn an_address_goes_by_the_proxy_of_its_scheme() {
        let (plain, tls) = ("http://hub/x", "https://hub/x");
        let all = ("ALL_PROXY", "socks5://a");
        for (vars, of_plain, of_tls) in [
            (&[][..], None, None),
            (&[("HTTP_PROXY", "b")], Some("HTTP_PROXY"), None),
            (&[("https_proxy", "b")], None, Some("https_proxy")),
            (&[all], Some("ALL_PROXY"), Some("ALL_PROXY")),
            (
                &[all, ("HTTPS_PROXY", "https://b:1")],
                Some("ALL_PROXY"),
                Some("HTTPS_PROXY"),
            ),
            (
                &[("HTTP_PROXY", "b"), ("http_proxy", "c")],
                Some("http_proxy"),
                None,
            ),
            // Set to nothing: no proxy, whatever the large letters say.
            (&[("HTTP_PROXY", "b"), ("http_proxy", "")], None, None),
        ] {
            assert_eq!(variable(vars, plain).as_deref(), of_plain, "{vars:?}");
            assert_eq!(variable(vars, tls).as_deref(), of_tls, "{vars:?}");
        }
    }

    #[test]
    fn hosts_of_no_proxy_are_asked_directly() {
        for (entries, url, direct) in [
            ("hub.example", "https://hub.example/x", true),
            ("HUB.example", "https://Hub.Example/x", true),
            ("example", "https://hub.example/x", true),
            (".example", "https://hub.example/x", true),
            ("*.example", "https://hub.example/x", true),
            ("b.example", "https://hub.example/x", false),
            (".hub.example", "https://hub.example/x", true),
            ("other, hub.example", "https://hub.example/x", true),
            ("other hub.example", "https://hub.example/x", true),
            ("hub.example:443", "https://hub.example/x", true),
            ("hub.example:8443", "https://hub.example/x", false),
            ("*", "https://hub.example/x", true),
            ("127.0.0.1", "http://127.0.0.1:8000/x", true),
            ("127.0.0.1:9000", "http://127.0.0.1:8000/x", false),
            ("10.0.0.0/8", "http://10.1.2.3/x", true),
            ("10.0.0.0/8", "http://11.1.2.3/x", false),
            ("10.1.2.3/31", "http://10.1.2.2/x", true),
            ("0.0.0.0/0", "http://10.1.2.2/x", true),
            ("10.*", "http://10.1.2.2/x", true),
            ("::1", "http://[::1]:80/x", true),
            ("[::1]", "http://[::1]:80/x", true),
            ("fd00::/8", "http://[fd12::1]/x", true),
            ("fd00::/8", "http://[fe12::1]/x", false),
            ("1", "http://127.0.0.1/x", false),
            ("127.0.0.1:8000", "http://127.0.0.1:8000/x", true),
            ("", "https://hub.example/x", false),
        ] {
            let vars = [("all_proxy", "p"), ("no_proxy", entries)];
            assert_eq!(variable(&vars, url).is_none(), direct, "{entries:?} {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_without_its_password() {
        for value in [
            "not a url",
            "http://",
            "://x",
            "ftp://proxy:21",
            "http//proxy",
            "http:/proxy:80",
            "http://proxy/wpad.dat",
            "proxy:port",
            "http://proxy:99999",
            "http://proxy:0",
            "http://ada:secret@proxy:x",
            "http://ada:sec/ret@proxy:80",
            "socks4://ada:secret@proxy",
            "ada:secret@",
        ] {
            for name in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
                let message = match proxies(&[(name, value)]) {
                    Err(error) => error.to_string(),
                    Ok(_) => panic!("{value} was accepted"),
                };
                assert!(message.starts_with(&format!("{name} is \"")), "{message}");
                assert!(
                    !message.contains("sec") && !message.contains("ada"),
                    "{message}"
                );
            }
        }
        for (value, shown, port) in [
            ("proxy", "http://proxy", 80),
            ("proxy:3128", "http://proxy:3128", 3128),
            ("HTTPS://proxy", "https://proxy", 443),
            (
                "socks5h://ada:se%40cret@[::1]:9",
                "socks5h://***@[::1]:9",
                9,
            ),
            ("SOCKS4a://proxy/", "socks4a://proxy/", 1080),
        ] {
            let proxies = proxies(&[("ALL_PROXY", value)]).unwrap();
            let found = proxies.all.unwrap();
            assert_eq!((found.address.as_str(), found.proxy.port()), (shown, port));
        }
    }
}
