//! What a service manager is told, if it wants to know (systemd's `NOTIFY_SOCKET`, `Type=notify` or `notify-reload`).

use sd_notify::NotifyState;

/// It listens. In a fleet it may still have to learn: that is for `/readyz`, not for a manager that would restart it.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It reads files again, and says [`ready`] when it has.
pub fn reloading() {
    let Ok(now) = NotifyState::monotonic_usec_now() else { return };
    tell(&[NotifyState::Reloading, now]);
}

/// It is on its way down.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says in time that it lives, if that is asked for (`WatchdogSec=`). To be called inside a local task set.
pub fn watchdog() {
    let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else { return };
    tokio::task::spawn_local(async move {
        loop {
            tell(&[NotifyState::Watchdog]);
            tokio::time::sleep(within / 2).await;
        }
    });
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager can't be told how it stands: {error}");
    }
}
