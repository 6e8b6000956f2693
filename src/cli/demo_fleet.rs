//! `sealpass demo-fleet`: three replicas on this machine, and what they do when one is told, killed or left alone.

mod script;
mod stage;
mod visitor;

use std::sync::Arc;

use clap::Args;

use self::stage::Stage;
use super::{Failure, say};

/// Watch three replicas agree
///
/// Starts three replicas on free ports of the loopback, in a temporary directory; logs somebody in at one and out at
/// another, makes a key, kills replicas until the last one is alone, and brings them back. Takes about half a minute,
/// and ends whatever it started.
#[derive(Debug, Args)]
pub struct DemoFleet {
    /// Leave the replicas running until Ctrl-C, and say how to ask them
    #[arg(long)]
    keep: bool,
}

impl DemoFleet {
    pub fn run(&self) -> Result<(), Failure> {
        let stage = Arc::new(Stage::new()?);
        let of_signal = Arc::clone(&stage);
        stage::on_signal(move || of_signal.end())?;
        let played = script::play(&stage);
        match played {
            Ok(()) if self.keep => {
                say(script::try_next(&stage))?;
                stage::wait_for_signal()
            }
            played => {
                let told = played.map_err(|failure| stage.with_logs(&failure));
                stage.end();
                told
            }
        }
    }
}
