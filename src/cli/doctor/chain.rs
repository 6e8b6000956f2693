//! What the checks share: the way to the chain and to the echo behind it, and the sessions they use.

use std::cell::{OnceCell, RefCell};

use serde::Deserialize;

use super::Options;
use super::own::{NotMade, Own, Session};
use super::report::Not;
use super::wire::{Answer, Wire};

/// The chain from the outside: proxy, Sealpass, application.
pub struct Chain {
    pub options: Options,
    pub wire: Wire,
    pub own: Own,
    /// The path of --through, with its query.
    pub path: String,
    /// Stands in whatever is forged, and nowhere else.
    pub mark: String,
    /// Why the certificate is not trusted, if it is not.
    pub distrust: Option<String>,
    /// A session for all that change nothing about it.
    pub session: Session,
    /// What a request without a cookie is answered.
    guard: OnceCell<Result<u16, String>>,
    /// What one with a session is answered.
    passes: OnceCell<Result<u16, String>>,
    echo: OnceCell<Option<String>>,
    /// A Set-Cookie with which the chain renewed a session, if it did.
    pub renewed: RefCell<Option<String>>,
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Ask {
    method: String,
    target: String,
    lines: Vec<String>,
}

/// What reached the application.
#[derive(Debug, Deserialize)]
pub struct Reached {
    #[serde(rename = "sealpass_echo")]
    _version: u32,
    pub headers: Vec<(String, String)>,
}

impl Ask {
    pub fn get(target: impl Into<String>) -> Self {
        Self::by("GET", target)
    }

    pub fn by(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.to_owned(), target: target.into(), lines: Vec::new() }
    }

    /// Adds a header line, behind those that are there.
    pub fn with(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub fn with_all(self, lines: impl IntoIterator<Item = String>) -> Self {
        lines.into_iter().fold(self, Self::with)
    }

    pub fn cookie(self, cookie: impl AsRef<str>) -> Self {
        self.with(format!("Cookie: {}", cookie.as_ref()))
    }

    /// All of it, as it is sent.
    pub fn head(&self, host: &str) -> Vec<u8> {
        let Self { method, target, lines } = self;
        let has = |name: &str| lines.iter().any(|line| line.to_ascii_lowercase().starts_with(name));
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n");
        for (name, line) in [("accept:", "Accept: application/json\r\n"), ("connection:", "Connection: close\r\n")] {
            head += if has(name) { "" } else { line };
        }
        for line in lines {
            head += line;
            head += "\r\n";
        }
        head += "\r\n";
        head.into_bytes()
    }
}

impl Chain {
    pub fn new(
        options: Options,
        wire: Wire,
        own: Own,
        mark: String,
        distrust: Option<String>,
    ) -> Result<Self, NotMade> {
        let url = &options.through;
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let session = own.issue()?;
        let (guard, passes, echo, renewed) = Default::default();
        Ok(Self { options, wire, own, path, mark, distrust, session, guard, passes, echo, renewed })
    }

    /// An answer, or the failure that there is none.
    pub fn ask(&self, ask: &Ask) -> Result<Answer, Not> {
        let answer = self.wire.send(ask.head(&self.wire.host));
        match answer.map_err(|error| Not::Right(format!("{}: {error}", ask.target)))? {
            Answer { status: 429, .. } => {
                Err(Not::Checked("429: let the doctor past the limit of requests".to_owned()))
            }
            answer => Ok(answer),
        }
    }

    pub fn status(&self, ask: &Ask) -> Result<u16, Not> {
        self.ask(ask).map(|answer| answer.status)
    }

    /// A session of its own for a check that changes it.
    pub fn fresh(&self) -> Result<Session, Not> {
        self.own.issue().map_err(|error| Not::Checked(format!("no session could be made: {error}")))
    }

