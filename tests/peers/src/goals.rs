//! What was aimed at, beside what was measured.

use crate::peers::{Peer, cookies, iron, limit, ours, paseto};
use crate::row;
use crate::stats::ratio;
use crate::turns::Figures;

/// Prints a line for each goal, and says whether one was missed by more than `margin`.
pub fn print(peers: &[Peer], figures: &[Figures], margin: f64) -> bool {
    let mut missed = false;
    println!();
    for Goal { what, of, to, on, bound } in GOALS {
        let (Some(of), Some(to)) = (row(peers, figures, of), row(peers, figures, to)) else {
            println!("{what:<40} not measured here");
            continue;
        };
        let (of, to) = match on {
            Side::Open => (&of.open, &to.open),
            Side::Seal => (&of.seal, &to.seal),
        };
        let (middle, least, greatest) = ratio(of, to);
        let (met, goal) = match bound {
            Bound::AtMost(most) => (middle <= most, format!("≤ {most}")),
            Bound::AtLeast(least) => (middle >= least, format!("≥ {least}")),
        };
        missed |= match bound {
            Bound::AtMost(most) => middle > most * margin,
            Bound::AtLeast(least) => middle < least / margin,
        };
        println!("{what:<40}{middle:>8.2}  ({least:.2}–{greatest:.2})  goal {goal}: {}", verdict(met));
    }
    missed | !shortest(peers)
}

/// Ours has to be the shortest of those that keep the claims secret. That does not depend on the machine.
fn shortest(peers: &[Peer]) -> bool {
    let of = |peer: &&Peer| peer.protects.secrecy == "yes" && peer.characters > 0 && !peer.name.starts_with(ours::NAME);
    let ours = peers.iter().find(|peer| peer.name == ours::NAME).expect("it is always measured").characters;
    let next = peers.iter().filter(of).min_by_key(|peer| peer.characters).expect("some are always measured");
    let met = ours < next.characters;
    let name = next.name;
    println!(
        "{:<40}{ours:>8}  against {} of {name}, the next  goal: {}",
        "characters, encrypted",
        next.characters,
        verdict(met)
    );
    met
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

struct Goal {
    what: &'static str,
    of: &'static str,
    to: &'static str,
    on: Side,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Side {
    Open,
    Seal,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};
use Side::{Open, Seal};

const GOALS: [Goal; 6] = [
    Goal { what: "sealpass open / the limit", of: ours::NAME, to: limit::NAME, on: Open, bound: AtMost(4.5) },
    Goal { what: "sealpass seal / the limit", of: ours::NAME, to: limit::NAME, on: Seal, bound: AtMost(7.0) },
    Goal { what: "PrivateJar open / ours", of: cookies::PRIVATE_JAR, to: ours::NAME, on: Open, bound: AtLeast(2.4) },
    Goal {
        what: "actix-session open / ours",
        of: cookies::ACTIX_SESSION,
        to: ours::NAME,
        on: Open,
        bound: AtLeast(4.0),
    },
    Goal {
        what: "pasetors v4.local open / ours",
        of: paseto::PASETORS,
        to: ours::NAME,
        on: Open,
        bound: AtLeast(11.0),
    },
    Goal { what: "iron-session open / ours", of: iron::NAME, to: ours::NAME, on: Open, bound: AtLeast(300.0) },
];
