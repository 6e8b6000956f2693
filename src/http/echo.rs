//! An application that stands in for a real one and shows what reaches it: each request is answered with itself, as
//! JSON.
//!
//! Values of cookies and credentials are never shown, only how long they are: a page that may read an answer must not
//! learn from it what browsers keep from pages. Names of headers come in lower case and in order of the alphabet, the
//! lines of one name in the order in which they came.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, COOKIE, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE, UPGRADE,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::rt::{System, time};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use super::answer::close_if_more_follows;

/// Answers every request on `listener`, until a signal ends it.
///
/// # Errors
/// What the operating system says if it can't be served.
pub fn echo(listener: TcpListener) -> io::Result<()> {
    System::new().block_on(async {
        let server = HttpServer::new(|| App::new().default_service(web::to(answer)));
        server.workers(1).shutdown_timeout(1).listen(listener)?.run().await
    })
}

async fn answer(request: HttpRequest, body: web::Payload) -> HttpResponse {
    if let Some(protocol) = upgrade(&request) {
        // What comes behind it is sent back as it is.
        return HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS).upgrade(protocol).streaming(body);
    }
    let Ok(Ok(Ok(body))) = time::timeout(PATIENCE, body.to_bytes_limited(MAX_BODY)).await else {
        let mut response = HttpResponse::new(StatusCode::PAYLOAD_TOO_LARGE);
        close_if_more_follows(request.headers(), &mut response);
        return response;
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if request.headers().contains_key(&WANTS_COOKIES) {
        for line in OWN_COOKIES {
            response.append_header((SET_COOKIE, line));
        }
    }
    response.json(shown(&request, body.len()))
}

/// The request, as it came.
fn shown(request: &HttpRequest, body: usize) -> Value {
    let mut headers: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), masked(name, value.as_bytes()))).collect();
    headers.sort_by_key(|(name, _)| *name); // stable: the lines of one name stay in order
    let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
    json!({"sealpass_echo": 1, "request": line, "headers": headers, "body": body})
}

/// A value as text; of secrets, what they are called and how long they are.
fn masked(name: &HeaderName, value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    if *name == COOKIE {
        let pairs: Vec<_> = text.split(';').map(|pair| hidden(pair, '=')).collect();
        return pairs.join(";");
    }
    if *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION { hidden(&text, ' ') } else { text.into_owned() }
}

/// Only the length of what stands behind the first `mark`, or of all if it stands nowhere.
fn hidden(text: &str, mark: char) -> String {
    match text.split_once(mark) {
        Some((name, value)) => format!("{name}{mark}({})", value.len()),
        None if text.trim().is_empty() => text.to_owned(),
        None => format!("({})", text.len()),
    }
}

/// The protocol that the request asks for, if it may be had: WebSocket alone.
fn upgrade(request: &HttpRequest) -> Option<&'static str> {
    let has = |name, word: &str| {
        let mut lines = request.headers().get_all(name).filter_map(|line| line.to_str().ok());
        lines.any(|line| line.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    (has(CONNECTION, "upgrade") && has(UPGRADE, "websocket")).then_some("websocket")
}

/// A request with this header is answered with two cookies, so that it can be seen whether both arrive.
static WANTS_COOKIES: HeaderName = HeaderName::from_static("x-echo-cookies");
const OWN_COOKIES: [&str; 2] = ["sealpass-echo-1=1; Max-Age=1; Path=/", "sealpass-echo-2=2; Max-Age=1; Path=/"];
const MAX_BODY: usize = 1 << 20;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for (name, value, shown) in [
            (COOKIE, "a=1; __Host-sealpass=AbC=; b; =x;", "a=(1); __Host-sealpass=(4);(2); =(1);"),
            (AUTHORIZATION, "Bearer AbC", "Bearer (3)"),
            (AUTHORIZATION, "AbC", "(3)"),
            (PROXY_AUTHORIZATION, "Basic AbC=", "Basic (4)"),
            (HeaderName::from_static("x-session-subject"), "alice", "alice"),
        ] {
            assert_eq!(masked(&name, value.as_bytes()), shown);
        }
    }
}
