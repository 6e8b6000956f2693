//! Our cookie, read from the raw bytes of a request and written for a response.
//!
//! Reading is our own scan: frameworks decode names and trim Unicode space, which lets a sibling domain plant a cookie
//! that only looks like a `__Host-` one. Other cookies may hold anything at all and never matter.

use std::fmt::Write as _;
use std::time::Duration;

use memchr::memmem;
use smallvec::SmallVec;

use crate::claims::CookieName;
use crate::clock::Timestamp;
use crate::config::RealmSite;
use crate::sessions::{Issued, IssuedAnchor, MAX_CANDIDATES};

/// The values of our cookie; one more than may count, if there are as many.
pub type Values<'h> = SmallVec<[&'h [u8]; MAX_CANDIDATES + 1]>;

/// The values of the cookie called `name`, up to one more than may count: every value is read as in
/// RFC 6265, section 5.4, byte for byte.
pub fn values<'h>(lines: impl Iterator<Item = &'h [u8]>, name: &[u8]) -> Values<'h> {
    every_value(lines, name).take(MAX_CANDIDATES + 1).collect()
}

/// All values of the cookie called `name` in the Cookie `lines` of a request (RFC 6265, section 5.4; several lines are
/// legal since RFC 9113, section 8.2.3).
///
/// The name has to be the same byte for byte. Around name and value only SP and TAB are trimmed, and nothing is decoded
/// or unquoted: a value in quotes is another value.
pub fn every_value<'h>(lines: impl Iterator<Item = &'h [u8]>, name: &[u8]) -> impl Iterator<Item = &'h [u8]> {
    lines.flat_map(move |line| pairs_with(line, name)).filter_map(move |pair| value_of(pair, name))
}

/// The cookies of a request but those called by one of `names`, as one line: what of it an application may see. Which pairs
/// go is decided as in [`every_value`]; the others stay byte for byte. `None` if nothing is left.
pub fn of_others<'h>(lines: impl Iterator<Item = &'h [u8]>, names: &[&str]) -> Option<Vec<u8>> {
    let ours = |pair: &[u8]| names.iter().any(|name| value_of(pair, name.as_bytes()).is_some());
    let mut line = Vec::new();
    for pair in lines.flat_map(pairs).filter(|pair| !ours(pair)).map(trim).filter(|pair| !pair.is_empty()) {
        if !line.is_empty() {
            line.extend_from_slice(b"; ");
        }
        line.extend_from_slice(pair);
    }
    (!line.is_empty()).then_some(line)
}

/// The Set-Cookie value that carries a session; sealing made sure that it is not too large. `Max-Age` only if it outlives the
/// browser; and if it is bound to a device: that the cookie is gone tells the browser to refresh it.
pub fn set(site: &RealmSite, issued: &Issued, now: Timestamp) -> String {
    // The browser may forget it when the token dies anyway.
    let life = (issued.persistent || issued.anchor.is_some()).then(|| issued.idle_expires.since(now));
    line(site.realm.cookie(), issued.token.expose(), life, &site.cookie.attributes)
}

/// The Set-Cookie value that carries an anchor, for as long as its session; or for `life`.
pub fn set_anchor(site: &RealmSite, anchor: &IssuedAnchor, life: Option<Duration>, now: Timestamp) -> String {
    let life = life.or(anchor.persistent.then(|| anchor.idle_expires.since(now)));
    line(site.realm.anchor_cookie(), anchor.token.expose(), life, ANCHOR)
}

/// The same of a session, if it is bound to a device.
pub fn set_anchor_of(site: &RealmSite, issued: &Issued, now: Timestamp) -> Option<String> {
    issued.anchor.as_ref().map(|anchor| set_anchor(site, anchor, None, now))
}

/// The Set-Cookie value that removes what [`set`] set: the same name, path and domain, or browsers keep both.
pub fn clear(site: &RealmSite) -> String {
    format!("{}=; Max-Age=0{}", site.realm.cookie().as_str(), site.cookie.attributes)
}

