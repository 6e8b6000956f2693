//! `sealpass keys`: make and look at the ring.

use clap::Subcommand;
use sealpass::clock::{Clock, SystemClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::KeyRing;

use super::{Common, Failure, say};

/// Make and look at the key ring
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make the first ring, once for a whole deployment
    ///
    /// Writes ring.sealed into the keys directory, sealed under the cluster secret; makes that too if there is none.
    /// Nothing is ever overwritten. Every replica needs the same two files.
    Init,
    /// Show every key with its state and times
    List,
}

impl Keys {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let dir = Common::ring_dir(&common.settings(&[])?);
        match self {
            Self::Init => {
                let new_secret = !dir.has_secret();
                let ring = KeyRing::init(&SystemEntropy::new(), SystemClock.now())?;
                dir.init(&ring, &SystemEntropy::new())?;
                say(format_args!("Wrote the key ring to {}.", dir.ring_path().display()))?;
                if new_secret {
                    say(format_args!("Wrote a new cluster secret to {}.", dir.secret_path().display()))?;
                    say(format_args!("Keep a copy of it where only you can read: without it nobody opens the ring."))?;
                }
            }
            Self::List => {
                let ring = dir.load()?;
                say(format_args!("{:<10}{:<13}{:<27}seals from", "key", "state", "created"))?;
                for (record, state) in ring.states(SystemClock.now()) {
                    let from = record.not_before.map_or_else(|| "not dated yet".to_owned(), Timestamp::rfc3339);
                    let (kid, state) = (record.kid().to_string(), state.to_string());
                    say(format_args!("{kid:<10}{state:<13}{:<27}{from}", record.created.rfc3339()))?;
                }
            }
        }
        Ok(())
    }
}
