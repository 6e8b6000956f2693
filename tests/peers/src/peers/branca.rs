//! Branca: XChaCha20-Poly1305, in base 62.

use branca::Branca;

use super::{Peer, Protects};
use crate::claims::{Claims, lifetime};

pub fn peer(sample: &Claims) -> Peer {
    let protects = Protects { secrecy: "yes", rotation: "no: one key", ending: "no" };
    let key = || Branca::new(&[7; 32]).expect("32 bytes");
    let (mut sealing, opening, claims, ttl) = (key(), key(), sample.clone(), lifetime(sample));
    let seal = move || sealing.encode(claims.json().as_bytes()).expect("fits");
    let open = move |text: &str| Claims::of_json(&opening.decode(text, ttl).expect("ours"));
    Peer::new("branca", protects, sample, seal, open, |claims| claims)
}
