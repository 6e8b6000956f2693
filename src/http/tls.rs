//! TLS on a listener: a certificate that can be exchanged while connections stand.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

/// A certificate and its key, as their files were when they were read last without a fault.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// What the files looked like when they were read last, with or without a fault.
    seen: Mutex<Stamp>,
}

/// A certificate can't be used. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file can't be read.
    #[error("{}: {error}; name files in PEM that the service's user may read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// No certificate is in it.
    #[error("{}: {problem}; it has to hold the certificate, then those it was issued under, in PEM", path.display())]
    Chain {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No key is in it.
    #[error("{}: holds no private key in PEM; encrypted ones can't be used", path.display())]
    Key {
        /// Which.
        path: PathBuf,
    },
    /// They don't go together.
    #[error("{} and {}: {problem}; put a certificate there with the key that it was issued for", chain.display(), key.display())]
    Pair {
        /// Which certificate.
        chain: PathBuf,
        /// Which key.
        key: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// [`CertificateError`] names the file, the fault and the remedy.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let seen = Mutex::new(stamp(chain, key));
        let current = ArcSwap::from_pointee(read(chain, key)?);
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current, seen })
    }

    /// Reads them again. What fails changes nothing.
    ///
    /// # Errors
    /// As [`Certificate::load`].
    pub fn reload(&self) -> Result<(), CertificateError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp(&self.chain, &self.key);
        self.current.store(Arc::new(read(&self.chain, &self.key)?));
        Ok(())
    }

    /// Whether the files changed since they were read last: in place, renamed, or by a link in front of them.
    pub fn has_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != stamp(&self.chain, &self.key)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.chain
    }

    /// What a listener needs: TLS 1.2 and 1.3 as rustls has them, and no certificates of clients.
    pub(super) fn config(self: &Arc<Self>) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites of both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<_>)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

fn read(chain: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let provider: CryptoProvider = default_provider();
    let no_chain = |problem: String| CertificateError::Chain { path: chain.to_owned(), problem };
    let text = bytes(chain)?;
    let certificates: Result<Vec<CertificateDer<'static>>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| no_chain(error.to_string()))?;
    if certificates.is_empty() {
        return Err(no_chain("holds no certificate".to_owned()));
    }
    // Nothing of what the library says of the key: that file may be anything.
    let found = PrivateKeyDer::from_pem_slice(&Zeroizing::new(bytes(key)?));
    let found = found.map_err(|_| CertificateError::Key { path: key.to_owned() })?;
    CertifiedKey::from_der(certificates, found, &provider).map_err(|error| CertificateError::Pair {
        chain: chain.to_owned(),
        key: key.to_owned(),
        problem: error.to_string(),
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| CertificateError::File { path: path.to_owned(), error })
}

/// What tells two states of a file apart without reading it: which file, when it changed, how long it is.
type Stamp = [Option<(u64, u64, i64, i64, u64)>; 2];

fn stamp(chain: &Path, key: &Path) -> Stamp {
    [chain, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec(), found.len()))
    })
}

const MAX_FILE: u64 = 1 << 20;
