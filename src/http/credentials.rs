//! Who may use the control listener: bearer credentials, of which only hashes are stored.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::entropy::{Entropy, EntropyError, random};
use crate::secret::{constant_time_eq, sha256};
use crate::store::{PrivateFileError, read_private};
use crate::telemetry::By;

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Issue, change and end sessions.
    App,
    /// Operate the service. Metrics are for either scope.
    Admin,
}

/// All credentials.
#[derive(Debug, Default)]
pub struct Credentials(Vec<Grant>);

/// What one credential may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Whose it is, for the log.
    pub name: String,
    /// SHA-256 of the credential, as hexadecimal digits.
    sha256: Hash,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// In which realms; `*` for all.
    pub realms: Vec<String>,
}

/// A new credential, shown once.
pub struct NewCredential {
    /// The credential itself.
    secret: String,
}

/// The credentials can't be read. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file's content is wrong.
    #[error("{}: {problem}; make a line for it with `sealpass credential new`", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Credentials {
    /// Reads a file of `[[credential]]` tables.
    ///
    /// # Errors
    /// [`CredentialsError`] names the file, the fault and the remedy.
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        let wrong = |problem: String| CredentialsError::Content { path: path.to_owned(), problem };
        let bytes = read_private(path, MAX_FILE)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8".to_owned()))?;
        // Only the message: the library's own rendering would show the line, and somebody may have pasted a secret there.
        let file: File = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        Ok(Self(file.credential))
    }

    /// Adds one that is good for everything: for the dev mode.
    pub fn add_all_powerful(&mut self, name: &str, secret: &str) {
        let scopes = vec![Scope::App, Scope::Admin];
        let sha256 = Hash(sha256(secret.as_bytes()));
        self.0.push(Grant { name: name.to_owned(), sha256, scopes, realms: vec!["*".to_owned()] });
    }

    /// What `secret` may do. Every stored hash is compared, in constant time.
    pub fn grant(&self, secret: &[u8]) -> Option<&Grant> {
        let hash = sha256(secret);
        self.0
            .iter()
            .fold(None, |found, grant| if constant_time_eq(&grant.sha256.0, &hash) { Some(grant) } else { found })
    }
}

impl Grant {
    /// Whether it is good for `scope`.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it is good in every realm.
    pub fn covers_all(&self) -> bool {
        self.realms.iter().any(|name| name == "*")
    }

    /// Who acts with it, for the audit trail.
    pub fn by(&self) -> By<'_> {
        By::Credential(&self.name)
    }

    /// Whether it is good in `realm`.
    pub fn covers(&self, realm: &str) -> bool {
        self.covers_all() || self.realms.iter().any(|name| name == realm)
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
        sha256(self.secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
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

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Hash([u8; 32]);

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

    #[test]
    fn a_credential_opens_what_its_line_says_and_the_file_does_not_hold_it() {
        let new = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("credentials.toml");
        let line = format!(
            "[[credential]]\nname = \"shop\"\nsha256 = \"{}\"\nscopes = [\"app\"]\nrealms = [\"shop\"]\n",
            new.sha256()
        );
        assert!(!line.contains(new.expose()));
        replace_private(&path, line.as_bytes()).expect("writable");
        let credentials = Credentials::load(&path).expect("right");
        let grant = credentials.grant(new.expose().as_bytes()).expect("known");
        assert!(grant.has(Scope::App) && !grant.has(Scope::Admin));
        assert!(grant.covers("shop") && !grant.covers("default"));
        assert!(credentials.grant(b"sealpass_other").is_none());
        assert!(credentials.grant(b"").is_none());
    }

    #[test]
    fn a_wrong_file_is_one_line_without_the_secret() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("credentials.toml");
        for text in [
            "[[credential]]\nname = \"a\"\nsha256 = \"sealpass_pasted\"\nscopes = [\"app\"]\nrealms = []\n",
            "[[credential]]\nname = \"a\"\nsecret = \"sealpass_pasted\"\n",
            "[[credential]]\nname = \"a\"\nsha256 = \"00\"\nscopes = [\"sealpass_pasted\n",
        ] {
            replace_private(&path, text.as_bytes()).expect("writable");
            let error = Credentials::load(&path).expect_err(text).to_string();
            assert!(
                !error.contains('\n') && !error.contains("pasted") && error.contains("credentials.toml"),
                "{error}"
            );
        }
    }
}
