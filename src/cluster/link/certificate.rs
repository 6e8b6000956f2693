//! Certificates that nobody has to manage: an authority from the cluster secret, the same in every replica, and under
//! it a key and a certificate that each process makes for itself and keeps in memory.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::seal::PeerKeys;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// What a link is made with, as PEM.
pub struct Certificates {
    /// The authorities that are trusted, one behind the other.
    pub authorities: String,
    /// Our certificate.
    pub certificate: String,
    /// Its key.
    pub key: Zeroizing<String>,
}

impl Certificates {
    /// Makes a key and a certificate under the authority of the first secret of `keys`; those of all are trusted.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn new(keys: &PeerKeys, now: Timestamp) -> Result<Self, CertificateError> {
        let issuers = keys.ca_seeds().map(issuer).collect::<Result<Vec<_>, _>>()?;
        let (_, first) = issuers.first().ok_or(CertificateError)?;
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let certificate = ours(now)?.signed_by(&key, first)?.pem();
        let authorities = issuers.iter().map(|(pem, _)| pem.as_str()).collect();
        Ok(Self { authorities, certificate, key: Zeroizing::new(key.serialize_pem()) })
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates(redacted)")
    }
}

/// No certificate could be made; with good random bytes this does not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate could be made for the links between replicas")]
pub struct CertificateError;

impl From<rcgen::Error> for CertificateError {
    fn from(_: rcgen::Error) -> Self {
        Self // what rcgen says may name what it was given
    }
}

/// The authority of a secret: what stands in it is constant, so that each replica makes the same.
fn issuer(seed: &Secret<32>) -> Result<(String, Issuer<'static, KeyPair>), CertificateError> {
    let key = ed25519(seed)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "sealpass authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(4096, 1, 1);
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}

fn ours(now: Timestamp) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new([NAME.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date(now.minus(BACKDATED))?;
    params.not_after = date(now.plus(VALID))?;
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, CertificateError> {
    let secs = i64::try_from(at.as_secs()).map_err(|_| CertificateError)?;
    OffsetDateTime::from_unix_timestamp(secs).map_err(|_| CertificateError)
}

/// The private key of `seed` as PKCS#8 (RFC 8410, section 7): a head that is the same for all, and the seed.
fn ed25519(seed: &Secret<32>) -> Result<KeyPair, CertificateError> {
    let mut der = Zeroizing::new(PKCS8_HEAD.to_vec());
    der.extend_from_slice(seed.expose());
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), &PKCS_ED25519)?)
}

/// The clocks of two replicas may differ.
const BACKDATED: Duration = Duration::from_secs(60 * 60);
/// No process of a service lives longer; the certificate is made anew at each start.
const VALID: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const NAME: &str = "sealpass";
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> PeerKeys {
        let secrets: Vec<Secret<32>> = bytes.iter().map(|b| Secret::from_slice(&[*b; 32]).expect("32 bytes")).collect();
        PeerKeys::new(&secrets.iter().collect::<Vec<_>>()).expect("at least one")
    }

    fn made(bytes: &[u8]) -> Certificates {
        Certificates::new(&keys(bytes), Timestamp::from_millis(1_800_000_000_000).expect("in range")).expect("made")
    }

    #[test]
    fn replicas_make_the_same_authority_and_keys_of_their_own() {
        let (a, b) = (made(&[1]), made(&[1]));
        assert_eq!(a.authorities, b.authorities);
        assert_ne!(*a.key, *b.key);
        assert_ne!(a.authorities, made(&[2]).authorities);
    }

    #[test]
    fn all_accepted_secrets_are_trusted() {
        assert_eq!(made(&[1, 2]).authorities, made(&[1]).authorities + &made(&[2]).authorities);
    }

    /// RFC 8410, section 10.3, has this very key.
    #[test]
    fn the_seed_is_the_private_key() {
        let seed = [
            0xd4, 0xee, 0x72, 0xdb, 0xf9, 0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69, 0xf8, 0xad, 0x3a, 0xfe,
            0x7c, 0x28, 0xcb, 0xf1, 0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f, 0x44, 0x75, 0x58, 0x42,
        ];
        let key = ed25519(&Secret::from_slice(&seed).expect("32 bytes")).expect("a key");
        assert_eq!(key.public_key_raw()[..4], [0x19, 0xbf, 0x44, 0x09]);
    }
}
