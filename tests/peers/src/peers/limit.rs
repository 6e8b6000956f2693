//! The limit: AES-256-GCM by `ring` over as many bytes as our token has, without encoding, claims or look-ups.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{Peer, Protects};
use crate::turns::here;

pub const NAME: &str = "ring AES-256-GCM alone";

/// For a token of so many characters.
pub fn peer(characters: usize) -> Peer {
    let payload = characters * 3 / 4 - OVERHEAD;
    let (sealing, opening) = (key(), key());
    let plain = vec![9; payload];
    let mut sealed = plain.clone();
    let tag = sealing.seal_in_place_separate_tag(nonce(), Aad::from(AAD), &mut sealed).expect("short");
    sealed.extend_from_slice(tag.as_ref());
    let mut buffers = (sealed.clone(), plain.clone());
    Peer {
        name: NAME,
        characters: 0,
        protects: Protects { secrecy: "yes", rotation: "–", ending: "–" },
        open: here(move || {
            buffers.0.copy_from_slice(&sealed);
            opening.open_in_place(nonce(), Aad::from(AAD), &mut buffers.0).expect("ours").len()
        }),
        seal: here(move || {
            buffers.1.copy_from_slice(&plain);
            sealing.seal_in_place_separate_tag(nonce(), Aad::from(AAD), &mut buffers.1).expect("short")
        }),
    }
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"))
}

/// The limit has nothing to do with nonces either.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Version, key id, nonce and tag.
const OVERHEAD: usize = 45;
/// As long as ours for the default realm and cookie.
const AAD: [u8; 43] = [1; 43];
