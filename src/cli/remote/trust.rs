//! Whose certificates a command trusts.

use std::path::Path;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Whose certificates are trusted.
#[derive(Clone, Debug)]
pub struct Tls(TlsConfig);

impl Tls {
    /// Those that browsers trust.
    pub fn usual() -> Self {
        Self(TlsConfig::default())
    }

    /// Those that this machine trusts.
    pub fn system() -> Self {
        Self(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
    }

    /// Those of a PEM file, and no others; else why not, and what to do.
    pub fn only_in(file: &Path) -> Result<Self, String> {
        let unusable = |why: String| format!("{}: {why}", file.display());
        let pem = std::fs::read(file)
            .map_err(|error| unusable(format!("{error}; name the file with the certificates to trust, in PEM")))?;
        Self::only(&pem).map_err(|why| unusable(why.to_owned()))
    }

    /// Anybody's.
    pub fn any() -> Self {
        Self(TlsConfig::builder().disable_verification(true).build())
    }

    /// As `ureq` takes it.
    pub fn config(&self) -> TlsConfig {
        self.0.clone()
    }

    fn only(pem: &[u8]) -> Result<Self, &'static str> {
        let certificates: Vec<_> = parse_pem(pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err("holds no certificate in PEM");
        }
        Ok(Self(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build()))
    }
}
