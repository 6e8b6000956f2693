//! `sealpass keys`: make the ring, look at it, rotate, postpone, revoke, destroy, replace.
//!
//! On the keys directory, whether or not a service runs; or with `--control URL` through one that runs.

mod files;
mod show;
mod times;
mod wait;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use sealpass::clock::{SystemClock, Timestamp};
use sealpass::custody::{Custodian, Receipt, Report, Task};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::Order;
use sealpass::store::{RingDir, RingOffice};

use super::remote::{Door, Remote};
use super::{Common, Failure, say};
use files::{Secret, init, replace_under};
use wait::Who;

/// Make the key ring, look at it, rotate its keys
#[derive(Debug, Args)]
pub struct Keys {
    /// Through a running service: its control listener, such as `http://127.0.0.1:8081` or `unix:/run/sealpass.sock`
    #[arg(long, global = true, value_name = "URL", requires = "credential")]
    control: Option<Door>,
    /// Trust the certificates in this PEM file, and no others, in a control listener under TLS [default: the system's]
    #[arg(long, global = true, value_name = "FILE", requires = "control")]
    ca: Option<PathBuf>,
    /// The file with a credential of the scope admin, for --control
    #[arg(long, global = true, value_name = "FILE", requires = "control")]
    credential: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the first ring, once for a whole deployment
    ///
    /// Writes ring.sealed into the keys directory, sealed under the cluster secret; makes that too if there is none.
    /// Nothing is ever overwritten. Every replica needs the same two files.
    Init {
        /// Write the sealed ring to standard output and not into the keys directory
        #[arg(long)]
        stdout: bool,
    },
    /// Show every key with its state, its times and its life as a line
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the next key, which seals once every replica has it
    ///
    /// Safe at any time and safe to run twice: while a rotation is pending nothing changes. No session ends: the
    /// earlier key opens until the last one under it has died or was renewed. Keys that nothing needs any more are
    /// destroyed.
    Rotate {
        /// When the key is to seal, if later than it could (such as 2h)
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        after: Option<Duration>,
        /// With --control, among several replicas: say of each when it has the key, until all or a majority have
        #[arg(long, value_name = "WHO", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
        wait: Option<Who>,
        /// For how long to wait
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1m")]
        wait_at_most: Duration,
        #[command(flatten)]
        how: How,
    },
    /// Put a pending rotation off
    Postpone {
        #[command(flatten)]
        when: When,
        #[command(flatten)]
        how: How,
    },
    /// Emergency: end every session under a key at once, and seal with a fresh one
    ///
    /// Revoking a pending key calls its rotation off.
    Revoke {
        /// Its id, from `keys list`
        key: String,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        how: How,
    },
    /// Wipe a key that nothing needs any more
    Destroy {
        /// Its id, from `keys list`
        key: String,
        /// Even if sessions under it may be alive; they end
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        how: How,
    },
    /// The ring file or the cluster secret leaked: make a new ring; everybody has to log in again
    ReplaceRing {
        /// Seal it under the cluster secret in this file, made if it is not there; give it to every replica afterwards
        #[arg(long, value_name = "FILE", conflicts_with = "control")]
        secret: Option<PathBuf>,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        how: How,
    },
    /// Change the cluster secret in three steps: accept the new one, hand it to every replica, drop the old one
    #[command(subcommand)]
    Secret(Secret),
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
struct When {
    /// By how long (such as 24h)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    by: Option<Duration>,
    /// Until when (such as 2026-12-01T03:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Args)]
struct How {
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
struct Sure {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Keys {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        match &self.what {
            What::Init { .. } | What::Secret(_) if self.control.is_some() => {
                Err(Failure::Refused("this is done on the files; run it without --control".to_owned()))
            }
            What::Init { stdout } => init(common, *stdout),
            What::Secret(secret) => secret.run(common),
            What::ReplaceRing { secret: Some(secret), sure, how } if !how.dry_run => {
                self.ask(common, *how, *sure, |_| REPLACE.to_owned())?;
                replace_under(&office(common)?, secret, *how)
            }
            What::List { json } => {
                let report = self.custodian(common)?.report()?;
                if *json { print_json(&report) } else { say(show::ring(&report)) }
            }
            What::Rotate { after, wait, wait_at_most, how } => {
                let task = Task::Order(Order::Rotate { after: *after });
                match wait.filter(|_| !how.dry_run) {
                    Some(who) => self.rotate_and_wait(common, task, (who, *wait_at_most), *how),
                    None => self.carry_out(common, task, *how),
                }
            }
            What::Postpone { when: When { by, until }, how } => {
                let custodian = self.custodian(common)?;
                let until = match (*by, *until) {
                    (Some(by), _) => planned(&custodian.report()?)?.plus(by),
                    (_, until) => until.unwrap_or(Timestamp::EPOCH),
                };
                finish(&*custodian, Task::postpone(until), *how)
            }
            What::Revoke { key, sure, how } => {
                let task = Task::revoke(key).ok_or_else(|| no_key_id(key))?;
                self.ask(common, *how, *sure, |report| price_of_revoking(report, key))?;
                self.carry_out(common, task, *how)
            }
            What::Destroy { key, force, sure, how } => {
                let task = Task::destroy(key, *force).ok_or_else(|| no_key_id(key))?;
                let price =
                    if *force { "Sessions that are still under it end now." } else { "It can't be brought back." };
                self.ask(common, *how, *sure, |_| format!("Key {key} is wiped. {price}"))?;
                self.carry_out(common, task, *how)
            }
            What::ReplaceRing { sure, how, .. } => {
                self.ask(common, *how, *sure, |_| REPLACE.to_owned())?;
                self.carry_out(common, Task::ReplaceRing, *how)
            }
        }
    }

