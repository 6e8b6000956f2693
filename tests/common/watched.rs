//! Every line that the services of this process log, at TRACE, against every secret that their answers hold: none may be in
//! any of them (S47).

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What was logged, what is secret, and what is both. Whichever comes first is found.
#[derive(Default)]
pub struct Lines {
    logged: HashSet<String>,
    secret: HashSet<String>,
    leaks: Vec<String>,
    lines: usize,
}

impl Lines {
    /// A line, which may hold no part of a secret.
    pub fn line(&mut self, line: &str) {
        self.lines += 1;
        for part in line.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).flat_map(parts) {
            if self.secret.contains(part) {
                self.leaks.push(format!("a secret in a line: {line}"));
            }
            self.logged.insert(part.to_owned());
        }
        // The subject of most sessions of the tests.
        if line.contains("alice") {
            self.leaks.push(format!("a subject in a line: {line}"));
        }
    }

    /// How many were found.
    pub fn leaks(&self) -> usize {
        self.leaks.len()
    }

    /// A token, a session's id or a credential.
    pub fn secret(&mut self, secret: &str) {
        assert!(secret.len() >= PART, "too short to tell: {secret}");
        // What a token begins with, version and key, is no secret.
        let part = if secret.len() > 60 { &secret[8..8 + PART] } else { &secret[..PART] };
        if self.logged.contains(part) {
            self.leaks.push(format!("{secret} was in a line"));
        }
        self.secret.insert(part.to_owned());
    }
}

/// Begins to watch, once a process.
pub fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // As the service logs at TRACE.
        let filter = Targets::new().with_default(LevelFilter::WARN).with_target("sealpass", LevelFilter::TRACE);
        let lines = tracing_subscriber::fmt::layer().with_writer(|| Writer).with_ansi(false);
        tracing_subscriber::registry().with(filter).with(lines).init();
        secret(super::server::CREDENTIAL);
    });
}

/// Something that no line may hold.
pub fn secret(text: &str) {
    with(|lines| lines.secret(text));
}

/// How many lines there are.
pub fn lines() -> usize {
    with(|lines| lines.lines)
}

/// Panics if anything leaked so far, whichever test did it.
pub fn assert_no_leak() {
    let leaks = with(|lines| std::mem::take(&mut lines.leaks));
    assert!(leaks.is_empty(), "{leaks:?}");
}

fn parts(word: &str) -> impl Iterator<Item = &str> {
    (PART..=word.len()).map(move |end| &word[end - PART..end])
}

fn with<T>(then: impl FnOnce(&mut Lines) -> T) -> T {
    static LINES: Mutex<Option<Lines>> = Mutex::new(None);
    then(LINES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        with(|lines| lines.line(&String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many characters of a secret give it away.
const PART: usize = 20;
