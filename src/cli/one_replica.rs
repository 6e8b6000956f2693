//! What every command takes that asks one running replica and shows what it says.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::remote::{Door, Remote};
use super::{Common, Failure, say};

#[derive(Debug, Args)]
pub struct OneReplica {
    /// The control listener of a replica [default: that of the configuration]
    #[arg(long, value_name = "URL")]
    control: Option<Door>,
    /// Trust the certificates in this PEM file, and no others, in a control listener under TLS [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The file with a credential of the scope admin
    #[arg(long, value_name = "FILE")]
    credential: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl OneReplica {
    /// Its control API.
    pub fn remote(&self, common: &Common) -> Result<Remote, Failure> {
        let door = Door::given_or_configured(self.control.as_ref(), common)?;
        Remote::new(&door, self.ca.as_deref(), &self.credential)
    }

    /// Prints `told` as JSON if that was asked for, else for people.
    pub fn show<T: Serialize>(&self, told: &T, for_people: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if !self.json {
            return say(for_people(told));
        }
        let text = serde_json::to_string_pretty(told);
        say(text.map_err(|error| Failure::Io { what: "can't be shown".to_owned(), error: error.into() })?)
    }
}
