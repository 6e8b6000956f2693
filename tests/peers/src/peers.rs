//! What is compared. Each is used as its documentation says, and its claims are compared after a round trip.

mod biscuit;
mod branca;
pub mod cookies;
pub mod iron;
mod jwt;
pub mod limit;
#[cfg(feature = "openssl")]
mod openssl;
pub mod ours;
pub mod paseto;

use crate::claims::Claims;
use crate::turns::{Batch, here};

/// One way to carry claims in a text.
pub struct Peer {
    pub name: &'static str,
    /// Of the text; 0 if there is none.
    pub characters: usize,
    pub protects: Protects,
    /// From text to claims, unexpired.
    pub open: Batch,
    /// From claims to text.
    pub seal: Batch,
}

/// What it does about three things, in a few words.
pub struct Protects {
    /// Whether who has the text can read the claims.
    pub secrecy: &'static str,
    /// How a key is followed by the next.
    pub rotation: &'static str,
    /// How a session is over before it expires.
    pub ending: &'static str,
}

impl Peer {
    /// Measures `seal` and `open`, after it has seen that `sample` comes back.
    pub fn new<T>(
        name: &'static str,
        protects: Protects,
        sample: &Claims,
        mut seal: impl FnMut() -> String + 'static,
        open: impl Fn(&str) -> T + 'static,
        seen: impl Fn(T) -> Claims,
    ) -> Self {
        let text = seal();
        assert_eq!(seen(open(&text)), *sample, "{name}");
        let characters = text.len();
        Self { name, characters, protects, open: here(move || open(&text)), seal: here(seal) }
    }
}

/// All that can be measured here, the limit first and ours next; and a line for each that can't.
pub fn all() -> (Vec<Peer>, Vec<String>) {
    let (ours, sample) = ours::peers();
    let mut peers = vec![limit::peer(ours[0].characters)];
    peers.extend(ours);
    peers.extend([cookies::private_jar(&sample), cookies::actix_session(&sample)]);
    peers.extend([paseto::pasetors(&sample), paseto::rusty_paseto(&sample)]);
    peers.extend([jwt::hs256(&sample), jwt::eddsa(&sample), branca::peer(&sample), biscuit::peer(&sample)]);
    let mut left_out = Vec::new();
    #[cfg(feature = "openssl")]
    peers.extend([openssl::josekit(&sample), openssl::fernet(&sample)]);
    #[cfg(not(feature = "openssl"))]
    left_out.push("josekit and fernet, which need OpenSSL's headers: cargo run --features openssl".to_owned());
    match iron::peer(&sample) {
        Ok(peer) => peers.push(peer),
        Err(why) => left_out.push(format!("iron-session: {why}")),
    }
    (peers, left_out)
}
