//! TLS to destinations: always verified, against the system's certificate authorities.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

/// The client's side of TLS. There is no way to switch verification off.
///
/// # Errors
/// When the library has no protocol version in common with itself; in words.
pub fn config(extra_roots: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(extra_roots);
    if roots.is_empty() {
        tracing::warn!(
            errors = native.errors.len(),
            "the system has no certificate authorities (install ca-certificates): no https destination can be reached"
        );
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
