//! The directory in which the ring lives, and the cluster secret that opens it.

mod foreign;

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::disk::clean_up;
use super::private_file::{PrivateFileError, Readers, create_private, read_mounted, read_private, replace_private};
use super::ring_error::RingDirError;
use super::{cluster_secret, ring_lock};
use crate::entropy::Entropy;
use crate::keyring::KeyRing;
use crate::keyring::file::{self, ClusterSecret, MAX_FILE, ResealError};

/// A directory with a ring file, `ring.sealed`, and unless it is given elsewhere `cluster.secret`.
#[derive(Clone, Debug)]
pub struct RingDir {
    dir: PathBuf,
    secret: PathBuf,
    seed: Option<PathBuf>,
}

/// The bytes of the ring's files as they are at one moment, to be compared with those of a moment before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    own: Option<Zeroizing<Vec<u8>>>,
    seed: Option<Zeroizing<Vec<u8>>>,
    /// Which secret is to open them.
    secret: [u8; 8],
}

/// A ring that was changed in its file, and what the change came to.
#[derive(Debug)]
pub struct Updated<T> {
    /// The ring as it is now.
    pub ring: KeyRing,
    /// What came of it.
    pub outcome: T,
}

impl Sealed {
    /// The ring's own file.
    pub fn own(&self) -> Option<&[u8]> {
        self.own.as_ref().map(|own| own.as_slice())
    }
}

impl RingDir {
    /// The ring in `dir`; its secret in `secret`, by default `dir/cluster.secret`.
    pub fn new(dir: &Path, secret: Option<&Path>) -> Self {
        let secret = secret.map_or_else(|| dir.join("cluster.secret"), Path::to_owned);
        Self { dir: dir.to_owned(), secret, seed: None }
    }

    /// With a read-only ring file elsewhere, of which the ring learns what its own file does not know.
    #[must_use]
    pub fn with_seed(mut self, seed: Option<&Path>) -> Self {
        self.seed = seed.map(Path::to_owned);
        self
    }

    /// Where the ring file is.
    pub fn ring_path(&self) -> PathBuf {
        self.dir.join("ring.sealed")
    }

    /// Where the cluster secret is.
    pub fn secret_path(&self) -> &Path {
        &self.secret
    }

    /// Whether there is a ring file, readable or not.
    pub fn has_ring(&self) -> bool {
        self.ring_path().symlink_metadata().is_ok() || self.seed.is_some()
    }

    /// Whether a read-only ring file elsewhere was named.
    pub fn has_seed(&self) -> bool {
        self.seed.is_some()
    }

    /// Whether there is a cluster secret, readable or not.
    pub fn has_secret(&self) -> bool {
        self.secret.symlink_metadata().is_ok()
    }

    /// The cluster secret itself, from which replicas derive what they need to talk; behind it those in `others`.
    ///
    /// # Errors
    /// [`RingDirError`] says what a file seems to hold instead, and never its bytes; or it is the cluster secret itself.
    pub fn cluster_secrets(&self, others: &[PathBuf]) -> Result<Vec<ClusterSecret>, RingDirError> {
        cluster_secret::read_all(&self.secret, others)
    }

    /// Reads and opens the ring.
    ///
    /// # Errors
    /// [`RingDirError`] names the file, the fault and the remedy.
    pub fn load(&self) -> Result<KeyRing, RingDirError> {
        self.open(&self.read()?)
    }

    /// Reads the ring's files.
    ///
    /// # Errors
    /// [`RingDirError`]: one that is there can't be read, or there is none.
    pub fn read(&self) -> Result<Sealed, RingDirError> {
        let seed = match &self.seed {
            Some(path) => Some(read_mounted(path, MAX_FILE, Readers::Anybody)?),
            None => None,
        };
        let own = match read_private(&self.ring_path(), MAX_FILE) {
            Ok(bytes) => Some(bytes),
            Err(PrivateFileError::Missing(_)) if seed.is_some() => None,
            Err(PrivateFileError::Missing(path)) => return Err(RingDirError::NoRing(path)),
            Err(other) => return Err(other.into()),
        };
        // What it can't open is better known now than at the next change of a key.
        let secret = file::secret_id(&cluster_secret::read(&self.secret)?);
        Ok(Sealed { own, seed, secret })
    }

