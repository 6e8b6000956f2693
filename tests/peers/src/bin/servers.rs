//! Two servers that `tests/load/compare.py` puts beside ours: a bare actix handler, and one behind actix-session's cookie store.
//! Both answer with the headers that ours answers with, which come as one line of JSON.
//!
//!     servers bare|actix-session <headers.json

#[path = "../claims.rs"]
#[expect(dead_code, reason = "the table uses the rest")]
mod claims;

use std::collections::BTreeMap;
use std::process::ExitCode;

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use claims::Claims;

type Headers = Vec<(HeaderName, HeaderValue)>;

fn main() -> ExitCode {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).ok().and_then(|_| headers(&line));
    let (Some(role), Some(headers)) = (std::env::args().nth(1), read) else {
        eprintln!("servers bare|actix-session, and a line of JSON with the headers of an answer");
        return ExitCode::from(64);
    };
    let served = System::new().block_on(async {
        match role.as_str() {
            "actix-session" => with_sessions(headers).await,
            _ => bare(headers).await,
        }
    });
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn headers(json: &str) -> Option<Headers> {
    let texts: BTreeMap<String, String> = serde_json::from_str(json).ok()?;
    texts.iter().map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}

async fn bare(headers: Headers) -> std::io::Result<()> {
    let answer = |headers: web::Data<Headers>| async move { answer(&headers, &[]) };
    let app = move || App::new().app_data(web::Data::new(headers.clone())).default_service(web::to(answer));
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
    println!("{}", server.addrs()[0]);
    server.run().await
}

async fn with_sessions(headers: Headers) -> std::io::Result<()> {
    let key = Key::generate();
    let app = move || {
        let sessions = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
        let sessions = sessions.cookie_name("session".to_owned()).cookie_secure(true).build();
        let app = App::new().wrap(sessions).app_data(web::Data::new(headers.clone()));
        app.route("/login", web::post().to(login)).default_service(web::to(who))
    };
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
    println!("{}", server.addrs()[0]);
    server.run().await
}

async fn login(session: Session, claims: web::Json<Claims>) -> Result<HttpResponse, actix_web::Error> {
    session.insert("claims", claims.into_inner())?;
    Ok(HttpResponse::NoContent().finish())
}

async fn who(session: Session, headers: web::Data<Headers>) -> Result<HttpResponse, actix_web::Error> {
    let Some(claims) = session.get::<Claims>("claims")? else { return Ok(HttpResponse::Unauthorized().finish()) };
    let Claims { sub, roles, jti, iat, exp, amr } = claims;
    if exp < time::OffsetDateTime::now_utc().unix_timestamp() {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    let own = [
        ("x-session-subject", sub),
        ("x-session-id", jti),
        ("x-session-roles", roles.join(",")),
        ("x-session-amr", amr.join(",")),
        ("x-session-started", iat.to_string()),
        ("x-session-expires", exp.to_string()),
    ];
    Ok(answer(&headers, &own))
}

/// With `own` in place of those of the same names.
fn answer(headers: &Headers, own: &[(&'static str, String)]) -> HttpResponse {
    let mut response = HttpResponse::new(actix_web::http::StatusCode::OK);
    for (name, value) in headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    for (name, value) in own {
        let value = HeaderValue::from_str(value).expect("visible ASCII");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
