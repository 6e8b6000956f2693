//! Who may use the control listener: bearer credentials, of which only hashes are stored.
//!
//! Here: all credentials at one moment, and how their file is read. `grant` has what one may do, `file` how the file is
//! changed, `watch` how a running service keeps up with it.

mod file;
mod grant;
mod limits;
mod watch;

pub use file::{CredentialFile, CredentialTerms};
pub use grant::{Grant, Scope};
pub use limits::OverLimit;
pub use watch::CredentialWatch;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError, random};
use crate::secret::{constant_time_eq, sha256};
use crate::store::{PrivateFileError, Readers, read_mounted};

/// All credentials at one moment.
#[derive(Debug, Default)]
pub struct Credentials(Vec<Arc<Grant>>);

/// A new credential, shown once.
pub struct NewCredential {
    /// The credential itself.
    secret: String,
}

/// The credentials can't be read or changed. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file's content is wrong.
    #[error("{}: {problem}; mend that, or make one anew with `sealpass credential add`", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// What was asked for can't be done with this file.
    #[error("{}: {problem}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
}

impl Credentials {
    /// Reads a file of `[[credential]]` tables. It may be mounted, as secrets are in Kubernetes.
    ///
    /// # Errors
    /// [`CredentialsError`] names the file, the fault and the remedy.
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        Self::parse(path, &read_mounted(path, MAX_FILE, Readers::Us)?)
    }

    /// The same of its content, which `path` is named for.
    fn parse(path: &Path, content: &[u8]) -> Result<Self, CredentialsError> {
        let wrong = |problem: String| CredentialsError::Content { path: path.to_owned(), problem };
        let text = std::str::from_utf8(content).map_err(|_| wrong("is not UTF-8".to_owned()))?;
        // Only the message: the library's own rendering would show the line, and somebody may have pasted a secret there.
        let file: File = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        let mut known = HashSet::new();
        if let Some(twice) = file.credential.iter().find(|grant| !known.insert(grant.sha256().0)) {
            return Err(wrong(format!("has the sha256 of {:?} twice, with two lists of what it may do", twice.name)));
        }
        Ok(Self(file.credential.into_iter().map(Arc::new).collect()))
    }

    /// Every one, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter().map(|grant| &**grant)
    }

    /// What `secret` may do at `now`. Every stored hash is compared, in constant time.
    pub fn grant(&self, secret: &[u8], now: Timestamp) -> Option<&Arc<Grant>> {
        let hash = sha256(secret);
        let known = self
            .0
            .iter()
            .fold(None, |found, grant| if constant_time_eq(&grant.sha256().0, &hash) { Some(grant) } else { found });
        known.filter(|grant| !grant.has_expired(now))
    }
}

impl NewCredential {
    /// 32 random bytes, with a prefix by which scanners find it where it should not be.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let bytes: [u8; 32] = random(entropy)?;
        Ok(Self { secret: format!("sealpass_{}", URL_SAFE_NO_PAD.encode(bytes)) })
    }

    /// The credential itself.
    pub fn expose(&self) -> &str {
        &self.secret
    }

    /// The hash that is stored in its place.
    pub fn sha256(&self) -> String {
        Hash::of(self.secret.as_bytes()).to_string()
    }
}

impl fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewCredential(redacted)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    credential: Vec<Grant>,
}

/// SHA-256 of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct Hash([u8; 32]);

impl Hash {
    fn of(content: &[u8]) -> Self {
        Self(sha256(content))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "sha256 takes 64 hexadecimal digits, the hash and not the credential";
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong)?;
        }
        Ok(Self(hash))
    }
}

const MAX_FILE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::store::replace_private;

    fn load(text: &str) -> Result<Credentials, String> {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("credentials.toml");
        replace_private(&path, text.as_bytes()).expect("writable");
        Credentials::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_credential_opens_what_its_line_says_and_the_file_does_not_hold_it() {
        let new = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
        let line = format!(
            "[[credential]]\nname = \"shop\"\nsha256 = \"{}\"\nscopes = [\"app\"]\nrealms = [\"shop\"]\n",
            new.sha256()
        );
        assert!(!line.contains(new.expose()));
        let credentials = load(&line).expect("right");
        let grant = |secret: &[u8]| credentials.grant(secret, Timestamp::EPOCH);
        let found = grant(new.expose().as_bytes()).expect("known");
        assert!(found.has(Scope::App) && !found.has(Scope::Admin));
        assert!(found.covers("shop") && !found.covers("default"));
        assert!(found.may_give("any role") && found.max_aal() == 3);
        assert!(grant(b"sealpass_other").is_none());
        assert!(grant(b"").is_none());
    }

    #[test]
    fn it_is_over_when_its_time_has_come() {
        let hash = Hash::of(b"secret");
        let at = |text: &str| Timestamp::parse_rfc3339(text).expect("a time");
        for written in ["\"2027-01-01T00:00:00Z\"", "2027-01-01T00:00:00Z", "\"2027-01-01T02:00:00+02:00\""] {
            let line = format!(
                "[[credential]]\nname = \"a\"\nsha256 = \"{hash}\"\nscopes = []\nrealms = []\nexpires = {written}\n"
            );
            let credentials = load(&line).expect(written);
            assert!(credentials.grant(b"secret", at("2026-12-31T23:59:59.999Z")).is_some(), "{written}");
            for over in ["2027-01-01T00:00:00Z", "2027-01-01T00:00:01Z"] {
                assert!(credentials.grant(b"secret", at(over)).is_none(), "{written}");
            }
        }
    }

    #[test]
    fn a_wrong_file_is_one_line_without_the_secret() {
        let hash = "0".repeat(64);
        let with = |rest: &str| {
            format!("[[credential]]\nname = \"a\"\nsha256 = \"{hash}\"\nscopes = []\nrealms = []\n{rest}\n")
        };
        for text in [
            "[[credential]]\nname = \"a\"\nsha256 = \"sealpass_pasted\"\nscopes = [\"app\"]\nrealms = []\n",
            "[[credential]]\nname = \"a\"\nsecret = \"sealpass_pasted\"\n",
            "[[credential]]\nname = \"a\"\nsha256 = \"00\"\nscopes = [\"sealpass_pasted\n",
            &with("may_grant = [\"a*b\"]"),
            &with("may_grant = [\"\"]"),
            &with("max_aal = 4"),
            &with("expires = \"soon\""),
            &with("expires = 2027-01-01"),
            &with("expires = 7"),
            &with("may_grunt = []"),
            &[with(""), with("")].concat(),
        ] {
            let error = load(text).expect_err(text);
            assert!(
                !error.contains('\n') && !error.contains("pasted") && error.contains("credentials.toml"),
                "{error}"
            );
        }
    }
}
