//! What is done on the files alone: the first ring, a ring under another secret, the change of the cluster secret.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use sealpass::clock::{Clock, SystemClock};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::KeyRing;
use sealpass::store::RingOffice;

use super::super::{Common, Failure, say};
use super::{How, print_json};

/// The three steps in which the cluster secret is changed; the second is to hand it over.
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// First step: let another secret open the ring as well
    Accept {
        /// The file with the new secret, made if it is not there
        file: PathBuf,
    },
    /// Third step, with the new secret as the cluster secret: let it alone open the ring
    Only {
        /// Even if another one was accepted after it: go back to this one
        #[arg(long)]
        drop_newer: bool,
    },
}

impl Secret {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let (dir, entropy) = (Common::ring_dir(&common.settings(&[])?), SystemEntropy::new());
        match self {
            Self::Accept { file } => {
                let made = dir.accept(file, &entropy)?;
                let made = if made { "Made a new secret in" } else { "Took the secret in" };
                say(format_args!("{made} {}: it opens the ring as well from here on.", file.display()))?;
                say(
                    "Next: give it to every replica in place of the old one, one replica after the other. Then, with the \
                     new one as the cluster secret, `sealpass keys secret only`.",
                )
            }
            Self::Only { drop_newer } => match dir.accept_only(*drop_newer, &entropy)? {
                0 => say("No other secret opened the ring; it is sealed anew all the same."),
                _ => say("The cluster secret alone opens the ring from here on. Delete the old one wherever it is."),
            },
        }
    }
}

/// The first ring.
pub fn init(common: &Common, stdout: bool) -> Result<(), Failure> {
    let (settings, entropy) = (common.settings(&[])?, SystemEntropy::new());
    let (site, dir) = (Common::site(&settings)?, Common::ring_dir(&settings));
    let new_secret = !dir.has_secret();
    let now = SystemClock.now();
    let mut ring = KeyRing::init(&entropy, now)?;
    ring.note_limits(site.longest(), now);
    if stdout {
        // It goes where no service can write. A start could not tell that it was served before, and must not take it for new.
        ring.written();
        return to_stdout(&dir.seal_first(&ring, &entropy)?);
    }
    dir.init(&ring, &entropy)?;
    say(format_args!("Wrote the key ring to {}.", dir.ring_path().display()))?;
    if new_secret {
        say(format_args!("Wrote a new cluster secret to {}.", dir.secret_path().display()))?;
        say("Keep a copy of it where only you can read: without it nobody opens the ring.")?;
    }
    Ok(())
}

/// A new ring under another cluster secret.
pub fn replace_under(office: &RingOffice, secret: &Path, how: How) -> Result<(), Failure> {
    let receipt = office.replace(Some(secret), how.dry_run)?;
    if how.json {
        return print_json(&receipt);
    }
    say(format_args!(
        "The ring in {} is a new one, and only the secret in {} opens it.",
        office.dir().ring_path().display(),
        secret.display()
    ))?;
    say("Next: give that secret and the ring to every replica, and restart them. Everybody has to log in again.")
}

fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error| Failure::Io { what: "can't write to standard output".to_owned(), error };
    std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()).map_err(fail)
}