    /// Opens what was read: both files become one ring.
    ///
    /// # Errors
    /// [`RingDirError`] names the file, the fault and the remedy.
    pub fn open(&self, sealed: &Sealed) -> Result<KeyRing, RingDirError> {
        let secret = cluster_secret::read(&self.secret)?;
        let open = |path: &Path, bytes: &[u8]| {
            file::open(bytes, &secret).map_err(|error| RingDirError::Ring { path: path.to_owned(), error })
        };
        let own = sealed.own.as_ref().map(|bytes| open(&self.ring_path(), bytes)).transpose()?;
        let seed = match (&self.seed, &sealed.seed) {
            (Some(path), Some(bytes)) => Some((path, open(path, bytes)?)),
            _ => None,
        };
        match (own, seed) {
            (Some(mut own), Some((path, seed))) => {
                // The seed of before the ring was replaced says nothing of this one.
                if !own.replaces(seed.id()) {
                    own.merge(seed).map_err(|_| RingDirError::OtherRing(path.clone()))?;
                }
                Ok(own)
            }
            (Some(ring), None) | (None, Some((_, ring))) => Ok(ring),
            (None, None) => Err(RingDirError::NoRing(self.ring_path())),
        }
    }

    /// Seals a ring as it is read, to be held until it is needed again. Every secret that opens the file `like` opens
    /// this.
    ///
    /// # Errors
    /// [`RingDirError`]: no cluster secret, or no random bytes.
    pub fn seal(&self, ring: &KeyRing, like: Option<&[u8]>, entropy: &dyn Entropy) -> Result<Sealed, RingDirError> {
        let secret = cluster_secret::read(&self.secret)?;
        let own = match like.map(|like| file::reseal(like, &secret, ring, entropy)) {
            Some(Ok(own)) => own,
            _ => file::seal(ring, &[&secret], entropy)?,
        };
        Ok(Sealed { own: Some(Zeroizing::new(own)), seed: None, secret: file::secret_id(&secret) })
    }

    /// Writes the first ring, and a cluster secret if there is none. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`RingDirError`] names the file, the fault and the remedy.
    pub fn init(&self, ring: &KeyRing, entropy: &dyn Entropy) -> Result<(), RingDirError> {
        self.make_dir()?;
        let _alone = self.lock()?;
        if self.has_ring() {
            return Err(PrivateFileError::Exists(self.ring_path()).into());
        }
        let sealed = self.seal_first(ring, entropy)?;
        Ok(create_private(&self.ring_path(), &sealed)?)
    }

    /// Seals a first ring as [`RingDir::init`] would write it, and makes a cluster secret if there is none.
    ///
    /// # Errors
    /// [`RingDirError`] names the file, the fault and the remedy.
    pub fn seal_first(&self, ring: &KeyRing, entropy: &dyn Entropy) -> Result<Vec<u8>, RingDirError> {
        if !self.has_secret() {
            cluster_secret::create(&self.secret, entropy)?;
        }
        Ok(file::seal(ring, &[&cluster_secret::read(&self.secret)?], entropy)?)
    }

    /// Changes the ring in its file, alone: no other process writes meanwhile. What `change` says is written only if it
    /// says that the ring is another one now.
    ///
    /// # Errors
    /// Those of `change`, and [`RingDirError`]; the file is then as it was.
    pub fn update<T, E: From<RingDirError>>(
        &self,
        entropy: &dyn Entropy,
        change: impl FnOnce(&mut KeyRing) -> Result<(bool, T), E>,
    ) -> Result<Updated<T>, E> {
        let _alone = self.lock()?;
        let sealed = self.read()?;
        let mut ring = self.open(&sealed)?;
        let (changed, outcome) = change(&mut ring)?;
        if changed {
            ring.written();
            self.write(&sealed, &ring, entropy)?;
        }
        Ok(Updated { ring, outcome })
    }

