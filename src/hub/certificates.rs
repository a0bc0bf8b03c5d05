//! Whose signature on the hub's certificate counts: those whom the system trusts, which is where a company puts a CA of
//! its own, or those in the files that the environment names.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts};

use super::network::Network;
use super::setting::Setting;
use crate::{Error, Result};

/// Who is trusted.
///
/// # Errors
/// [`Error::Invalid`] names a variable whose file or directory holds no certificate.
pub(super) fn trusted(network: &Network) -> Result<RootCerts> {
    if network.certificates.is_empty() {
        return Ok(system());
    }
    let mut certificates = Vec::new();
    for setting in &network.certificates {
        certificates.extend(read(setting)?);
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// The certificates in a file, a directory, or several directories with the separator of `PATH` in between.
fn read(Setting { name, value }: &Setting) -> Result<Vec<Certificate<'static>>> {
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
        _ => Ok(owned(&certificates)),
    }
}

fn owned(certificates: &[CertificateDer]) -> Vec<Certificate<'static>> {
    certificates
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect()
}

/// What the system trusts. A bare container has no such store: Mozilla's list, which is in the binary, stands in for it.
fn system() -> RootCerts {
    if cfg!(any(windows, target_vendor = "apple")) {
        return RootCerts::PlatformVerifier;
    }
    let found = rustls_native_certs::load_native_certs().certs;
    match found.is_empty() {
        true => RootCerts::WebPki,
        false => RootCerts::Specific(Arc::new(owned(&found))),
    }
}
