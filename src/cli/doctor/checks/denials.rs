//! Who has no session is denied, however it is asked.

use super::super::chain::{Ask, Chain, passed};
use super::super::report::{Found, Not};

pub fn session_passes(chain: &Chain) -> Found {
    match chain.passes()? {
        status if passed(status) => Ok(format!("{status}")),
        status @ (401 | 403) => Err(Not::Right(format!("{status} with a session that was made for this"))),
        404 if chain.guard().is_ok_and(|guard| guard == 404) => Err(Not::Right(ASKED_ELSEWHERE.to_owned())),
        503 => Err(Not::Right("503: the proxy does not reach Sealpass, or that is not ready".to_owned())),
        status => Err(Not::Right(format!("{status}; is {} a path of the application?", chain.path))),
    }
}

pub fn no_cookie(chain: &Chain) -> Found {
    match chain.guard()? {
        401 => Ok("401".to_owned()),
        status if passed(status) => Err(Not::Right(format!("{status}: it is not guarded"))),
        status => Err(Not::Right(format!("{status} in place of 401"))),
    }
}

pub fn not_cached(chain: &Chain) -> Found {
    chain.need_guard()?;
    let answer = chain.ask(&Ask::get(&chain.path))?;
    let lines: Vec<_> = answer.all("cache-control").collect();
    let no_store = |line: &&str| line.split(',').any(|part| part.trim().eq_ignore_ascii_case("no-store"));
    if lines.iter().any(no_store) {
        return Ok(lines.join(", "));
    }
    Err(Not::Right(format!("Cache-Control: {:?}", lines.join(", "))))
}

/// One character at a time; cut; twice; in quotes.
pub fn tampered(chain: &Chain) -> Found {
    chain.need_session()?;
    chain.need_guard()?;
    let (name, token) = (&chain.session.name, &chain.session.token);
    let changed = [0, 1, 8, token.len() / 2, token.len() - 1].into_iter().map(|at| {
        let other = if token.as_bytes()[at] == b'A' { "Q" } else { "A" };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    });
    let others = [token[..token.len() - 1].to_owned(), token.repeat(2), format!("\"{token}\""), String::new()];
    for value in changed.chain(others) {
        let status = chain.status(&Ask::get(&chain.path).cookie(format!("{name}={value}")))?;
        if !chain.is_denial(status) {
            return Err(Not::Right(format!("{status} for a cookie that was tampered with")));
        }
    }
    Ok("denied".to_owned())
}

/// What may change something is sent without a session only, and to an application of its own only where that is the
/// echo.
pub fn methods(chain: &Chain) -> Found {
    chain.need_guard()?;
    let mut wrong = Vec::new();
    let mut odd = |method: &str, refusals: bool| -> Result<(), Not> {
        let status = chain.status(&Ask::by(method, &chain.path).with("Content-Length: 0"))?;
        if !(chain.is_denial(status) || refusals && matches!(status, 400 | 405 | 501)) {
            wrong.push(format!("{method}: {status}"));
        }
        Ok(())
    };
    for method in ["HEAD", "OPTIONS", "POST"] {
        odd(method, false)?;
    }
    for method in ["PROPFIND", "X-DOCTOR"] {
        odd(method, true)?;
    }
    if chain.echo().is_ok_and(|path| path == chain.path) {
        for method in ["PUT", "PATCH", "DELETE"] {
            odd(method, false)?;
        }
    }
    for method in if chain.need_session().is_ok() { &["HEAD"][..] } else { &[] } {
        let status = chain.status(&Ask::by(method, &chain.path).cookie(chain.session.cookie()))?;
        if !passed(status) && status != 405 {
            wrong.push(format!("{method} with a session: {status}"));
        }
    }
    if wrong.is_empty() { Ok("denied".to_owned()) } else { Err(Not::Right(wrong.join(", "))) }
}

pub fn upgrade(chain: &Chain) -> Found {
    chain.need_guard()?;
    let ask = Ask::get(&chain.path)
        .with("Connection: Upgrade")
        .with("Upgrade: websocket")
        .with("Sec-WebSocket-Version: 13")
        .with("Sec-WebSocket-Key: c2VhbHBhc3MgZG9jdG9yIQ==");
    match chain.status(&ask)? {
        status if chain.is_denial(status) || status == 400 => Ok(format!("{status}")),
        status => Err(Not::Right(format!("{status} to an upgrade without a session"))),
    }
}

/// Were the sub-request sent with the client's Content-Length and without its body, Sealpass and proxy would wait.
pub fn announced_body(chain: &Chain) -> Found {
    chain.need_guard()?;
    for line in ["Content-Length: 77", "Transfer-Encoding: chunked"] {
        let status = chain.status(&Ask::get(&chain.path).with(line));
        match status {
            Ok(status) if chain.is_denial(status) || matches!(status, 400 | 411) => {}
            Ok(status) => return Err(Not::Right(format!("{status} to {line} without a body"))),
            Err(why) => return Err(Not::Right(format!("{line} without a body: {}", why.into_text()))),
        }
    }
    Ok("denied at once".to_owned())
}

const ASKED_ELSEWHERE: &str = "404, with and without a cookie: is that Sealpass's own? The proxy has to ask it at /verify/ or \
                               /policy/NAME/";
