//! What the fleet's thread, the link's threads and those who push and ask have in common.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::fresh::Fresh;
use crate::clock::{Clock, Timestamp};
use crate::cluster::link::Link;
use crate::cluster::node::{Action, AskId, Node, PushId, Ticket, To};
use crate::cluster::ports::{Facts, Now};
use crate::cluster::progress::Progress;
use crate::revocation::{Fact, Kept, Learned, StoreError, Uninformed, Wait};
use crate::uptime::uptime;

type Hook = Box<dyn Fn(&[Fact]) + Send + Sync>;

pub struct Shared {
    inner: Mutex<Inner>,
    link: OnceLock<Arc<dyn Link>>,
    released: OnceLock<Hook>,
    wall: Arc<dyn Clock>,
    tasks: Handle,
    facts: Arc<dyn Facts>,
    pub core: usize,
    pub fresh: Fresh,
}

/// The node, and who waits for what of it.
struct Inner {
    node: Node,
    pushes: HashMap<PushId, Arc<Progress>>,
    asks: HashMap<AskId, oneshot::Sender<Result<(), Uninformed>>>,
}

/// What is left to do when the lock is free.
#[derive(Default)]
struct Todo {
    sends: Vec<(To, Vec<u8>)>,
    awaits: Vec<(Ticket, Kept)>,
    released: Vec<Fact>,
}

/// Both clocks.
pub fn moment(wall: &dyn Clock) -> Now {
    Now { wall: wall.now(), uptime: uptime() }
}

impl Shared {
    pub fn new(node: Node, facts: Arc<dyn Facts>, core: usize, wall: Arc<dyn Clock>, tasks: Handle) -> Self {
        let inner = Mutex::new(Inner { node, pushes: HashMap::new(), asks: HashMap::new() });
        let (link, released) = (OnceLock::new(), OnceLock::new());
        Self { inner, link, released, wall, tasks, facts, core, fresh: Fresh::default() }
    }

    pub fn connect(&self, link: Arc<dyn Link>) {
        drop(self.link.set(link));
    }

    pub fn on_released(&self, hook: Hook) {
        drop(self.released.set(hook));
    }

    pub fn tick(self: &Arc<Self>) {
        self.run(|inner, now| {
            inner.forget_unwaited();
            ((), inner.node.tick(now))
        });
    }

    pub fn on_message(self: &Arc<Self>, message: &[u8]) {
        self.run(|inner, now| ((), inner.node.on_message(now, message)));
    }

    pub fn push(self: &Arc<Self>, facts: Vec<Fact>, dated: Timestamp, kept: Kept) -> Kept {
        let progress = Arc::new(Progress::new(self.core));
        let ticket = self.run(|inner, now| {
            let (id, actions) = inner.node.push(now, dated, facts);
            inner.pushes.insert(id, Arc::clone(&progress));
            (id.ticket(), actions)
        });
        self.both(ticket, kept).spreading(progress)
    }

    pub fn resume(self: &Arc<Self>, facts: Vec<Fact>, dated: Timestamp) {
        let ticket = self.run(|inner, now| {
            let (id, actions) = inner.node.resume(now, dated, facts);
            inner.node.forget(id);
            (id.ticket(), actions)
        });
        // They come from what is durable here.
        self.kept(ticket, true);
    }

    pub fn ask(self: &Arc<Self>, begin: impl FnOnce(&mut Node, Now) -> (AskId, Vec<Action>)) -> Learned {
        let (told, answer) = oneshot::channel();
        self.run(|inner, now| {
            let (id, actions) = begin(&mut inner.node, now);
            inner.asks.insert(id, told);
            ((), actions)
        });
        Learned::when(async { answer.await.unwrap_or(Err(Uninformed)) })
    }

