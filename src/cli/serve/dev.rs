//! The dev mode: what is set for it, its credential, and what it says to try.

use std::path::Path;
use std::time::Duration;

use sealpass::config::{RealmSettings, Settings};
use sealpass::entropy::SystemEntropy;
use sealpass::http::{NewCredential, Running};
use sealpass::store::{create_private, read_private};

use super::super::Failure;

/// Loopback only, and pages of the service itself may post to it.
pub fn configure(settings: &mut Settings) -> Result<(), Failure> {
    for (name, address) in [("public", &settings.public.listen), ("control", &settings.control.listen)] {
        if !address.address().is_some_and(|address| address.ip().is_loopback()) {
            return Err(Failure::Refused(format!(
                "--dev logs anybody in as anybody, so it listens on loopback only; {name} is {address}"
            )));
        }
    }
    settings.drain = Duration::ZERO;
    if settings.realm.is_empty() {
        let port = settings.public.listen.address().map_or(0, |address| address.port());
        let origins = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}")).to_vec();
        let realm = RealmSettings { public_origins: origins, ..RealmSettings::default() };
        settings.realm.insert("default".to_owned(), realm);
    }
    Ok(())
}

/// The credential of the dev mode, made at its first start.
pub fn credential(keys: &Path) -> Result<String, Failure> {
    let path = keys.join("dev.credential");
    if !path.exists() {
        let credential = NewCredential::generate(&SystemEntropy::new())?;
        create_private(&path, credential.expose().as_bytes())?;
    }
    let bytes = read_private(&path, 1_024)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() {
        return Err(Failure::Refused(format!("{}: is empty or not text; delete it", path.display())));
    }
    Ok(text.to_owned())
}

/// What to type next: each line works as it is printed.
pub fn try_next(running: &Running, keys: &Path) -> String {
    let (public, control, dir) = (&running.public.listen, &running.control.listen, keys.display());
    let credential = for_shell(&format!("{dir}/dev.credential"));
    format!(
        "Sealpass is running for trying out: loopback only, keys in {dir}/.

  Open http://{public}/ and click through the life of a session, or in a second terminal:

  # An application logs alice in; the cookie is kept in the file jar.
  curl -sS -c jar http://{control}/v1/sessions -H \"Authorization: Bearer $(cat {credential})\" \\
    -H 'Content-Type: application/json' -d '{{\"subject\": \"alice\", \"roles\": [\"editor\"]}}'

  # A reverse proxy asks who is calling. 200, and the X-Session-… headers say who.
  curl -i http://{public}/verify/ -H \"Cookie: $(awk '/__Host-sealpass/ {{print $6 \"=\" $7}}' jar)\"

  # The browser logs out: 204.
  curl -i -X POST http://{public}/logout -H 'Sec-Fetch-Site: same-origin' \\
    -H \"Cookie: $(awk '/__Host-sealpass/ {{print $6 \"=\" $7}}' jar)\"

  # Whoever kept the cookie has nothing: the second command now answers 401.

  For operators: http://{control}/console takes the credential that stands in {dir}/dev.credential.

"
    )
}

/// One word to a shell, whatever characters are in it.
fn for_shell(word: &str) -> String {
    let plain = word.bytes().all(|c| c.is_ascii_alphanumeric() || b"/._-".contains(&c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
