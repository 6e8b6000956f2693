//! The table.

use crate::peers::Peer;
use crate::stats::{median, ratio};
use crate::turns::{Figures, spread};

pub fn print(peers: &[Peer], figures: &[Figures]) {
    let limit = &figures[0];
    println!(
        "{:<23}{:>9}{:>9}{:>9}{:>9}{:>12}{:>12}{:>8}{:>6}  {:<8}{:<20}ending",
        "",
        "open ns",
        "x limit",
        "seal ns",
        "x limit",
        "opens/s",
        "seals/s",
        "spread",
        "chars",
        "secrecy",
        "key rotation"
    );
    for (peer, own) in peers.iter().zip(figures) {
        let (open, seal) = (median(&own.open), median(&own.seal));
        let protects = &peer.protects;
        println!(
            "{:<23}{open:>9.0}{:>9.1}{seal:>9.0}{:>9.1}{:>12}{:>12}{:>7.0}%{:>6}  {:<8}{:<20}{}",
            peer.name,
            ratio(&own.open, &limit.open).0,
            ratio(&own.seal, &limit.seal).0,
            thousands(1e9 / open),
            thousands(1e9 / seal),
            100.0 * spread(&own.open).max(spread(&own.seal)),
            if peer.characters == 0 { "–".to_owned() } else { peer.characters.to_string() },
            protects.secrecy,
            protects.rotation,
            protects.ending,
        );
    }
    println!("a second: of one core; spread: how far the middle half of the rounds lies from the median, at most");
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}