    pub fn share_ring(self: &Arc<Self>) -> Arc<Progress> {
        let progress = Arc::new(Progress::new(self.core));
        self.run(|inner, now| {
            let (id, actions) = inner.node.share_ring(now);
            inner.pushes.insert(id, Arc::clone(&progress));
            ((), actions)
        });
        progress
    }

    pub fn look<T>(&self, look: impl FnOnce(&Node, Now) -> T) -> T {
        look(&self.inner().node, moment(&*self.wall))
    }

    pub fn date(&self) -> Timestamp {
        self.fresh.date().unwrap_or_else(|| self.wall.now())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the node something, and does what it says.
    fn run<T>(self: &Arc<Self>, tell: impl FnOnce(&mut Inner, Now) -> (T, Vec<Action>)) -> T {
        let mut inner = self.inner();
        let now = moment(&*self.wall);
        let (outcome, actions) = tell(&mut inner, now);
        let todo = inner.sort(actions);
        // Under the lock, so that of two looks the later one stands.
        let view = inner.node.view(now);
        self.fresh.set(&view, now);
        self.facts.agreed(view.agrees().then_some(now.wall));
        drop(inner);
        self.perform(todo);
        outcome
    }

    fn perform(self: &Arc<Self>, todo: Todo) {
        if let Some(link) = self.link.get() {
            todo.sends.into_iter().for_each(|(to, bytes)| link.send(to, bytes));
        }
        if let (Some(hook), false) = (self.released.get(), todo.released.is_empty()) {
            hook(&todo.released);
        }
        for (ticket, kept) in todo.awaits {
            self.wait(ticket, kept, |_| {});
        }
    }

    /// Tells the node and `then` once `kept` is durable here, or can't be.
    fn wait(
        self: &Arc<Self>,
        ticket: Ticket,
        mut kept: Kept,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        if let Poll::Ready(durable) = poll_once(&mut kept) {
            self.kept(ticket, durable.is_ok());
            return then(durable);
        }
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let durable = kept.until(Wait::Local).await;
            shared.kept(ticket, durable.is_ok());
            then(durable);
        });
    }

    fn kept(self: &Arc<Self>, ticket: Ticket, durable: bool) {
        self.run(|inner, now| ((), inner.node.kept(now, ticket, durable)));
    }

    /// For the node and for whoever gets what is returned.
    fn both(self: &Arc<Self>, ticket: Ticket, kept: Kept) -> Kept {
        let (told, answer) = oneshot::channel();
        self.wait(ticket, kept, |durable| _ = told.send(durable));
        Kept::when(async { answer.await.unwrap_or(Err(StoreError)) })
    }
}

impl Inner {
    /// Tells those who wait, and leaves what can't be done under the lock.
    fn sort(&mut self, actions: Vec<Action>) -> Todo {
        let mut todo = Todo::default();
        for action in actions {
            match action {
                Action::Send { to, bytes } => todo.sends.push((to, bytes)),
                Action::Await { ticket, kept } => todo.awaits.push((ticket, kept)),
                Action::Released { facts } => todo.released.extend(facts),
                Action::Pushed { id, spread } => {
                    if let Some(progress) = self.pushes.get(&id) {
                        progress.reached(spread);
                    }
                }
                Action::Asked { id, outcome } => {
                    if let Some(told) = self.asks.remove(&id) {
                        _ = told.send(outcome);
                    }
                }
                Action::Changed => {}
            }
        }
        todo
    }

    /// Pushes that nobody waits for any more.
    fn forget_unwaited(&mut self) {
        let Self { node, pushes, asks } = self;
        pushes.retain(|id, progress| {
            let waited = Arc::strong_count(progress) > 1;
            if !waited {
                node.forget(*id);
            }
            waited
        });
        asks.retain(|_, told| !told.is_closed());
    }
}

fn poll_once(kept: &mut Kept) -> Poll<Result<(), StoreError>> {
    let until = std::pin::pin!(kept.until(Wait::Local));
    until.poll(&mut Context::from_waker(Waker::noop()))
}
