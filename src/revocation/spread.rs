//! How far a fact has come among the replicas, and what whoever is about to act may ask them first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{SessionKey, TagKey};
use crate::claims::RealmId;

/// How far an ending has to have come before it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Durable on the replica that was asked.
    Local,
    /// Durable on a majority of the core: no replica that may answer can miss it for longer than the staleness limit.
    #[default]
    Majority,
    /// Durable on every replica of the core.
    All,
}

/// How many replicas of the core hold a fact, and of how many. A replica that is alone is a core of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many hold it.
    pub applied: u16,
    /// How many there are.
    pub core: u16,
}

impl Spread {
    /// Held by the one replica that there is.
    pub const ALONE: Self = Self { applied: 1, core: 1 };

    /// Whether a majority holds it.
    pub const fn held(self) -> bool {
        self.applied > self.core / 2
    }

    /// Whether it has come as far as `wait` asks.
    pub const fn reaches(self, wait: Wait) -> bool {
        match wait {
            Wait::Local => true,
            Wait::Majority => self.held(),
            Wait::All => self.applied >= self.core,
        }
    }
}

/// A fact on its way to other replicas.
pub trait Spreading: Send + Sync {
    /// Ready once it has come as far as `wait` asks; wakes the task of `context` when it may have.
    fn poll_reached(&self, wait: Wait, context: &mut Context<'_>) -> Poll<()>;

    /// How far it has come.
    fn spread(&self) -> Spread;
}

/// What whoever begins or ends sessions asks a majority first: what is known of these tags, of this session, and up to
/// which start all sessions of the realm are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which realm; its floor and that of all realms are always asked for.
    pub realm: RealmId,
    /// Which tags.
    pub tags: Vec<TagKey>,
    /// Which session.
    pub session: Option<SessionKey>,
}

/// Resolves once everything that a majority knows of a question is known here too.
#[must_use = "what is decided before it resolves may contradict what a majority knows"]
#[derive(Default)]
pub struct Learned(Option<Asking>);

type Asking = Pin<Box<dyn Future<Output = Result<(), Uninformed>> + Send>>;

impl Learned {
    /// At once: nobody knows more than this replica.
    pub fn now() -> Self {
        Self::default()
    }

    /// When `future` resolves.
    pub fn when(future: impl Future<Output = Result<(), Uninformed>> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl Future for Learned {
    type Output = Result<(), Uninformed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().map_or(Poll::Ready(Ok(())), |asking| asking.as_mut().poll(context))
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "Learned(now)" } else { "Learned(later)" })
    }
}

/// No majority of the core answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no majority of the core answered in time; look at `sealpass cluster status`")]
pub struct Uninformed;