    fn carry_out(&self, common: &Common, task: Task, how: How) -> Result<(), Failure> {
        finish(&*self.custodian(common)?, task, how)
    }

    fn rotate_and_wait(
        &self,
        common: &Common,
        task: Task,
        (who, at_most): (Who, Duration),
        how: How,
    ) -> Result<(), Failure> {
        if self.control.is_none() {
            let text = "only a running service knows the others; give --control and --credential with --wait";
            return Err(Failure::Refused(text.to_owned()));
        }
        let custodian = self.custodian(common)?;
        let receipt = custodian.carry_out(task, false)?;
        let receipt = wait::wait(&*custodian, receipt, who, at_most, how.json)?;
        if how.json { print_json(&receipt) } else { say(show::receipt(&receipt)) }
    }

    /// Asks first, unless nothing will happen; and not before it is known that there is a ring at all.
    fn ask(&self, common: &Common, how: How, sure: Sure, price: impl FnOnce(&Report) -> String) -> Result<(), Failure> {
        if how.dry_run {
            return Ok(());
        }
        sure.or_ask(&price(&self.custodian(common)?.report()?))
    }

    fn custodian(&self, common: &Common) -> Result<Box<dyn Custodian>, Failure> {
        match (&self.control, &self.credential) {
            (Some(door), Some(credential)) => Ok(Box::new(Remote::new(door, self.ca.as_deref(), credential)?)),
            _ => Ok(Box::new(office(common)?)),
        }
    }
}

impl Sure {
    fn or_ask(self, price: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Refused(format!("{price} Not done: in a script say that you mean it with --yes")));
        }
        eprint!("{price}\nType yes to go on: ");
        let (mut line, fail) = (String::new(), |error| Failure::Io { what: "can't ask".to_owned(), error });
        std::io::stderr().flush().map_err(fail)?;
        std::io::stdin().read_line(&mut line).map_err(fail)?;
        if line.trim() == "yes" { Ok(()) } else { Err(Failure::Refused("not done".to_owned())) }
    }
}

fn office(common: &Common) -> Result<RingOffice, Failure> {
    let settings = common.settings(&[])?;
    let (site, dir): (_, RingDir) = (Common::site(&settings)?, Common::ring_dir(&settings));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
    let office = RingOffice::new(dir, site.timing(), site.longest(), clock, entropy);
    // A key made on the files of one replica is dated by a majority.
    Ok(if settings.cluster.is_of_many() { office.of_many() } else { office })
}

fn finish(custodian: &dyn Custodian, task: Task, how: How) -> Result<(), Failure> {
    let receipt: Receipt = custodian.carry_out(task, how.dry_run)?;
    if how.json { print_json(&receipt) } else { say(show::receipt(&receipt)) }
}

/// From when on the pending key seals.
fn planned(report: &Report) -> Result<Timestamp, Failure> {
    let pending = report.keys.iter().find(|key| key.state == "pending").and_then(|key| key.seals_from);
    pending.ok_or_else(|| Failure::Refused("no rotation is pending; `sealpass keys rotate` begins one".to_owned()))
}

fn print_json(shown: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(shown);
    say(text.map_err(|error| Failure::Io { what: "can't be shown".to_owned(), error: error.into() })?)
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "write it as RFC 3339 does, such as 2026-12-01T03:00:00Z".to_owned())
}

fn price_of_revoking(report: &Report, key: &str) -> String {
    match report.key(key).map(|key| key.state.as_str()) {
        Some("pending" | "proposed") => format!("The rotation to key {key} is called off."),
        _ => format!("Every session under key {key} ends now; its users log in again."),
    }
}

fn no_key_id(text: &str) -> Failure {
    Failure::Refused(format!("{text:?} is no key id, which has 8 hexadecimal digits; `sealpass keys list` shows them"))
}

const REPLACE: &str =
    "A new ring takes the place of this one: every session ends now, and everybody has to log in again.";
