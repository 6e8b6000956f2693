//! The header fields, which are structured ones (RFC 9651).

use sfv::{BareItem, Item, ItemSerializer, KeyRef, ListSerializer, Parser, StringRef, TokenRef};

/// The value of `Secure-Session-Registration`: where to register, and what to sign. None if a text can't stand there.
pub fn registration(path: &str, challenge: &str) -> Option<String> {
    let mut list = ListSerializer::new();
    let mut algorithms = list.inner_list();
    let _ = algorithms.bare_item(TokenRef::from_str("ES256").ok()?);
    let parameters = algorithms.finish();
    let parameters = parameters.parameter(KeyRef::from_str("path").ok()?, StringRef::from_str(path).ok()?);
    let _ = parameters.parameter(KeyRef::from_str("challenge").ok()?, StringRef::from_str(challenge).ok()?);
    list.finish()
}

/// The value of `Secure-Session-Challenge`: what to sign, and for which session of the browser's.
pub fn challenge(challenge: &str, id: &str) -> Option<String> {
    let item = ItemSerializer::new().bare_item(StringRef::from_str(challenge).ok()?);
    Some(item.parameter(KeyRef::from_str("id").ok()?, StringRef::from_str(id).ok()?).finish())
}

/// The session that `Sec-Secure-Session-Id` names.
pub fn named(value: &[u8]) -> Option<String> {
    text(value).filter(|id| !id.is_empty() && id.len() <= MAX_ID)
}

/// The JWT of `Secure-Session-Response`.
pub fn proof_text(value: &[u8]) -> Option<String> {
    text(value)
}

/// The draft says strings, and Chromium writes both bare: our identifiers and every JWT can be read as tokens too. What
/// parameters there are does not matter.
fn text(value: &[u8]) -> Option<String> {
    match Parser::new(value).parse::<Item>().ok()?.bare_item {
        BareItem::String(text) => Some(text.into()),
        BareItem::Token(text) => Some(text.into()),
        _ => None,
    }
}

/// Longest name of a session. Ours have [`super::identifier`]'s length.
pub const MAX_ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_draft_has_them() {
        let written = registration("/dbsc/default/registration", "AZ-_9");
        let expected = "(ES256);path=\"/dbsc/default/registration\";challenge=\"AZ-_9\"";
        assert_eq!(written.as_deref(), Some(expected));
        assert_eq!(challenge("AZ-_9", "kX").as_deref(), Some("\"AZ-_9\";id=\"kX\""));
        assert_eq!(challenge("caf\u{e9}", "kX"), None);
    }

    #[test]
    fn a_browser_may_write_a_string_or_a_token_and_nothing_else() {
        for (value, read) in [
            (&b"kX-_9"[..], Some("kX-_9")),
            (b"\"kX-_9\"", Some("kX-_9")),
            (b" \"9\" ", Some("9")),
            (b"\"kX\";a=1", Some("kX")),
            (b"\"\"", None),
            (b"", None),
            (b"9", None),
            (b"-_", None),
            (b"?1", None),
            (b":YQ==:", None),
            (b"kX, kY", None),
            (b"kX kY", None),
            (b"(kX)", None),
            (b"\"kX", None),
            (b"\"k\xc3\xa9\"", None),
            (b"\xff", None),
        ] {
            assert_eq!(named(value).as_deref(), read, "{value:?}");
        }
        assert_eq!(named("k".repeat(MAX_ID + 1).as_bytes()), None);
        assert_eq!(proof_text(b"eyJh.eyJq.WV-u_0").as_deref(), Some("eyJh.eyJq.WV-u_0"));
    }
}
