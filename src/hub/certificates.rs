//! Whose signature on the hub's certificate counts: those whom the system trusts, which is where a company puts a CA of
//! its own, or those in the files that the environment names.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::network::Network;
use super::setting::Setting;
use crate::{Error, Result};

/// What TLS is spoken by.
///
/// # Errors
/// [`Error::Invalid`] names a variable whose file or directory holds no certificate.
pub(super) fn config(network: &Network) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let broken = |error: rustls::Error| Error::Invalid(format!("no TLS to be had: {error}"));
    let verifier = verifier(network, provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?;
    Ok(config
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn verifier(
    network: &Network,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let mut certificates = Vec::new();
    for setting in &network.certificates {
        certificates.extend(read(setting)?);
    }
    let none = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!("the system's certificates cannot be used: {error}"))
    };
    if network.certificates.is_empty() {
        if cfg!(any(windows, target_vendor = "apple")) {
            let verifier = rustls_platform_verifier::Verifier::new(provider);
            return Ok(Arc::new(verifier.map_err(|error| none(&error))?));
        }
        certificates = rustls_native_certs::load_native_certs().certs;
    }
    let mut roots = RootCertStore::empty();
    match certificates.is_empty() {
        // A bare container has no such store: Mozilla's list, which is in the binary, stands in for it.
        true => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        false => {
            roots.add_parsable_certificates(certificates.iter().cloned());
        }
    }
    let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| none(&error))?;
    Ok(Arc::new(Verifier {
        signed,
        certificates,
    }))
}

/// The certificates in a file, a directory, or several directories with the separator of `PATH` in between.
fn read(Setting { name, value }: &Setting) -> Result<Vec<CertificateDer<'static>>> {
    let whole = Path::new(value);
    let paths = match name == "SSL_CERT_DIR" && !whole.exists() {
        true => std::env::split_paths(value).collect(),
        false => vec![whole.to_owned()],
    };
    let (mut certificates, mut reason) = (Vec::new(), "there is none in PEM form".to_owned());
    for path in paths.iter().filter(|path| !path.as_os_str().is_empty()) {
        let found = match path.is_dir() {
            true => rustls_native_certs::load_certs_from_paths(None, Some(path)),
            false => rustls_native_certs::load_certs_from_paths(Some(path), None),
        };
        if let Some(error) = found.errors.first() {
            reason = error.to_string();
        }
        certificates.extend(found.certs);
    }
    let (usable, _) =
        RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    match usable {
        0 => Err(Error::Invalid(format!(
            "{name} is \"{value}\", which gives no certificate to trust ({reason}): name a file of certificates in PEM form, \
             or unset it"
        ))),
        _ => Ok(certificates),
    }
}

/// Trusts whom the certificates' owners have signed for, and those owners themselves: who makes a certificate with one call
/// of openssl gets one that is its own CA, which counts elsewhere once it is named, too.
#[derive(Debug)]
struct Verifier {
    signed: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.signed.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            // That it is a CA's is found out after the dates have been looked at, and before the name is.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
