//! The same claims through Sealpass, through what one would pick instead, and through `ring` alone, which is the limit.
//!
//! One run makes one table: how to run it, and what was measured, stands in the manual, page `performance`.

mod claims;
mod goals;
mod options;
mod peers;
#[path = "../../../benches/support/stats.rs"]
mod stats;
mod table;
mod turns;

use std::process::ExitCode;

use options::Options;
use peers::Peer;
use turns::{Figures, measure};

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::from(64);
        }
    };
    let (mut peers, left_out) = peers::all();
    let figures = measure(&mut peers, options.rounds);
    table::print(&peers, &figures);
    for line in &left_out {
        println!("left out: {line}");
    }
    let missed = goals::print(&peers, &figures, options.margin);
    println!(
        "{}; {} rounds, each of everything in turn; medians, with the least and the greatest",
        peers::ours::STORE,
        options.rounds
    );
    let incomplete = options.all && !left_out.is_empty();
    if (options.check && missed) || incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The row of that name.
fn row<'a>(peers: &[Peer], figures: &'a [Figures], name: &str) -> Option<&'a Figures> {
    peers.iter().position(|peer| peer.name == name).map(|at| &figures[at])
}
