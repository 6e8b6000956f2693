//! What every command takes that asks one running replica and shows what it says.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::keys::remote::Remote;
use super::{Common, Failure, say};

#[derive(Debug, Args)]
pub struct OneReplica {
    /// The control listener of a replica [default: that of the configuration]
    #[arg(long, value_name = "URL")]
    control: Option<String>,
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
        let url = match &self.control {
            Some(url) => url.clone(),
            None => common.settings(&[])?.control.url(),
        };
        Remote::new(&url, &self.credential)
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
