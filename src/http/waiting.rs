//! A replica that waits for its first key ring: it lives, and can't answer anybody.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};

use super::answer::{close_if_more_follows, empty, text};
use super::readiness::in_public;
use crate::config::Settings;

/// Waits until `come` has something. Meanwhile both listeners answer 503, but for `/healthz`. `None`: it was told to
/// stop.
///
/// # Errors
/// What the operating system says if an address can't be bound.
pub async fn wait_for<T>(settings: &Settings, mut come: impl FnMut() -> Option<T>) -> io::Result<Option<T>> {
    if let Some(come) = come() {
        return Ok(Some(come));
    }
    tracing::info!("waits for the key ring of another replica");
    let server = HttpServer::new(|| App::new().default_service(web::to(not_yet)))
        .workers(1)
        .shutdown_timeout(1)
        .listen(TcpListener::bind(settings.public.listen)?)?
        .listen(TcpListener::bind(settings.control.listen)?)?
        .run();
    let handle = server.handle();
    let mut server = pin!(server);
    loop {
        let mut pause = pin!(rt::time::sleep(LOOK));
        let stopped = poll_fn(|context| match server.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => pause.as_mut().poll(context).map(|()| None),
        });
        if let Some(ended) = stopped.await {
            return ended.map(|()| None);
        }
        if let Some(come) = come() {
            // It ends while it is waited for, and not before.
            let stopping = rt::spawn(async move { handle.stop(false).await });
            server.await?;
            drop(stopping.await);
            return Ok(Some(come));
        }
    }
}

async fn not_yet(request: HttpRequest) -> HttpResponse {
    let mut response = match request.uri().path() {
        "/healthz" => empty(StatusCode::OK),
        _ => text(StatusCode::SERVICE_UNAVAILABLE, in_public("no-ring")),
    };
    close_if_more_follows(&request, &mut response);
    response
}

/// How often it is looked whether it has come.
const LOOK: Duration = Duration::from_millis(50);
