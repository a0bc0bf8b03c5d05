//! The way to the hub: through proxies, and what is said at once where there is none.

use super::proxies::{Kind, Proxy, USER};
use super::*;

/// A port that nobody listens at, having been free a moment ago.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn every_kind_of_proxy_is_gone_through() {
    // Whether the proxy or its caller looks the name up is what tells these kinds apart.
    for (kind, scheme, user, asked) in [
        (Kind::Http, "http://", "", "localhost"),
        (Kind::Http, "", "", "localhost"),
        (Kind::HttpWithUser, "http://", USER, "localhost"),
        (Kind::Socks4, "socks4://", "", "127.0.0.1"),
        (Kind::Socks4, "socks4a://", "", "localhost"),
        (Kind::Socks5, "socks5://", "", "127.0.0.1"),
        (Kind::Socks5, "socks5h://", "", "localhost"),
        (Kind::Socks5WithUser, "socks5h://", USER, "localhost"),
        (Kind::Socks5WithUser, "SOCKS5://", USER, "127.0.0.1"),
    ] {
        let proxy = Proxy::start(kind);
        let at = if user.is_empty() { "" } else { "@" };
        let value = format!("{scheme}{user}{at}127.0.0.1:{}", proxy.port);
        for variable in ["HTTP_PROXY", "all_proxy"] {
            let mut fixture = Fixture::with_vars(&[(variable, &value)]);
            // A system whose `localhost` is `::1` first could not be reached by the kinds that take an address.
            let host = if asked == "localhost" {
                "localhost"
            } else {
                "127.0.0.1"
            };
            fixture.options.endpoint = format!("http://{host}:{}", fixture.hub.port);
            let weights = fixture.publish();
            let directory = fixture.resolve("org/model").unwrap();
            let found = std::fs::read(directory.join("model.safetensors")).unwrap();
            assert_eq!(found, weights, "{value}");
        }
        let wanted = format!("{asked}:");
        assert!(
            proxy.asked().iter().any(|host| host.starts_with(&wanted)),
            "{value}: {:?}",
            proxy.asked()
        );
    }
}

#[test]
fn a_proxy_may_know_names_that_nobody_else_does() {
    for (kind, scheme) in [
        (Kind::Http, "http"),
        (Kind::Socks4, "socks4a"),
        (Kind::Socks5, "socks5h"),
    ] {
        let proxy = Proxy::start(kind);
        let value = format!("{scheme}://127.0.0.1:{}", proxy.port);
        let mut fixture = Fixture::with_vars(&[("ALL_PROXY", &value)]);
        fixture.options.endpoint = format!("http://hub.invalid:{}", fixture.hub.port);
        fixture.publish();
        fixture.resolve("org/model").unwrap();
        assert!(proxy.asked()[0].starts_with("hub.invalid:"));
    }
    // These leave the look-up to their caller, who is told so.
    let proxy = Proxy::start(Kind::Socks5);
    let value = format!("socks5://127.0.0.1:{}", proxy.port);
    let mut fixture = Fixture::with_vars(&[("ALL_PROXY", &value)]);
    fixture.options.endpoint = format!("http://hub.invalid:{}", fixture.hub.port);
    assert_contains(
        &fixture.error("org/model"),
        &[
            "http://hub.invalid:",
            &format!("through the proxy {value} of ALL_PROXY"),
            "socks5h://",
        ],
    );
}

