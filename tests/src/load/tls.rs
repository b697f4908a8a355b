//! TLS on the client's side: which version it speaks and which certificate it trusts.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A version of TLS, spoken and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// What a client needs to speak TLS with one server.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Speaks this version and trusts the certificate in this PEM file. Sessions are not resumed.
    pub fn trusting(certificate: &Path, version: Version) -> Result<Self> {
        let pem = fs::read(certificate).with_context(|| format!("reading {}", certificate.display()))?;
        let certificate = CertificateDer::from_pem_slice(&pem).context("a certificate in PEM")?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).context("trusting the server's certificate")?;
        let version = match version {
            Version::V12 => &TLS12,
            Version::V13 => &TLS13,
        };
        let mut config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_protocol_versions(&[version])
            .context("a version that the provider speaks")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    /// A session to be begun over a connection.
    pub(super) fn over(&self, stream: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::from(stream.peer_addr().context("the peer's address")?.ip());
        let session = ClientConnection::new(Arc::clone(&self.config), name).context("a TLS session")?;
        Ok(StreamOwned::new(session, stream))
    }
}
