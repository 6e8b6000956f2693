//! XAES-256-GCM against the numbers of its specification, <https://c2sp.org/XAES-256-GCM>: the two vectors with
//! intermediate values, and the accumulated ones, which reach every length up to 255 bytes and both cases of doubling.
//!
//! Nonces, keys and tokens are not here; `tests/vectors.rs` has them.

use sealpass::seal::{Cipher, TAG_LEN};
use sealpass::secret::Secret;
use shake::Shake128;
use shake::digest::{ExtendableOutput, Update, XofReader};

#[test]
fn seals_and_opens_the_vectors_of_the_specification() {
    for Vector { key, aad, ciphertext } in VECTORS {
        let cipher = Cipher::new(&Secret::from_slice(&[*key; 32]).expect("32 bytes"));
        assert_eq!(hex(&seal(&cipher, NONCE, aad, TEXT)), *ciphertext, "key {key}");

        let mut sealed = unhex(ciphertext);
        assert_eq!(cipher.open_in_place(NONCE, aad, &mut sealed).expect("authentic"), TEXT, "key {key}");
        for bit in 0..8 * (TEXT.len() + TAG_LEN) {
            let mut changed = unhex(ciphertext);
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(cipher.open_in_place(NONCE, aad, &mut changed).is_err(), "key {key}, bit {bit}");
        }
    }
}

#[test]
fn ten_thousand_random_messages_add_up() {
    assert_eq!(accumulated(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test xaes")]
fn a_million_random_messages_add_up() {
    assert_eq!(accumulated(1_000_000), "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
}

/// The specification's accumulated test: keys, nonces, texts and additional data come from an empty SHAKE-128, and what
/// they seal to goes into another, whose first 32 bytes are the result.
fn accumulated(rounds: usize) -> String {
    let mut source = Shake128::default().finalize_xof();
    let mut sum = Shake128::default();
    for round in 0..rounds {
        let cipher = Cipher::new(&Secret::from_slice(&bytes::<32>(&mut source)).expect("32 bytes"));
        let nonce = bytes(&mut source);
        let text = counted(&mut source);
        let aad = counted(&mut source);
        let mut sealed = seal(&cipher, &nonce, &aad, &text);
        sum.update(&sealed);
        assert_eq!(cipher.open_in_place(&nonce, &aad, &mut sealed).expect("authentic"), text, "round {round}");
    }
    hex(&bytes::<32>(&mut sum.finalize_xof()))
}

/// Ciphertext and tag.
fn seal(cipher: &Cipher, nonce: &[u8; 24], aad: &[u8], text: &[u8]) -> Vec<u8> {
    let mut sealed = text.to_vec();
    let tag = cipher.seal_in_place(nonce, aad, &mut sealed);
    sealed.extend_from_slice(&tag);
    sealed
}

fn bytes<const N: usize>(source: &mut impl XofReader) -> [u8; N] {
    let mut out = [0; N];
    source.read(&mut out);
    out
}

/// A byte that says how many follow.
fn counted(source: &mut impl XofReader) -> Vec<u8> {
    let [len] = bytes(source);
    let mut out = vec![0; len.into()];
    source.read(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

struct Vector {
    /// 32 times this byte.
    key: u8,
    aad: &'static [u8],
    ciphertext: &'static str,
}

const NONCE: &[u8; 24] = b"ABCDEFGHIJKLMNOPQRSTUVWX";
const TEXT: &[u8] = b"XAES-256-GCM";
const VECTORS: &[Vector] = &[
    Vector { key: 1, aad: b"", ciphertext: "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271" },
    // Here the top bit of L is set, so that doubling reduces.
    Vector {
        key: 3,
        aad: b"c2sp.org/XAES-256-GCM",
        ciphertext: "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
    },
];
