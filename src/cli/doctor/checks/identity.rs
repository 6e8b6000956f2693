//! Identity headers: those of Sealpass arrive, those of a client never do.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sealpass::http::identity_headers;
use serde_json::json;

use super::super::chain::{Ask, Chain, Reached, passed};
use super::super::report::{Found, Not};
use super::given;

pub fn arrives(chain: &Chain) -> Found {
    let path = chain.echo()?;
    told_right(chain, &chain.arrives(&Ask::get(path).cookie(chain.session.cookie()))?)
}

/// A proxy takes out what stands in a Connection header. Were that done last, a client could choose what the
/// application is not told: that somebody is nobody, say.
pub fn not_removed(chain: &Chain) -> Found {
    let path = chain.echo()?;
    arrives(chain).map_err(|_| Not::Checked("they don't arrive anyway; see identity-arrives".to_owned()))?;
    let named: Vec<_> = names(chain).collect();
    let ask = Ask::get(path).with(format!("Connection: close, {}", named.join(", "))).cookie(chain.session.cookie());
    match chain.reached(&ask)? {
        Some(reached) => told_right(chain, &reached),
        None => Ok("refused".to_owned()),
    }
}

/// In any case, each twice, before and behind the cookie; and with a space before the colon, which is no HTTP.
pub fn forged(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let spellings: [fn(&str) -> String; 3] = [str::to_owned, str::to_ascii_uppercase, odd_case];
    for spelling in spellings {
        get_none(chain, path, spelling, true)?;
    }
    get_none(chain, path, |name| format!("{name} "), false)?;
    Ok("none gets through".to_owned())
}

/// Many applications can't tell `X_Session_Subject` from `X-Session-Subject`, and some any other character in its
/// place.
pub fn underscores(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let first = |name: &str| name.replacen('-', "_", 1);
    let last = |name: &str| name.rsplit_once('-').map_or_else(|| name.to_owned(), |(a, b)| format!("{a}_{b}"));
    let upper = |name: &str| name.replace('-', "_").to_ascii_uppercase();
    let dots = |name: &str| name.replace('-', ".");
    let others = |name: &str| name.replacen('-', "+", 1).replace('-', "~");
    let spellings: [fn(&str) -> String; 6] = [with_underscores, first, last, upper, dots, others];
    for spelling in spellings {
        get_none(chain, path, spelling, true)?;
    }
    Ok("none gets through".to_owned())
}

/// There Sealpass says nothing of most headers, and what it leaves empty has to be taken out all the same.
pub fn forged_optional(chain: &Chain) -> Found {
    let path = given(chain.options.optional_path.as_ref(), "--optional-path")?;
    chain.need_echo(&Ask::get(path))?;
    get_none_without_session(chain, path)
}

/// There Sealpass is not asked at all, so that nothing of its answer takes the place of what a client made up.
pub fn forged_session_path(chain: &Chain) -> Found {
    let given = chain.options.session_path.as_deref();
    let path = given.unwrap_or(LOGIN);
    chain.need_echo(&Ask::get(path)).map_err(|why| match (given, why) {
        (None, Not::Checked(why)) => Not::Checked(format!("{why}; give --session-path")),
        (_, why) => why,
    })?;
    get_none_without_session(chain, path)
}

fn get_none_without_session(chain: &Chain, path: &str) -> Found {
    let spellings: [fn(&str) -> String; 3] = [str::to_owned, odd_case, with_underscores];
    for spelling in spellings {
        let ask = Ask::get(path).cookie("a=1").with_all(lines(chain, spelling));
        if let Some(reached) = chain.reached(&ask)? {
            none_of(chain, &reached, true)?;
        }
    }
    Ok("none gets through".to_owned())
}

pub fn non_ascii(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let subject = chain.own.foreign_subject();
    let session = chain.own.issue_with(&subject, &json!({}));
    let session = session.map_err(|error| Not::Checked(error.to_string()))?;
    let status = chain.status(&Ask::get(path).cookie(session.cookie()))?;
    if !passed(status) {
        return Err(Not::Right(format!("{status} for a subject that is not ASCII")));
    }
    let reached = chain.arrives(&Ask::get(path).cookie(session.cookie()))?;
    let sent = encoded(&subject);
    match reached.all("x-session-subject").collect::<Vec<_>>()[..] {
        [got] if got == sent => Ok(sent),
        [] => Err(Not::Checked("X-Session-Subject does not arrive; see identity-arrives".to_owned())),
        ref got => Err(Not::Right(format!("{} in place of {sent}", got.join(", ")))),
    }
}

fn told_right(chain: &Chain, reached: &Reached) -> Found {
    let (subject, id) = (encoded(&chain.own.subject), chain.session.id.clone());
    for (name, value) in [("x-session-valid", "true"), ("x-session-subject", &subject), ("x-session-id", &id)] {
        match reached.all(name).collect::<Vec<_>>()[..] {
            [got] if got == value => {}
            [] => return Err(Not::Right(format!("no {name}"))),
            ref got => return Err(Not::Right(format!("{name}: {}", got.join(", ")))),
        }
    }
    Ok("X-Session-Subject and the others".to_owned())
}

/// Asks with forged headers before and behind the cookie. `proper`: they are HTTP, so that they may be let in and taken
/// out.
fn get_none(chain: &Chain, path: &str, spelling: fn(&str) -> String, proper: bool) -> Result<(), Not> {
    let cookie = chain.session.cookie();
    let before = Ask::get(path).with_all(lines(chain, spelling)).cookie(&cookie);
    let behind = Ask::get(path).cookie(&cookie).with_all(lines(chain, spelling));
    for ask in [before, behind] {
        if let Some(reached) = chain.reached(&ask)? {
            none_of(chain, &reached, proper)?;
        }
    }
    Ok(())
}

/// None of what was forged got through, and nothing stands there twice.
fn none_of(chain: &Chain, reached: &Reached, single: bool) -> Result<(), Not> {
    let forged = reached.with(&chain.mark).into_iter().filter(|name| is_identity(chain, name));
    let mut found: Vec<_> = forged.map(str::to_owned).collect();
    // The session's own subject has the mark in it.
    found.retain(|name| reached.headers.iter().any(|(known, value)| known == name && value.contains(FORGED)));
    let twice = names(chain).filter(|name| single && reached.all(name).count() > 1);
    let twice: Vec<_> = twice.map(|name| format!("{name} twice")).collect();
    found.extend(twice);
    found.dedup();
    if found.is_empty() { Ok(()) } else { Err(Not::Right(format!("reached the application: {}", found.join(", ")))) }
}

/// Every identity header, forged, twice.
fn lines(chain: &Chain, spelling: fn(&str) -> String) -> Vec<String> {
    let line = |name: &str| format!("{}: {FORGED}-{}", spelling(name), chain.mark);
    names(chain).flat_map(|name| [line(name), line(name)]).collect()
}

fn names(chain: &Chain) -> impl Iterator<Item = &'static str> {
    chain.options.headers.iter().flat_map(|preset| identity_headers(*preset))
}

fn is_identity(chain: &Chain, name: &str) -> bool {
    let name: String = name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    names(chain).any(|known| known.eq_ignore_ascii_case(&name))
}

fn with_underscores(name: &str) -> String {
    name.replace('-', "_")
}

fn odd_case(name: &str) -> String {
    let swap = |(at, c): (usize, char)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c };
    name.chars().enumerate().map(swap).collect()
}

/// As identity headers spell it.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');
const FORGED: &str = "forged";
/// The session path that `sealpass proxy-config` knows unless it is told others.
const LOGIN: &str = "/login";
