//! TLS: rustls with ring, and the web's own roots compiled in, so that a slim image without CA files works too.
//!
//! Nothing is installed for the whole process: a library leaves that choice to its program.

use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// What a client needs to speak TLS, HTTP/2 preferred.
pub(crate) fn client_config() -> Result<rustls::ClientConfig> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::new(ErrorKind::Unknown, "TLS cannot be set up").with_source(cause))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
