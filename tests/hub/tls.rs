//! Hubs whose certificates a CA signed that nobody knows but the company it belongs to.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::proxies::{Kind, Proxy};
use super::*;

/// A CA, with its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        Self::called("A company's CA")
    }

    fn called(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    fn file(&self) -> String {
        self.path("ca.pem")
    }

    fn path(&self, name: &str) -> String {
        self.directory
            .path()
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// A hub with a certificate for these names.
    fn hub(&self, names: &[&str]) -> Hub {
        self.hub_until(names, 2100)
    }

    fn hub_until(&self, names: &[&str], year: i32) -> Hub {
        let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        hub(certificate, &key)
    }

    /// `org/model` at such a hub, with variables to fetch it by.
    fn fixture(&self, vars: &[(&str, &str)]) -> Fixture {
        let hub = self.hub(&["127.0.0.1", "localhost"]);
        hub.state().cdn = Some(format!("https://localhost:{}", hub.port));
        let fixture = Fixture::over(hub, vars);
        fixture.publish();
        fixture
    }
}

/// A hub with this certificate.
fn hub(certificate: Certificate, key: &KeyPair) -> Hub {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Hub::start_tls(Arc::new(config))
}

#[test]
fn a_ca_that_the_environment_names_is_trusted() {
    let authority = Authority::new();
    let (file, directory) = (authority.file(), authority.path(""));
    let other = Authority::new().directory.keep();
    let several = std::env::join_paths([other.as_path(), Path::new(&directory)]).unwrap();
    for (variable, value) in [
        ("SSL_CERT_FILE", &file),
        ("SSL_CERT_DIR", &directory),
        ("SSL_CERT_DIR", &several.into_string().unwrap()),
        ("REQUESTS_CA_BUNDLE", &file),
        ("REQUESTS_CA_BUNDLE", &directory),
        ("CURL_CA_BUNDLE", &file),
    ] {
        let fixture = authority.fixture(&[(variable, value)]);
        fixture.resolve("org/model").unwrap();
        assert_eq!(transfers(&fixture.hub.requests()).len(), 1);
    }
    std::fs::remove_dir_all(other).unwrap();
}

#[test]
fn a_ca_that_nobody_names_is_not_and_that_is_told_at_once() {
    let authority = Authority::new();
    let stranger = Authority::called("Another CA");
    for vars in [&[][..], &[("SSL_CERT_FILE", stranger.file().as_str())]] {
        let fixture = authority.fixture(vars);
        let message = fixture.error("org/model");
        assert_contains(
            &message,
            &[
                &format!("{} cannot be reached", fixture.hub.endpoint()),
                "UnknownIssuer",
                "SSL_CERT_FILE",
                "missing: config.json",
            ],
        );
        assert!(!message.contains("tries"), "{message}");
        assert_eq!(fixture.hub.state().connections, 1, "it was asked again");
        assert!(fixture.hub.requests().is_empty());
    }
}

#[test]
fn a_certificate_for_another_host_or_of_another_time_is_told_at_once() {
    let authority = Authority::new();
    let ca = authority.file();
    for (hub, reason) in [
        (authority.hub(&["hub.example"]), "not valid for name"),
        (authority.hub_until(&["127.0.0.1"], 2001), "expired"),
    ] {
        let fixture = Fixture::over(hub, &[("SSL_CERT_FILE", &ca)]);
        fixture.publish();
        let message = fixture.error("org/model");
        assert_contains(&message, &[&fixture.hub.endpoint(), reason]);
        assert_eq!(fixture.hub.state().connections, 1, "it was asked again");
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let authority = Authority::new();
    let write = |name: &str, text: &[u8]| {
        let path = authority.path(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let empty = tempfile::tempdir().unwrap();
    for value in [
        "/nowhere/ca.pem".to_owned(),
        write("empty", b""),
        write("text", b"no certificate"),
        write("der", authority.issuer.der()),
        write("damaged", damaged.as_bytes()),
        empty.path().to_str().unwrap().to_owned(),
    ] {
        for variable in [
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
        ] {
            let fixture = authority.fixture(&[(variable, &value)]);
            assert_contains(
                &fixture.error("org/model"),
                &[&format!("{variable} is \"{value}\""), "PEM"],
            );
            assert_eq!(fixture.hub.state().connections, 0);
        }
    }
}

#[test]
fn tls_goes_through_proxies() {
    let authority = Authority::new();
    let ca = authority.file();
    for (kind, scheme) in [
        (Kind::Http, "http"),
        (Kind::Socks4, "socks4a"),
        (Kind::Socks5, "socks5h"),
    ] {
        let proxy = Proxy::start(kind);
        let value = format!("{scheme}://127.0.0.1:{}", proxy.port);
        let fixture = authority.fixture(&[("SSL_CERT_FILE", &ca), ("HTTPS_PROXY", &value)]);
        fixture.resolve("org/model").unwrap();
        assert!(!proxy.asked().is_empty());

        let fixture = authority.fixture(&[("HTTPS_PROXY", &value)]);
        assert_contains(
            &fixture.error("org/model"),
            &[
                "through the proxy",
                &value,
                "UnknownIssuer",
                "SSL_CERT_FILE",
            ],
        );
    }
}

/// As `openssl req -x509` makes them: a certificate that nobody else signed, and that calls itself a CA's.
#[test]
fn a_server_may_be_its_own_ca_where_it_is_named() {
    let own = |name: &str, year: i32, ca: bool| {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "A hub");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, certificate.pem()).unwrap();
        (hub(certificate, &key), file)
    };
    let fetch = |hub: Hub, ca: &Path| {
        let fixture = Fixture::over(hub, &[("SSL_CERT_FILE", ca.to_str().unwrap())]);
        // Small enough for the hub itself to keep.
        fixture
            .hub
            .publish("org/model", 'a', &published(b"weights"));
        fixture
            .resolve("org/model")
            .map_err(|error| error.to_string())
    };
    for ca in [true, false] {
        let (hub, file) = own("127.0.0.1", 2100, ca);
        fetch(hub, file.path()).unwrap();

        let (hub, file) = own("hub.example", 2100, ca);
        assert_contains(
            &fetch(hub, file.path()).unwrap_err(),
            &["not valid for name"],
        );
        let (hub, file) = own("127.0.0.1", 2001, ca);
        assert_contains(&fetch(hub, file.path()).unwrap_err(), &["expired"]);

        // Another that says the same of itself.
        let (hub, _) = own("127.0.0.1", 2100, ca);
        let (_, file) = own("127.0.0.1", 2100, ca);
        assert_contains(&fetch(hub, file.path()).unwrap_err(), &["SSL_CERT_FILE"]);
    }
}
