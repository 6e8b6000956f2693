//! A replica that waits for its first key ring: it lives, and can't answer anybody.

use std::io;
use std::pin::pin;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};

use super::answer::{close_if_more_follows, empty, text};
use super::readiness::in_public;
use super::running::listen_on;
use super::sockets::{Kind, Sockets};

/// Waits until `come` has something. Meanwhile both listeners answer 503, but for `/healthz`. `None`: `stop` was done
/// before.
///
/// # Errors
/// What the operating system says if a socket can't be used.
pub async fn wait_for<T>(
    sockets: &Sockets,
    mut come: impl FnMut() -> Option<T>,
    stop: impl Future<Output = ()>,
) -> io::Result<Option<T>> {
    if let Some(come) = come() {
        return Ok(Some(come));
    }
    tracing::info!("waits for the key ring of another replica");
    let [public, control] = sockets.again()?;
    let server = HttpServer::new(|| App::new().default_service(web::to(not_yet)))
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals();
    let server = listen_on!(server, public, sockets.public.certificate);
    let mut server = pin!(listen_on!(server, control, sockets.control.certificate).run());
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            ended = &mut server => return ended.map(|()| None),
            () = &mut stop => return Ok(None),
            () = rt::time::sleep(LOOK) => {}
        }
        if let Some(come) = come() {
            // Dropped, it is gone; whoever connects meanwhile waits for the listeners that follow.
            return Ok(Some(come));
        }
    }
}

async fn not_yet(request: HttpRequest) -> HttpResponse {
    let mut response = match request.uri().path() {
        "/healthz" => empty(StatusCode::OK),
        _ => text(StatusCode::SERVICE_UNAVAILABLE, in_public("no-ring")),
    };
    close_if_more_follows(request.headers(), &mut response);
    response
}

/// How often it is looked whether it has come.
const LOOK: Duration = Duration::from_millis(50);