/// The same of [`set_anchor`].
pub fn clear_anchor(site: &RealmSite) -> String {
    format!("{}=; Max-Age=0{ANCHOR}", site.realm.anchor_cookie().as_str())
}

fn line(name: &CookieName, token: &str, life: Option<Duration>, attributes: &str) -> String {
    let mut written = String::with_capacity(512);
    let _ = write!(written, "{}={token}", name.as_str());
    if let Some(life) = life {
        let _ = write!(written, "; Max-Age={}", life.as_secs());
    }
    written.push_str(attributes);
    written
}

/// The value of a pair that is called `name`. Most are others': nothing behind the name is looked at before it is ours.
fn value_of<'h>(pair: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    match trim(trim_start(pair).strip_prefix(name)?).split_first() {
        Some((b'=', value)) => Some(trim(value)),
        _ => None,
    }
}

/// What stands between the semicolons.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b';', line).chain(std::iter::once(line.len()));
    let mut start = 0;
    ends.map(move |end| &line[std::mem::replace(&mut start, end + 1)..end])
}

/// The pairs in which `name` stands in front of a `=`, and all others unless the line is long: nobody has to look at each of
/// 64,000 semicolons.
fn pairs_with<'h>(line: &'h [u8], name: &[u8]) -> impl Iterator<Item = &'h [u8]> {
    let finder = (line.len() > LONG).then(|| memmem::Finder::new(name));
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let mut line = rest.take()?;
        if let Some(finder) = &finder {
            let named = |hit: &usize| line[hit + name.len()..].iter().find(|byte| !blank(**byte)) == Some(&b'=');
            let hit = finder.find_iter(line).find(named)?;
            line = &line[memchr::memrchr(b';', &line[..hit]).map_or(0, |before| before + 1)..];
        }
        let Some(end) = memchr::memchr(b';', line) else { return Some(line) };
        rest = Some(&line[end + 1..]);
        Some(&line[..end])
    })
}

/// Without the SP and TAB around it, and only those: Unicode space and other controls are part of a name.
fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., last] = bytes
        && blank(*last)
    {
        bytes = rest;
    }
    bytes
}

/// The same in front of it.
fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && blank(*first)
    {
        bytes = rest;
    }
    bytes
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The attributes of every anchor. It comes along as well when the link of another site makes a browser refresh; by itself it
/// opens nothing.
const ANCHOR: &str = "; Path=/; Secure; HttpOnly; SameSite=None";