    /// What a request without a session is answered where one is needed.
    pub fn guard(&self) -> Result<u16, Not> {
        let guard = self.guard.get_or_init(|| self.status(&Ask::get(&self.path)).map_err(Not::into_text));
        guard.clone().map_err(Not::Right)
    }

    /// What a request with a session is answered there.
    pub fn passes(&self) -> Result<u16, Not> {
        let ask = || self.status(&Ask::get(&self.path).cookie(self.session.cookie())).map_err(Not::into_text);
        self.passes.get_or_init(ask).clone().map_err(Not::Right)
    }

    /// For checks that mean nothing unless a session passes.
    pub fn need_session(&self) -> Result<(), Not> {
        match self.passes() {
            Ok(status) if passed(status) => Ok(()),
            _ => Err(Not::Checked("no session passes; see session-passes".to_owned())),
        }
    }

    /// For checks that mean nothing where everybody passes.
    pub fn need_guard(&self) -> Result<(), Not> {
        match self.guard() {
            Ok(status) if !passed(status) => Ok(()),
            _ => Err(Not::Checked("everybody passes; see no-cookie-denied".to_owned())),
        }
    }

    /// Whether it is the answer to nobody: 401, or whatever the chain makes of it. That this is 401 is one check of its
    /// own.
    pub fn is_denial(&self, status: u16) -> bool {
        status == 401 || self.guard().is_ok_and(|guard| guard == status && !passed(status))
    }

    /// The path behind which `sealpass echo` answers.
    pub fn echo(&self) -> Result<&str, Not> {
        self.need_session()?;
        let find = || {
            let path = self.options.echo_path.as_ref().unwrap_or(&self.path);
            let answer = self.ask(&Ask::get(path).cookie(self.session.cookie())).ok()?;
            Reached::of(&answer).map(|_| path.clone())
        };
        self.echo.get_or_init(find).as_deref().ok_or_else(|| Not::Checked(NO_ECHO.to_owned()))
    }

    /// That the echo answers this request, which nothing is wrong with. An application of its own is no fault.
    pub fn need_echo(&self, ask: &Ask) -> Result<(), Not> {
        let answer = self.ask(ask)?;
        let target = &ask.target;
        match (Reached::of(&answer), answer.status) {
            (Some(_), _) => Ok(()),
            (None, status) => Err(Not::Checked(format!("no echo is at {target}: {status} from something else"))),
        }
    }

    /// What reaches the echo of a request; `None` if the proxy refuses it.
    pub fn reached(&self, ask: &Ask) -> Result<Option<Reached>, Not> {
        let answer = self.ask(ask)?;
        match Reached::of(&answer) {
            Some(reached) => Ok(Some(reached)),
            None if (400..500).contains(&answer.status) || answer.status == 501 => Ok(None),
            None => Err(Not::Right(format!("{}: {} in place of an echo", ask.target, answer.status))),
        }
    }

    /// The same for one that has to get through.
    pub fn arrives(&self, ask: &Ask) -> Result<Reached, Not> {
        self.reached(ask)?.ok_or_else(|| Not::Right(format!("{}: a session is refused", ask.target)))
    }
}

impl Reached {
    fn of(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok().filter(|_| passed(answer.status))
    }

    /// All values of a header, by its own name and by what an application may take for it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |known: &str| known.replace('_', "-").eq_ignore_ascii_case(name);
        self.headers.iter().filter(move |(known, _)| same(known)).map(|(_, value)| value.as_str())
    }

    /// The lines in which `text` stands, by their names.
    pub fn with(&self, text: &str) -> Vec<&str> {
        self.headers.iter().filter(|(_, value)| value.contains(text)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Whether the request got through to the application.
pub fn passed(status: u16) -> bool {
    (200..300).contains(&status) || status == 101
}

const USER_AGENT: &str = concat!("sealpass-doctor/", env!("CARGO_PKG_VERSION"));
const NO_ECHO: &str = "no echo is there; route a guarded path to `sealpass echo` and name it in --echo-path";