#[test]
fn a_proxy_that_cannot_be_used_is_named_and_never_gone_around() {
    let closed = closed_port();
    let broken = Proxy::start(Kind::Broken).port;
    let (http, socks) = (
        Proxy::start(Kind::HttpWithUser).port,
        Proxy::start(Kind::Socks5WithUser).port,
    );
    let mut wrong = Vec::new();
    for scheme in ["http", "socks4", "socks4a", "socks5", "socks5h"] {
        wrong.push((format!("{scheme}://127.0.0.1:{closed}"), "refused"));
        wrong.push((format!("{scheme}://proxy.invalid:80"), "lookup"));
        wrong.push((format!("{scheme}://127.0.0.1:{broken}"), ""));
    }
    wrong.push((format!("http://127.0.0.1:{http}"), "407"));
    wrong.push((
        format!("http://ada:wrong@127.0.0.1:{http}"),
        "put user and password",
    ));
    wrong.push((format!("socks5h://127.0.0.1:{socks}"), "auth"));
    wrong.push((
        format!("socks5h://ada:wrong@127.0.0.1:{socks}"),
        "authentication failed",
    ));
    let server = Proxy::start(Kind::Server).port;
    wrong.push((format!("http://127.0.0.1:{server}"), "400"));
    wrong.push((format!("socks4://127.0.0.1:{server}"), "invalid response"));
    wrong.push((format!("socks5h://127.0.0.1:{server}"), "invalid response"));
    for (value, reason) in wrong {
        for variable in ["http_proxy", "ALL_PROXY"] {
            let fixture = Fixture::with_vars(&[(variable, &value)]);
            fixture.publish();
            let message = fixture.error("org/model");
            let (_, address) = value.rsplit_once(['/', '@']).unwrap();
            assert_contains(
                &message,
                &[
                    "org/model: not complete in the cache",
                    "through the proxy",
                    address,
                    variable,
                    "missing: config.json",
                ],
            );
            if cfg!(target_os = "linux") {
                assert_contains(&message, &[reason]);
            }
            assert!(!message.contains("wrong"), "a password: {message}");
            assert!(!message.contains("tries"), "it will not pass: {message}");
            assert_eq!(fixture.hub.state().connections, 0, "{value}: went around");
        }
    }
}

#[test]
fn what_is_no_address_of_a_proxy_is_an_error_and_not_passed_over() {
    for value in [
        "not a url",
        "http://",
        "ftp://127.0.0.1:21",
        "http://ada:wrong@127.0.0.1:no",
    ] {
        for variable in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
            let fixture = Fixture::with_vars(&[(variable, value)]);
            fixture.publish();
            let message = fixture.error("org/model");
            assert_contains(&message, &[&format!("{variable} is \""), "HOST:PORT"]);
            assert!(!message.contains("wrong"), "{message}");
            assert_eq!(fixture.hub.state().connections, 0);
        }
    }
}

#[test]
fn hosts_of_no_proxy_are_asked_directly() {
    let dead = format!("http://127.0.0.1:{}", closed_port());
    for hosts in [
        "*",
        "127.0.0.1, localhost",
        "127.0.0.0/8,localhost",
        "127.*,localhost",
    ] {
        let fixture = Fixture::with_vars(&[("ALL_PROXY", &dead), ("NO_PROXY", hosts)]);
        fixture.publish();
        fixture.resolve("org/model").unwrap();
    }
    // The hub directly, its CDN not.
    let fixture = Fixture::with_vars(&[("HTTP_PROXY", &dead), ("no_proxy", "127.0.0.1")]);
    fixture.publish();
    assert_contains(
        &fixture.error("org/model"),
        &["http://localhost:", "through the proxy", "HTTP_PROXY"],
    );
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    let hub = Hub::start();
    for (endpoint, reason) in [
        ("http://no-such-host.invalid".to_owned(), "lookup"),
        (format!("http://127.0.0.1:{}", closed_port()), "refused"),
        // TLS where there is none.
        (format!("https://127.0.0.1:{}", hub.port), ""),
    ] {
        let mut fixture = Fixture::new();
        fixture.options.endpoint = endpoint.clone();
        let message = fixture.error("org/model");
        assert_contains(
            &message,
            &[
                "org/model: not complete in the cache",
                &format!("{endpoint} cannot be reached"),
                "missing: config.json, the weights and the tokenizer, which would go to",
                fixture.root().to_str().unwrap(),
                "HF_ENDPOINT",
            ],
        );
        if cfg!(target_os = "linux") {
            assert_contains(&message, &[reason]);
        }
        assert!(!message.contains("tries"), "{message}");
    }
    assert_eq!(hub.state().connections, 1, "it was asked again");
}

#[test]
fn a_file_server_that_is_not_there_is_told_at_once() {
    let (fixture, ..) = Fixture::with_model();
    let closed = format!("http://127.0.0.1:{}", closed_port());
    fixture.hub.state().cdn = Some(closed.clone());
    let message = fixture.error("org/model");
    assert_contains(
        &message,
        &[
            &format!("{closed} cannot be reached"),
            "missing: config.json, the weights",
        ],
    );
    assert!(!message.contains("times in a row"), "{message}");

    // One that refuses is not the hub that refuses.
    let other = Hub::start();
    other.state().answers = [(403, "", "")].into();
    fixture.hub.state().cdn = Some(other.endpoint());
    assert_contains(
        &fixture.error("org/model"),
        &[&other.endpoint(), "403", "model.safetensors", "firewall"],
    );
}