/// Octets of a Cookie line from which on looking for the name first is cheaper than looking at every pair.
const LONG: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"__Host-sealpass";

    fn of(lines: &[&[u8]]) -> Vec<Vec<u8>> {
        values(lines.iter().copied(), NAME).iter().map(|value| value.to_vec()).collect()
    }

    #[test]
    fn s23_other_cookies_never_matter() {
        for junk in [
            &b"a"[..],
            b"=a",
            b"x=%db",
            b"x=caf\xe9",
            b"x=\"",
            b"x={\"a\":1}",
            b"x=a,b",
            b"",
            b";;",
            b" ",
            b"=",
            b"x=\0",
            b"__Host-sealpass",
            b"__Host-sealpass \t",
            b"__Host-sealpassx=1",
            b"x__Host-sealpass=1",
        ] {
            let before = [junk, b"; __Host-sealpass=T"].concat();
            let behind = [b"__Host-sealpass=T; ", junk].concat();
            let tight = [b"__Host-sealpass=T;", junk, b";"].concat();
            for line in [before, behind, tight] {
                assert_eq!(of(&[&line]), [b"T"], "{}", String::from_utf8_lossy(&line));
            }
        }
        assert_eq!(of(&[b""]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn an_application_sees_the_cookies_of_others() {
        let others = |lines: &[&[u8]]| of_others(lines.iter().copied(), &["__Host-sealpass", "__Secure-b"]);
        for (lines, left) in [
            (&[&b"a=1; __Host-sealpass=T; b=2"[..]][..], Some(&b"a=1; b=2"[..])),
            (&[b"__Host-sealpass=T"], None),
            (&[b"__Host-sealpass=T; __Host-sealpass = U;\t__Secure-b=V"], None),
            (&[b"a=1", b" __Host-sealpass\t=T", b"b=2"], Some(b"a=1; b=2")),
            (&[b"a=\xff;;b=\"; ;c"], Some(b"a=\xff; b=\"; c")),
            (
                &[b"__Host-sealpass; __host-sealpass=1; x=__Host-sealpass=1"],
                Some(b"__Host-sealpass; __host-sealpass=1; x=__Host-sealpass=1"),
            ),
            (&[b"", b";"], None),
        ] {
            assert_eq!(others(lines).as_deref(), left, "{lines:?}");
        }
    }

    #[test]
    fn a_long_line_is_read_as_a_short_one() {
        let name = "__Host-sealpass";
        for short in [
            "__Host-sealpass=T",
            "a=1; __Host-sealpass=T; b=2; __Host-sealpass=U;",
            "; ;\t__Host-sealpass = T ;;__Host-sealpass=",
            "__Host-sealpass; __Host-sealpassx=1; x__Host-sealpass=2; __Host-sealpass=T",
            "x=__Host-sealpass=1; __Host-sealpass=__Host-sealpass=T; __Host-__Host-sealpass=3",
            "__Host-sealpass __Host-sealpass=1; __Host-sealpass=T; __Host-sealpass x __Host-sealpass=2",
            "a=1; b=2",
        ] {
            let found = of(&[short.as_bytes()]);
            assert_eq!(found.is_empty(), short == "a=1; b=2", "{short}");
            for filler in [";".to_owned(), "; c=3".to_owned(), format!("; {name}"), format!("; {name}x=;x={name}=1")] {
                let filler = filler.repeat(2 * LONG / filler.len());
                for line in
                    [format!("{short}{filler}"), format!("x{filler};{short}"), format!("{filler};{short}{filler}")]
                {
                    assert_eq!(of(&[line.as_bytes()]), found, "{short} and {} octets", filler.len());
                }
            }
        }
    }

    #[test]
    fn s24_every_line_counts() {
        assert_eq!(of(&[b"a=1", b"b=2; __Host-sealpass=T", b"c=3"]), [b"T"]);
        assert_eq!(of(&[b"a=1", b"", b"__Host-sealpass=T"]), [b"T"]);
    }

    #[test]
    fn s25_all_of_our_name_are_found_in_order_and_no_more_than_needed() {
        assert_eq!(of(&[b"__Host-sealpass=; __Host-sealpass=T"]), [&b""[..], b"T"]);
        let many = b"__Host-sealpass=T; ".repeat(1_000);
        assert_eq!(of(&[&many]).len(), MAX_CANDIDATES + 1);
    }

    #[test]
    fn s26_what_only_looks_like_our_name_is_not_ours() {
        for other in [
            &b"__%48ost-sealpass=T"[..],
            b"__host-sealpass=T",
            b"__HOST-SEALPASS=T",
            b"\xc2\xa0__Host-sealpass=T",
            b"\xe2\x80\x82__Host-sealpass=T",
            b"\x0b__Host-sealpass=T",
            b"__Host-sealpass\xc2\xa0=T",
            b"\"__Host-sealpass\"=T",
            b"=__Host-sealpass=T",
            b"$__Host-sealpass=T",
        ] {
            assert_eq!(of(&[other]), Vec::<Vec<u8>>::new(), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn s27_a_value_is_taken_as_it_stands() {
        assert_eq!(of(&[b"__Host-sealpass=\"T\""]), [b"\"T\""]);
        assert_eq!(of(&[b"__Host-sealpass=%54"]), [b"%54"]);
        assert_eq!(of(&[b"__Host-sealpass=T=="]), [b"T=="]);
        assert_eq!(of(&[b" \t__Host-sealpass \t= \tT\t "]), [b"T"]);
    }
}
