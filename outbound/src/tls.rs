//! TLS to destinations: always verified, against the system's certificate authorities.

use std::sync::Arc;

use gatepost_config::ClientCertificate;
use rustls::{
    ClientConfig, RootCertStore, client::ResolvesClientCert, crypto::ring, pki_types::CertificateDer,
    sign::SingleCertAndKey,
};

/// The protocol's name for HTTP/2.
pub(crate) const H2: &[u8] = b"h2";
const HTTP_11: &[u8] = b"http/1.1";

/// The client's side of TLS, for HTTP/1.1. There is no way to switch verification off.
///
/// # Errors
/// When the library has no protocol version in common with itself; in words.
pub fn config(extra_roots: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    Ok(Arc::new(client(&roots(extra_roots), None)?))
}

/// As [`config`], offering HTTP/2 too, with a certificate for servers that ask for one.
///
/// # Errors
/// When the library has no protocol version in common with itself; in words.
pub fn config_with(
    roots: &Arc<RootCertStore>,
    certificate: Option<&ClientCertificate>,
) -> Result<Arc<ClientConfig>, String> {
    let mut config = client(roots, certificate)?;
    config.alpn_protocols = vec![H2.to_vec(), HTTP_11.to_vec()];
    Ok(Arc::new(config))
}

/// The system's certificate authorities, and others.
pub fn roots(extra: Vec<CertificateDer<'static>>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(extra);
    if roots.is_empty() {
        tracing::warn!(
            errors = native.errors.len(),
            "the system has no certificate authorities (install ca-certificates): no https destination can be reached"
        );
    }
    Arc::new(roots)
}

fn client(roots: &Arc<RootCertStore>, certificate: Option<&ClientCertificate>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots.clone());
    Ok(match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => builder.with_client_cert_resolver(resolver(certificate)),
    })
}

fn resolver(certificate: &ClientCertificate) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(certificate.certified.clone()))
}