    /// Puts the ring that `make` makes of the one that is there in its place, sealed under the cluster secret alone, or
    /// under `secret` if another one is to hold from here on.
    ///
    /// # Errors
    /// Those of `make`, and [`RingDirError`]; the file is then as it was.
    pub fn replace(
        &self,
        make: impl FnOnce(&KeyRing) -> Result<KeyRing, RingDirError>,
        secret: Option<&Path>,
        entropy: &dyn Entropy,
    ) -> Result<KeyRing, RingDirError> {
        let _alone = self.lock()?;
        let ring = make(&self.load()?)?;
        if let Some(path) = secret {
            cluster_secret::create_missing(path, entropy)?;
        }
        let secret = cluster_secret::read(secret.unwrap_or(&self.secret))?;
        self.put(&file::seal(&ring, &[&secret], entropy)?)?;
        Ok(ring)
    }

    /// From here on the secret in `other` opens the ring as well. Returns whether it was made for that.
    ///
    /// # Errors
    /// [`RingDirError`]; the ring file is then as it was.
    pub fn accept(&self, other: &Path, entropy: &dyn Entropy) -> Result<bool, RingDirError> {
        let _alone = self.lock()?;
        let made = cluster_secret::create_missing(other, entropy)?;
        let (secret, other) = (cluster_secret::read(&self.secret)?, cluster_secret::read(other)?);
        let bytes = self.own_bytes()?;
        let both = file::accept(&bytes, &secret, &other, entropy).map_err(|error| self.of_reseal(error))?;
        self.put(&both)?;
        Ok(made)
    }

    /// From here on the cluster secret alone opens the ring. Returns how many others did. One that was accepted after
    /// it is dropped only if `newer` says so: that is to go back, and not the third step.
    ///
    /// # Errors
    /// [`RingDirError`]; the ring file is then as it was.
    pub fn accept_only(&self, newer: bool, entropy: &dyn Entropy) -> Result<usize, RingDirError> {
        let _alone = self.lock()?;
        let (secret, bytes) = (cluster_secret::read(&self.secret)?, self.own_bytes()?);
        let fail = |error| self.of_reseal(error);
        if !newer && !file::is_newest(&bytes, &secret).map_err(|error| fail(error.into()))? {
            return Err(RingDirError::OlderSecret(self.secret.clone()));
        }
        let ring = file::open(&bytes, &secret).map_err(|error| fail(error.into()))?;
        let others = file::untrusted_slots(&bytes).map_err(|error| fail(error.into()))?.saturating_sub(1);
        self.put(&file::seal(&ring, &[&secret], entropy)?)?;
        Ok(others)
    }

    fn make_dir(&self) -> Result<(), RingDirError> {
        // Whoever may open the directory may lock it, and keep every command waiting.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        Ok(made.map_err(|error| PrivateFileError::Io { path: self.dir.clone(), error })?)
    }

    fn write(&self, sealed: &Sealed, ring: &KeyRing, entropy: &dyn Entropy) -> Result<(), RingDirError> {
        let secret = cluster_secret::read(&self.secret)?;
        let bytes = match &sealed.own {
            Some(own) => file::reseal(own, &secret, ring, entropy).map_err(|error| self.of_reseal(error))?,
            None => file::seal(ring, &[&secret], entropy)?,
        };
        self.put(&bytes)
    }

    /// Writes the file, unless nobody would read it again.
    fn put(&self, bytes: &[u8]) -> Result<(), RingDirError> {
        let path = self.ring_path();
        if bytes.len() > MAX_FILE {
            return Err(RingDirError::Full(path));
        }
        Ok(replace_private(&path, bytes)?)
    }

    fn own_bytes(&self) -> Result<Zeroizing<Vec<u8>>, RingDirError> {
        read_private(&self.ring_path(), MAX_FILE).map_err(|error| match error {
            PrivateFileError::Missing(path) => RingDirError::NoRing(path),
            other => other.into(),
        })
    }

