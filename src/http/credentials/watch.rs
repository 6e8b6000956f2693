//! The credentials of a running service: their file is looked at again and again, and what it says is in force without a
//! restart. A file that is wrong changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::limits::{Limits, OverLimit};
use super::{Credentials, CredentialsError, Grant, Hash, MAX_FILE};
use crate::clock::Timestamp;
use crate::config::LimitSettings;
use crate::store::{Readers, read_mounted};
use crate::telemetry::CredentialMetrics;

/// Keeps a service's credentials what their file says.
///
/// The file is compared by content, so that it does not matter how it changes: in place, renamed, or by a link in front of
/// it. It is taken up when two looks in succession find the same, so that half of a file is none.
#[derive(Debug, Default)]
pub struct CredentialWatch {
    file: Option<PathBuf>,
    /// Those of no file.
    beside: Credentials,
    current: ArcSwap<Credentials>,
    seen: Mutex<Seen>,
    limits: Limits,
    metrics: CredentialMetrics,
}

/// The contents of the file that were seen, by their hashes. That it can't be read is a content as well.
#[derive(Debug, Default)]
struct Seen {
    in_use: Option<Hash>,
    /// New at the last look.
    new: Option<Hash>,
    /// Wrong, and that was said.
    wrong: Option<Hash>,
}

impl CredentialWatch {
    /// Begins with the credentials of a file; with none without one.
    ///
    /// # Errors
    /// [`CredentialsError`] names the file, the fault and the remedy.
    pub fn open(file: Option<&Path>) -> Result<Self, CredentialsError> {
        let watch = Self { file: file.map(Path::to_owned), ..Self::default() };
        watch.reload().map(|()| watch)
    }

    /// And one that is good for everything: for the dev mode.
    #[must_use]
    pub fn and_all_powerful(mut self, name: &str, secret: &str) -> Self {
        self.beside.0.push(Arc::new(Grant::all_powerful(name, secret)));
        self
    }

    /// And counted there.
    #[must_use]
    pub fn counted(self, metrics: &CredentialMetrics) -> Self {
        let watch = Self { metrics: metrics.clone(), ..self };
        watch.measure();
        watch
    }

    /// And so many calls at the most.
    #[must_use]
    pub fn limited(self, settings: &LimitSettings) -> Self {
        Self { limits: Limits::new(settings), ..self }
    }

    /// Counts a call, and says if it is one too many.
    ///
    /// # Errors
    /// [`OverLimit`]: it may not be answered.
    pub(in crate::http) fn count_call(&self, grant: &Grant) -> Result<(), OverLimit> {
        self.limits.call(grant).inspect_err(|over| self.metrics.limited(&grant.name, over.key))
    }

    /// The same of a session that is to be issued.
    ///
    /// # Errors
    /// [`OverLimit`]: it may not be.
    pub(in crate::http) fn count_issue(&self, grant: &Grant) -> Result<(), OverLimit> {
        self.limits.issue(grant).inspect_err(|over| self.metrics.limited(&grant.name, over.key))
    }

    /// What `secret` may do at `now`.
    pub fn grant(&self, secret: &[u8], now: Timestamp) -> Option<Arc<Grant>> {
        self.current.load().grant(secret, now).or_else(|| self.beside.grant(secret, now)).cloned()
    }

