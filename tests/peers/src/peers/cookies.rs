//! Encrypted cookies: `cookie`'s `PrivateJar`, and actix-session's cookie store, which puts one behind a middleware.

use std::rc::Rc;

use actix_http::Request;
use actix_session::storage::CookieSessionStore;
use actix_session::{SessionExt as _, SessionMiddleware};
use actix_web::body::{BoxBody, to_bytes};
use actix_web::cookie::Cookie as ActixCookie;
use actix_web::cookie::Key as ActixKey;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::rt::{System, SystemRunner};
use actix_web::{App, HttpRequest, HttpResponse, test, web};
use cookie::{Cookie, CookieJar, Key};
use time::OffsetDateTime;

use super::{Peer, Protects};
use crate::claims::Claims;
use crate::turns::{Batch, here, less};

pub const PRIVATE_JAR: &str = "cookie PrivateJar";
pub const ACTIX_SESSION: &str = "actix-session, cookie";
const PROTECTS: Protects = Protects { secrecy: "yes", rotation: "no: one key", ending: "no" };

pub fn private_jar(sample: &Claims) -> Peer {
    let (sealing, opening) = (Key::from(&[7; 64]), Key::from(&[7; 64]));
    let claims = sample.clone();
    let seal = move || {
        let mut jar = CookieJar::new();
        jar.private_mut(&sealing).add(Cookie::new("session", claims.json()));
        jar.get("session").expect("just added").value().to_owned()
    };
    let open = move |text: &str| {
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::new("session", text.to_owned()));
        Claims::of_json(jar.private(&opening).get("session").expect("ours").value().as_bytes())
    };
    Peer::new(PRIVATE_JAR, PROTECTS, sample, seal, open, |claims| claims)
}

/// It can only be asked through actix-web: what the same request takes without it is subtracted, in each batch.
pub fn actix_session(sample: &Claims) -> Peer {
    let system = Rc::new(System::new());
    let app = App::new().wrap(middleware()).app_data(web::Data::new(sample.clone()));
    let app =
        app.route("/set", web::get().to(set)).route("/get", web::get().to(get)).route("/tell", web::get().to(tell));
    let with = Rc::new(system.block_on(test::init_service(app)));
    let plain = App::new().route("/get", web::get().to(nothing));
    let plain = Rc::new(system.block_on(test::init_service(plain)));
    let login = test::TestRequest::get().uri("/set").to_request();
    let answer = system.block_on(test::call_service(&*with, login));
    let cookie = answer.response().cookies().next().expect("it sets one").into_owned();
    let told = test::TestRequest::get().uri("/tell").cookie(cookie.clone()).to_request();
    let told = system.block_on(async { to_bytes(test::call_service(&*with, told).await.into_body()).await });
    assert_eq!(Claims::of_json(&told.expect("JSON")), *sample, "{ACTIX_SESSION}");
    let characters = cookie.value().len();
    let with = With { service: with, system: Rc::clone(&system) };
    let plain = With { service: plain, system: Rc::clone(&system) };
    Peer {
        name: ACTIX_SESSION,
        characters,
        protects: PROTECTS,
        open: less(with.batch("/get", Some(&cookie)), plain.batch("/get", Some(&cookie))),
        seal: less(with.batch("/set", None), plain.batch("/get", None)),
    }
}

fn middleware() -> SessionMiddleware<CookieSessionStore> {
    let builder = SessionMiddleware::builder(CookieSessionStore::default(), ActixKey::from(&[7; 64]));
    builder.cookie_name("session".to_owned()).build()
}

async fn set(request: HttpRequest, claims: web::Data<Claims>) -> HttpResponse {
    let session = request.get_session();
    session.insert("sub", &claims.sub).expect("JSON");
    session.insert("roles", &claims.roles).expect("JSON");
    session.insert("amr", &claims.amr).expect("JSON");
    session.insert("jti", &claims.jti).expect("JSON");
    session.insert("iat", claims.iat).expect("JSON");
    session.insert("exp", claims.exp).expect("JSON");
    HttpResponse::Ok().finish()
}

async fn get(request: HttpRequest) -> HttpResponse {
    std::hint::black_box(read(&request));
    HttpResponse::Ok().finish()
}

async fn tell(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(read(&request))
}

fn read(request: &HttpRequest) -> Claims {
    let session = request.get_session();
    let claims = Claims {
        sub: session.get("sub").expect("JSON").expect("there"),
        roles: session.get("roles").expect("JSON").expect("there"),
        amr: session.get("amr").expect("JSON").expect("there"),
        jti: session.get("jti").expect("JSON").expect("there"),
        iat: session.get("iat").expect("JSON").expect("there"),
        exp: session.get("exp").expect("JSON").expect("there"),
    };
    assert!(claims.exp > OffsetDateTime::now_utc().unix_timestamp(), "it has not expired");
    claims
}

async fn nothing() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// An application in this process, and what runs it.
struct With<S> {
    service: Rc<S>,
    system: Rc<SystemRunner>,
}

impl<S> With<S>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error> + 'static,
{
    fn batch(&self, path: &'static str, cookie: Option<&ActixCookie<'static>>) -> Batch {
        let (service, system, cookie) = (Rc::clone(&self.service), Rc::clone(&self.system), cookie.cloned());
        here(move || {
            let mut request = test::TestRequest::get().uri(path);
            if let Some(cookie) = &cookie {
                request = request.cookie(cookie.clone());
            }
            system.block_on(service.call(request.to_request())).expect("answers").status()
        })
    }
}