#[test]
fn what_is_wrong_with_the_settings_is_said_by_name() {
    for (variable, value) in [
        ("HF_TOKEN", "hf_\u{e4}"),
        ("HF_TOKEN", "hf_a hf_b"),
        ("HUGGING_FACE_HUB_TOKEN", "\u{201c}hf_x\u{201d}"),
        ("HF_TOKEN_PATH", "/nowhere/token"),
        ("HF_ENDPOINT", "hf-mirror.example"),
        ("HF_ENDPOINT", "ftp://hf-mirror.example"),
        ("HF_HUB_ETAG_TIMEOUT", "soon"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "1.5"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
    ] {
        let fixture = Fixture::with_vars(&[(variable, value)]);
        fixture.publish();
        let message = fixture.error("org/model");
        let named = match variable {
            "HF_TOKEN_PATH" => value,
            variable => variable,
        };
        assert_contains(&message, &[named]);
        assert!(!message.contains("hf_"), "a part of a token: {message}");
        assert_eq!(fixture.hub.state().connections, 0);
        assert!(!fixture.root().exists());
    }
}

#[test]
fn a_token_of_bytes_that_are_no_text_is_said_by_name() {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let token = std::ffi::OsString::from_vec(b"hf_\xff".to_vec());
        let options = Options::from_vars(
            |name| (name == "HF_TOKEN").then(|| token.clone()),
            PathBuf::from("/nowhere"),
        );
        let mut fixture = Fixture::new();
        fixture.options.token = options.token;
        assert_contains(&fixture.error("org/model"), &["HF_TOKEN"]);
    }
}

#[test]
fn line_breaks_around_a_token_are_no_part_of_it() {
    let fixture = Fixture::with_vars(&[("HF_TOKEN", " hf_right\r\n")]);
    fixture.hub.state().token = Some("hf_right");
    fixture.publish();
    fixture.resolve("org/model").unwrap();
}

#[test]
fn no_setting_of_the_network_matters_where_the_cache_has_everything() {
    let wrong = [
        ("HF_TOKEN", "hf_\u{e4}"),
        ("HF_HUB_ETAG_TIMEOUT", "soon"),
        ("SSL_CERT_FILE", "/nowhere"),
        ("ALL_PROXY", "not a url"),
    ];
    let (mut fixture, ..) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();
    let settings = Fixture::with_vars(&wrong).options;
    fixture.options.token = settings.token;
    fixture.options.network = settings.network;
    fixture.options.endpoint = "http://no-such-host.invalid".into();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);

    // As another tool leaves it: the hub would be asked what else there is, once.
    std::fs::remove_dir_all(fixture.root().join(".no_exist")).unwrap();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    fixture.options.network = Default::default();
    fixture.options.token = None;
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    fixture.options.endpoint = fixture.hub.endpoint();
    fixture.hub.requests();
    fixture.hub.state().answers = [(503, "", ""), (503, "", ""), (503, "", "")].into();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    assert_eq!(fixture.hub.requests().len(), 1);
}

#[test]
fn the_token_is_told_no_other_port_of_the_same_host() {
    let mut fixture = Fixture::with_vars(&[("HF_TOKEN", "hf_right")]);
    fixture.publish();
    let other = Hub::start();
    let weights = weights(100_000);
    other.publish("org/model", 'a', &published(&weights));
    fixture.hub.state().token = Some("hf_right");
    fixture.hub.state().cdn = Some(other.endpoint());
    fixture.options.quiet = true;
    fixture.resolve("org/model").unwrap();
    let requests = other.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].token, None, "{requests:?}");
}

#[test]
fn a_hub_may_lie_below_a_path() {
    let (mut fixture, ..) = Fixture::with_model();
    fixture.options.endpoint = format!("{}/mirror", fixture.hub.endpoint());
    fixture.resolve("org/model").unwrap();
    let requests = fixture.hub.requests();
    assert!(
        requests[0]
            .path
            .starts_with("/mirror/api/models/org/model/")
    );
}