    /// Waits until nobody else writes, and takes away what crashed writers left.
    fn lock(&self) -> Result<File, RingDirError> {
        let alone = ring_lock::take(&self.dir)?;
        clean_up(&self.ring_path());
        clean_up(&self.secret);
        Ok(alone)
    }

    fn of_reseal(&self, error: ResealError) -> RingDirError {
        match error {
            ResealError::File(error) => RingDirError::Ring { path: self.ring_path(), error },
            ResealError::Entropy(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::entropy::SystemEntropy;

    fn fixture() -> (tempfile::TempDir, RingDir) {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let keys = RingDir::new(&dir.path().join("keys"), None);
        let ring = KeyRing::init(&SystemEntropy::new(), Timestamp::default()).expect("random bytes");
        keys.init(&ring, &SystemEntropy::new()).expect("an empty directory");
        (dir, keys)
    }

    #[test]
    fn init_writes_both_and_overwrites_nothing() {
        let (_dir, keys) = fixture();
        let ring = keys.load().expect("just written");
        assert!(matches!(
            keys.init(&ring, &SystemEntropy::new()),
            Err(RingDirError::File(PrivateFileError::Exists(_)))
        ));
        assert_eq!(keys.load().expect("still there").id(), ring.id());
    }

    #[test]
    fn s20_each_wrong_secret_is_one_line_without_the_secret() {
        let (_dir, keys) = fixture();
        let raw = [0xAB_u8; 32];
        let newline = [&raw[..], b"\n"].concat();
        let bom = [b"\xef\xbb\xbf", &raw[..]].concat();
        for (given, says) in [
            (&raw[..31], "has 31"),
            ("q".repeat(43).as_bytes(), "looks like base64"),
            ("qqqq".repeat(11).as_bytes(), "looks like base64"),
            ("ab".repeat(32).as_bytes(), "looks like hexadecimal"),
            (&newline, "has a newline behind them"),
            (&bom, "begins with a byte-order mark"),
            (b"", "is empty"),
            (&raw.repeat(2), "has them twice"),
        ] {
            replace_private(keys.secret_path(), given).expect("writable");
            let text = keys.load().expect_err(says).to_string();
            assert!(text.contains(says) && text.contains("cluster.secret") && !text.contains('\n'), "{text}");
            assert!(!text.contains("abab") && !text.contains("qqq"), "no byte of it: {text}");
        }
        replace_private(keys.secret_path(), &raw).expect("writable");
        let text = keys.load().expect_err("another secret").to_string();
        assert!(text.contains("ring.sealed") && text.contains("another cluster secret"), "{text}");
    }

    #[test]
    fn s16_each_wrong_ring_is_one_line() {
        let (_dir, keys) = fixture();
        let good = read_private(&keys.ring_path(), MAX_FILE).expect("just written");
        for (given, says) in [
            (&good[..good.len() / 2], "is cut off or damaged"),
            (b"", "is empty"),
            (b"{\"keys\":[]}", "is not a ring file"),
            (b"sealpass ring 9\n\0", "of another version"),
        ] {
            replace_private(&keys.ring_path(), given).expect("writable");
            let text = keys.load().expect_err(says).to_string();
            assert!(text.contains(says) && text.contains("ring.sealed") && !text.contains('\n'), "{text}");
        }
        std::fs::remove_file(keys.ring_path()).expect("there");
        assert!(matches!(keys.load(), Err(RingDirError::NoRing(_))));
    }

    #[test]
    fn nothing_of_a_secret_is_left_by_a_crash() {
        let (dir, keys) = fixture();
        let (new, entropy) = (dir.path().join("new.secret"), SystemEntropy::new());
        let left = [keys.dir.join(".cluster.secret.1.new"), dir.path().join(".new.secret.1.new")];
        for path in &left {
            create_private(path, &[1; 32]).expect("new");
        }
        keys.accept(&new, &entropy).expect("accepted");
        assert_eq!(left.map(|path| path.exists()), [false, false]);
    }
}
