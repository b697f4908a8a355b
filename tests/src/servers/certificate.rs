//! Self-signed certificates for 127.0.0.1, made by the `openssl` program.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::{command, write};

/// Name of the certificate's file.
pub const CERTIFICATE: &str = "certificate.pem";
/// Name of the private key's file.
pub const KEY: &str = "key.pem";

/// Its own file, because the distribution's would make it a certificate of an authority, which no client takes from
/// a server.
const CONFIG: &str = "
[req]
distinguished_name = name
x509_extensions = server
prompt = no
[name]
CN = drain-observer-tests
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
";

/// Makes a key and its certificate in `dir`, valid for two days.
pub(crate) fn make(dir: &TempDir) -> Result<()> {
    write(dir, "openssl.cnf", CONFIG)?;
    let mut openssl = command("openssl")?;
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    openssl.args(["-days", "2", "-config", "openssl.cnf", "-keyout", KEY, "-out", CERTIFICATE]);
    let output = openssl.current_dir(dir.path()).stdin(Stdio::null()).output().context("running openssl")?;
    ensure!(
        output.status.success(),
        "openssl made no certificate: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