    /// Takes up what the file says now, without a second look. What is wrong is logged.
    ///
    /// # Errors
    /// [`CredentialsError`]; the credentials in use stay.
    pub fn reload(&self) -> Result<(), CredentialsError> {
        let Some(path) = &self.file else { return Ok(()) };
        let (read, hash) = content(path);
        self.take_up(path, read, hash, &mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks twice a second, for as long as there is anybody who uses it.
    pub fn keep_looking(self: &Arc<Self>) {
        if self.file.is_none() {
            return;
        }
        let watch = Arc::downgrade(self);
        thread::spawn(move || {
            loop {
                thread::sleep(PAUSE);
                let Some(watch) = watch.upgrade() else { return };
                watch.look();
            }
        });
    }

    /// Looks once, and takes up what it found the last time as well.
    fn look(&self) {
        let Some(path) = &self.file else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, hash) = content(path);
        let known = if seen.wrong.is_some() { seen.wrong } else { seen.in_use };
        if known == Some(hash) {
            seen.new = None;
        } else if seen.new.replace(hash) == Some(hash) {
            // It is logged there.
            drop(self.take_up(path, read, hash, &mut seen));
        }
    }

    fn take_up(&self, path: &Path, read: Content, hash: Hash, seen: &mut Seen) -> Result<(), CredentialsError> {
        seen.new = None;
        match read.and_then(|content| Credentials::parse(path, &content)) {
            Ok(credentials) => {
                if seen.in_use.is_some() && (seen.in_use != Some(hash) || seen.wrong.is_some()) {
                    tracing::info!("{}: {} credentials are in use", path.display(), credentials.0.len());
                }
                (seen.in_use, seen.wrong) = (Some(hash), None);
                self.current.store(Arc::new(credentials));
                self.measure();
                Ok(())
            }
            Err(error) => {
                if seen.in_use.is_some() {
                    tracing::error!(
                        "the credentials in use stay, revoked ones too, since their file can't be used: {error}"
                    );
                }
                seen.wrong = Some(hash);
                self.metrics.failing(true);
                Err(error)
            }
        }
    }

    /// The file is right.
    fn measure(&self) {
        self.metrics.failing(false);
        let current = self.current.load();
        self.metrics.expire(current.iter().filter_map(|grant| Some((&*grant.name, grant.expires()?))));
    }
}

type Content = Result<zeroize::Zeroizing<Vec<u8>>, CredentialsError>;

/// The content of the file, and by what it is compared.
fn content(path: &Path) -> (Content, Hash) {
    match read_mounted(path, MAX_FILE, Readers::Us) {
        Ok(content) => {
            let hash = Hash::of(&content);
            (Ok(content), hash)
        }
        Err(error) => {
            let hash = Hash::of(error.to_string().as_bytes());
            (Err(error.into()), hash)
        }
    }
}

/// Two looks are within a second or so.
const PAUSE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::replace_private;

    fn line(secret: &str) -> String {
        let hash = Hash::of(secret.as_bytes());
        format!("[[credential]]\nname = \"{secret}\"\nsha256 = \"{hash}\"\nscopes = [\"app\"]\nrealms = [\"*\"]\n")
    }

    #[test]
    fn a_file_that_is_wrong_or_half_written_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("credentials.toml");
        let write = |text: &str| replace_private(&path, text.as_bytes()).expect("writable");
        write(&line("one"));
        let watch = CredentialWatch::open(Some(&path)).expect("right").and_all_powerful("dev", "dev");
        let knows = |names: [bool; 3]| {
            let known = ["one", "two", "dev"].map(|secret| watch.grant(secret.as_bytes(), Timestamp::EPOCH).is_some());
            assert_eq!(known, names);
        };
        knows([true, false, true]);
        watch.look();
        knows([true, false, true]);
        write(""); // as an editor leaves it for a moment
        watch.look();
        knows([true, false, true]);
        write(&[line("one"), line("two")].concat());
        watch.look();
        knows([true, false, true]);
        watch.look();
        knows([true, true, true]);
        for wrong in [Some("[[credential]]"), None] {
            match wrong {
                Some(text) => write(text),
                None => std::fs::remove_file(&path).expect("there"),
            }
            for _ in 0..3 {
                watch.look();
            }
            assert!(watch.reload().is_err());
            knows([true, true, true]);
        }
        // The very content that was in use before it was wrong.
        write(&[line("one"), line("two")].concat());
        watch.look();
        watch.look();
        assert_eq!(watch.seen.lock().expect("nobody panicked").wrong, None);
        write(&line("two"));
        watch.reload().expect("right");
        knows([false, true, true]);
        write("");
        watch.look();
        watch.look();
        knows([false, false, true]);
    }
    #[test]
    fn a_mounted_file_is_taken_up_when_its_link_is_swapped() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = |name: &str| dir.path().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, path(name)).expect("a link");
        for (version, secret) in [("..1", "one"), ("..2", "two")] {
            std::fs::create_dir(path(version)).expect("a directory");
            replace_private(&path(version).join("c.toml"), line(secret).as_bytes()).expect("writable");
        }
        link("..1", "..data");
        link("..data/c.toml", "c.toml");
        let watch = CredentialWatch::open(Some(&path("c.toml"))).expect("right");
        let known = || ["one", "two"].map(|secret| watch.grant(secret.as_bytes(), Timestamp::EPOCH).is_some());
        assert_eq!(known(), [true, false]);
        link("..2", "..next");
        std::fs::rename(path("..next"), path("..data")).expect("a swap");
        watch.look();
        watch.look();
        assert_eq!(known(), [false, true]);
    }
}
