//! The listeners at work: how they begin, and how they end without a request that fails.

use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::{Extensions, Server, ServerHandle, Service as _};
use actix_web::middleware::from_fn;
use actix_web::rt::net::UnixStream;
use actix_web::rt::time::sleep;
use actix_web::{App, HttpServer, web};
use tokio::time::Instant;

use super::answer::close_if_stopping;
use super::direct::public_service;
use super::sockets::{Kind, Sockets};
use super::{Service, control, observed};
use crate::config::Listener;

/// The listeners, bound; they answer while one of the methods is awaited, and are gone when it is dropped.
pub struct Running {
    /// Where the public one listens.
    pub public: Listener,
    /// Where the control one listens.
    pub control: Listener,
    handles: [ServerHandle; 2],
    servers: Pin<Box<dyn Future<Output = io::Result<()>>>>,
    /// Kept, so that they can be closed before the servers end.
    sockets: Sockets,
    open: Open,
}

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Open(Arc<AtomicUsize>);

/// What a connection is to be counted by.
struct Counted(Open);

/// That a connection came through a Unix socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct OverUnix;

/// Lets a server listen on a socket. A macro, because the type of a server has no name here.
macro_rules! listen_on {
    ($server:expr, $kind:expr, $certificate:expr) => {
        match ($kind, &$certificate) {
            (Kind::Tcp(socket), Some(certificate)) => $server.listen_rustls_0_23(socket, certificate.config())?,
            (Kind::Tcp(socket), None) => $server.listen(socket)?,
            (Kind::Unix(socket), _) => $server.listen_uds(socket)?,
        }
    };
}
pub(super) use listen_on;

/// The same, with all that a server of this service has to be told.
macro_rules! serve_on {
    ($server:expr, $kind:expr, $socket:expr, $open:expr) => {{
        let open = $open.clone();
        let server = $server
            .workers(workers($socket.listener.workers))
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .shutdown_timeout(FINISH.as_secs())
            .disable_signals()
            .on_connect(move |stream, held| open.note(stream, held));
        listen_on!(server, $kind, $socket.certificate).run()
    }};
}

/// Lets both listeners answer. Call it inside an actix system. What they count as workers, if nothing is said, is what
/// the cgroup's quota and the affinity of the process allow.
///
/// # Errors
/// What the operating system says if a socket can't be used.
pub fn start(service: Arc<Service>, sockets: Sockets) -> io::Result<Running> {
    let [public_socket, control_socket] = sockets.again()?;
    let open = Open::default();
    let shared = Arc::clone(&service);
    let for_public = HttpServer::new(move || public_service(&shared));
    let for_control = HttpServer::new(move || {
        let of_answers = Arc::clone(&service);
        let app = App::new().app_data(web::Data::from(Arc::clone(&service))).configure(control::routes);
        app.wrap(from_fn(observed::call)).wrap_fn(move |request, routes| {
            let (answer, service) = (routes.call(request), Arc::clone(&of_answers));
            async move {
                let mut answer = answer.await?;
                close_if_stopping(&service, answer.response_mut());
                Ok(answer)
            }
        })
    });
    let public = serve_on!(for_public, public_socket, &sockets.public, open);
    let control = serve_on!(for_control, control_socket, &sockets.control, open);
    let handles = [public.handle(), control.handle()];
    let [of_public, of_control] = handles.clone();
    let servers = async move {
        let (public, control) = tokio::join!(together(public, of_control), together(control, of_public));
        public.and(control)
    };
    let (public, control) = (sockets.public.listener.clone(), sockets.control.listener.clone());
    Ok(Running { public, control, handles, servers: Box::pin(servers), sockets, open })
}

impl Running {
    /// Handles with which to stop both.
    pub fn handles(&self) -> [ServerHandle; 2] {
        self.handles.clone()
    }

    /// Answers requests until a handle stops both.
    ///
    /// # Errors
    /// What the operating system says if a listener fails.
    pub async fn until_stopped(self) -> io::Result<()> {
        self.servers.await
    }

    /// Answers requests until `asked` is done.
    ///
    /// # Errors
    /// What the operating system says if a listener fails, or that both ended before.
    pub async fn until<T>(&mut self, asked: impl Future<Output = T>) -> io::Result<T> {
        tokio::select! {
            ended = &mut self.servers => Err(ended.err().unwrap_or_else(|| io::Error::other("the listeners ended"))),
            done = asked => Ok(done),
        }
    }

    /// Accepts nothing more, and answers what is under way.
    ///
    /// What was accepted last gets a moment to send its request, since a server that stops drops whoever said nothing
    /// yet. Until then, idle connections stay as well; after it they are closed, and what is in flight has some seconds.
    ///
    /// # Errors
    /// What the operating system says if a listener fails.
    pub async fn finish(mut self) -> io::Result<()> {
        let [public, control] = self.handles();
        let open = self.open.clone();
        self.until(async {
            tokio::join!(public.pause(), control.pause());
            // That is taken note of on other threads, which would log a socket that is shut before.
            sleep(LOOK).await;
        })
        .await?;
        self.sockets.public.refuse();
        self.sockets.control.refuse();
        // In full: what was accepted is not counted before a worker takes it.
        self.until(sleep(SETTLE)).await?;
        // Sent by the call; it is the servers that await it.
        drop((public.stop(true), control.stop(true)));
        tokio::select! {
            ended = &mut self.servers => ended,
            // Their own look is at whole seconds.
            () = open.none(FINISH) => Ok(()),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("sockets", &self.sockets).finish_non_exhaustive()
    }
}

impl Open {
    /// Waits until there is none, or that time is over.
    async fn none(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        while self.0.load(Ordering::Acquire) > 0 && Instant::now() < end {
            sleep(LOOK).await;
        }
    }

    /// Counts a connection for as long as what is `held` with it lives.
    fn note(&self, stream: &dyn Any, held: &mut Extensions) {
        self.0.fetch_add(1, Ordering::AcqRel);
        held.insert(Counted(self.clone()));
        if stream.is::<UnixStream>() {
            held.insert(OverUnix);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs `server`, and stops the other one when it ends.
async fn together(server: Server, other: ServerHandle) -> io::Result<()> {
    let ended = server.await;
    other.stop(true).await;
    ended
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some,
    }
}

/// Longer than the 60 s for which nginx keeps an idle connection, so that it is never us who close it under a request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection that was accepted last may take to send its request when the service stops.
const SETTLE: Duration = Duration::from_millis(250);
/// How long requests in flight may take when the service stops.
const FINISH: Duration = Duration::from_secs(5);
/// How often it is looked whether all connections are gone, and how long a thread may take to hear what it is told.
const LOOK: Duration = Duration::from_millis(5);
