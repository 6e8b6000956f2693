//! How a running service is told what to do, and how it ends: signals, the drain, what is read again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sealpass::http::{Certificate, Running, Service};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::notify;

/// Signals, from the moment on at which it was made.
pub struct Signals {
    term: Signal,
    int: Signal,
    quit: Signal,
    /// `None`: that one ends the process, as it does by default.
    hup: Option<Signal>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    StopAtOnce,
    Reload,
}

/// What can be read again while the service runs, each with its name.
#[derive(Default)]
pub struct Reload(Vec<(&'static str, Box<ReadAgain>)>);

type ReadAgain = dyn Fn() -> Result<(), String>;

impl Signals {
    /// Listens for them. `reloads`: whether SIGHUP means that files are to be read again.
    pub fn listen(reloads: bool) -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hup: reloads.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    /// Waits until it is asked to stop.
    pub async fn stop(&mut self) {
        while self.next().await == Asked::Reload {}
    }

    /// Waits for a request, and reads files again meanwhile as often as it is asked to. Whether there is time to stop.
    async fn stop_or(&mut self, reload: &Reload) -> bool {
        loop {
            match self.next().await {
                Asked::Stop => return true,
                Asked::StopAtOnce => return false,
                Asked::Reload => reload.all(),
            }
        }
    }

    async fn next(&mut self) -> Asked {
        let hup = async {
            match &mut self.hup {
                Some(hup) => hup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.term.recv() => Asked::Stop,
            _ = self.int.recv() => Asked::Stop,
            _ = self.quit.recv() => Asked::StopAtOnce,
            _ = hup => Asked::Reload,
        }
    }
}

impl Reload {
    /// Something more that is read again.
    pub fn and<E: std::fmt::Display>(mut self, name: &'static str, read: impl Fn() -> Result<(), E> + 'static) -> Self {
        self.0.push((name, Box::new(move || read().map_err(|error| error.to_string()))));
        self
    }

    /// Reads all of it. What fails is said, and stays as it was.
    fn all(&self) {
        notify::reloading();
        for (name, read) in &self.0 {
            match read() {
                Ok(()) => tracing::info!("{name}: read again"),
                Err(error) => tracing::error!("{name}: what is in use stays, since it can't be read again: {error}"),
            }
        }
        notify::ready();
    }
}

/// Takes up a certificate whenever its files change, as the programs that renew certificates leave them.
pub fn follow(certificate: Arc<Certificate>) {
    tokio::task::spawn_local(async move {
        loop {
            sleep(LOOK).await;
            if !certificate.has_changed() {
                continue;
            }
            let path = certificate.path().display();
            match certificate.reload() {
                Ok(()) => tracing::info!("{path}: the certificate that changed is in use"),
                Err(error) => tracing::error!("{path}: the certificate in use stays: {error}"),
            }
        }
    });
}

/// Serves until a signal ends it. The order: `/readyz` says so, and all else is answered as before, for as long as the
/// `drain`; then nothing more is accepted; then what is in flight is finished. A second signal cuts that short.
pub async fn serve(
    mut running: Running,
    service: &Service,
    mut signals: Signals,
    reload: &Reload,
    drain: Duration,
) -> io::Result<()> {
    notify::ready();
    notify::watchdog();
    let in_order = running.until(signals.stop_or(reload)).await?;
    notify::stopping();
    if !in_order {
        tracing::info!("stops at once");
        return Ok(());
    }
    service.readiness.set_draining(true);
    tracing::info!(
        "stops: answers for another {drain:?}, so that proxies move over, and then finishes what is in flight"
    );
    if running.until(timeout(drain, signals.stop())).await?.is_err() {
        tokio::select! {
            finished = running.finish() => return finished,
            () = signals.stop() => {}
        }
    }
    tracing::warn!("told twice, it stops at once: what was in flight is not answered");
    Ok(())
}

/// How often it is looked whether a certificate has changed.
const LOOK: Duration = Duration::from_secs(1);
