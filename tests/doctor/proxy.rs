//! A reverse proxy of a few lines: right, or wrong in one way. One request a connection.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::faults::Fault;
use crate::wire::{Answer, Wire, header};

type Headers = Vec<(String, String)>;

pub struct Proxy {
    pub sealpass: SocketAddr,
    pub control: SocketAddr,
    pub app: SocketAddr,
    pub fault: Fault,
    verdicts: Mutex<HashMap<String, (u16, Headers)>>,
    pages: Mutex<HashMap<String, Vec<u8>>>,
}

struct Request {
    method: String,
    /// As it is compared and handed on.
    path: String,
    query: String,
    headers: Headers,
    body: Vec<u8>,
}

impl Proxy {
    /// Starts it on a free port; it runs until the process ends.
    pub fn start(sealpass: SocketAddr, control: SocketAddr, app: SocketAddr, fault: Fault) -> SocketAddr {
        let (verdicts, pages) = (Mutex::default(), Mutex::default());
        let proxy = Arc::new(Self { sealpass, control, app, fault, verdicts, pages });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let at = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let proxy = Arc::clone(&proxy);
                thread::spawn(move || proxy.serve(stream));
            }
        });
        at
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut out = stream.try_clone()?;
        let mut wire = Wire::over(stream);
        let mut answer = self.handle(&mut wire).unwrap_or_else(|_| plain(502));
        if self.fault == Fault::WrongDate {
            answer.headers.retain(|(name, _)| !is(name, "date"));
            answer.headers.push(("Date".to_owned(), "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()));
        }
        let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
        let _ = write!(head, "Content-Length: {}\r\n", answer.body.len());
        for (name, value) in answer.headers.iter().filter(|(name, _)| !is_hop(name)) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        out.write_all(&[head.as_bytes(), b"\r\n", &answer.body].concat())
    }

    fn handle(&self, wire: &mut Wire) -> io::Result<Answer> {
        let line = wire.line()?;
        let headers = wire.headers()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let proper = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !headers.iter().all(|(name, _)| proper(name)) {
            return Ok(plain(400));
        }
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        match self.fault {
            Fault::SmallBuffers if (3_000..8_000).contains(&size) => return Ok(plain(431)),
            Fault::Breaks if size > 32 << 10 => return Ok(plain(500)),
            _ => {}
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(path) = self.resolved(path) else { return Ok(plain(400)) };
        let (method, query) = (method.to_owned(), query.to_owned());
        let mut request = Request { method, path, query, headers, body: Vec::new() };
        if self.fault == Fault::WaitsForBody {
            request.body = wire.body(&request.headers)?;
        }
        self.route(wire, request)
    }

    fn route(&self, wire: &mut Wire, mut request: Request) -> io::Result<Answer> {
        match request.path.as_str() {
            "/logout" if self.fault == Fault::OwnLogout => return Ok(plain(204)),
            "/logout" => return hand_on(self.sealpass, &request),
            "/renew" if self.fault != Fault::NoRenew => return hand_on(self.sealpass, &request),
            path if self.fault == Fault::VerifyOpen && path.starts_with("/verify") => {
                return hand_on(self.sealpass, &request);
            }
            path if self.fault == Fault::ControlOpen && path.starts_with("/v1/") => {
                return hand_on(self.control, &request);
            }
            _ => {}
        }
        if matches!(request.path.as_str(), "/login" | "/signup") {
            let path = request.path.clone();
            return self.answer_of_app(&path, request, &Vec::new());
        }
        let policy = self.policy(&request.path);
        let page = format!("{} {}?{}", request.method, request.path, request.query);
        if self.fault == Fault::CachesPages
            && let Some(body) = self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(&page)
        {
            return Ok(Answer { status: 200, headers: Vec::new(), body: body.clone() });
        }
        let (status, said) = if self.is_open(&request) { (200, Vec::new()) } else { self.verdict(policy, &request)? };
        if status != 200 {
            return Ok(self.denial(status, said));
        }
        if request.body.is_empty() {
            request.body = wire.body(&request.headers)?;
        }
        let answer = self.answer_of_app(policy, request, &said)?;
        if page.starts_with("GET ") {
            self.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(page, answer.body.clone());
        }
        Ok(answer)
    }

    /// The path as it is compared and handed on; `None` if it is refused.
    fn resolved(&self, path: &str) -> Option<String> {
        if self.fault == Fault::RawPaths {
            return Some(path.to_owned());
        }
        let mut bytes = path.bytes();
        let mut plain = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                plain.push(byte);
                continue;
            }
            let digits = [bytes.next()?, bytes.next()?];
            let byte = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
            if byte == b'/' || byte == b'%' {
                return None;
            }
            plain.push(byte);
        }
        if plain.iter().any(|byte| *byte == b'\\' || *byte == b';' && self.fault != Fault::Semicolons) {
            return None;
        }
        let plain = String::from_utf8(plain).ok()?;
        if self.fault == Fault::TwoSlashes && plain.starts_with("//") {
            return Some(plain);
        }
        let mut parts = Vec::new();
        for part in plain.split('/') {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        Some(format!("/{}", parts.join("/")))
    }

    fn policy(&self, path: &str) -> &'static str {
        let path = if self.fault == Fault::CaseMatters { path.to_owned() } else { path.to_ascii_lowercase() };
        let below = |of: &str| path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match self.fault {
            Fault::OnePolicy => "default",
            Fault::OptionalGuarded if below("/news") => "default",
            _ if below("/admin") => "admin",
            _ if below("/forms") => "form",
            _ if below("/news") => "optional",
            _ if below("/api") => "api",
            _ if below("/account") => "page",
            _ => "default",
        }
    }

    fn is_open(&self, request: &Request) -> bool {
        match self.fault {
            Fault::OptionsOpen => request.method == "OPTIONS",
            Fault::PreflightsOpen => {
                request.method == "OPTIONS" && header(&request.headers, "access-control-request-method").is_some()
            }
            Fault::OnlyGet => request.method != "GET",
            Fault::UpgradeOpen => header(&request.headers, "upgrade").is_some(),
            _ => false,
        }
    }

    /// What Sealpass says.
    fn verdict(&self, policy: &str, request: &Request) -> io::Result<(u16, Headers)> {
        let cookies: Vec<_> = all(&request.headers, "cookie").collect();
        let key = format!(
            "{} {policy} {} {}",
            request.method,
            cookies.join("; "),
            header(&request.headers, "x-csrf-token").unwrap_or_default()
        );
        if self.fault == Fault::CachesVerdicts
            && let Some(known) = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return Ok(known.clone());
        }
        let target = match self.fault {
            Fault::AsksElsewhere => "/auth".to_owned(),
            Fault::AsksWithQuery => format!("/policy/{policy}?{}", request.query).trim_end_matches('?').to_owned(),
            _ => format!("/policy/{policy}/"),
        };
        let mut head = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for cookie in cookies {
            let cookie = if self.fault == Fault::CutsCookie { &cookie[..cookie.len() - 1] } else { cookie };
            let _ = write!(head, "Cookie: {cookie}\r\n");
        }
        let own = header(&request.headers, "x-forwarded-method").filter(|_| self.fault == Fault::BelievesMethod);
        let _ = write!(head, "X-Forwarded-Method: {}\r\n", own.unwrap_or(&request.method));
        for token in all(&request.headers, "x-csrf-token").filter(|_| self.fault != Fault::DropsCsrfToken) {
            let _ = write!(head, "X-CSRF-Token: {token}\r\n");
        }
        for name in ["Origin", "Access-Control-Request-Method", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Accept"] {
            for value in all(&request.headers, name).filter(|_| self.fault != Fault::DropsOrigin || name != "Origin") {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let forged = header(&request.headers, "x-forwarded-host").filter(|_| self.fault == Fault::BelievesHost);
        let host = forged.unwrap_or("app.example.com");
        let _ = write!(head, "X-Forwarded-Proto: https\r\nX-Forwarded-Host: {host}\r\n");
        let _ = write!(head, "X-Forwarded-Uri: {}\r\n", request.path);
        let answer = ask(self.sealpass, format!("{head}\r\n").as_bytes(), false)?;
        let mut status = answer.status;
        if self.fault == Fault::TrustsCookie && status == 401 && key.contains("__Host-sealpass=A") {
            status = 200;
        }
        let said = (status, answer.headers);
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).insert(key, said.clone());
        Ok(said)
    }

    fn denial(&self, status: u16, said: Headers) -> Answer {
        let kept = ["www-authenticate", "cache-control", "set-cookie", "location"];
        let mut headers = said;
        headers.retain(|(name, _)| kept.contains(&name.to_ascii_lowercase().as_str()));
        match (self.fault, status) {
            (Fault::DropsNoStore, _) => headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cache-control")),
            (Fault::Redirects, 401) => {
                headers.push(("Location".to_owned(), "/login".to_owned()));
                return Answer { status: 302, headers, body: Vec::new() };
            }
            (Fault::SoftDenial, 401) => return Answer { status: 200, headers, body: b"Please log in".to_vec() },
            (Fault::ForbiddenAs401, 403) => return Answer { status: 401, headers, body: Vec::new() },
            _ => {}
        }
        Answer { status, headers, body: Vec::new() }
    }

    fn answer_of_app(&self, policy: &str, mut request: Request, said: &Headers) -> io::Result<Answer> {
        let named = self.strip(policy, &mut request.headers);
        self.add_identity(&mut request.headers, said);
        if self.fault == Fault::HopByHopLast {
            request.headers.retain(|(name, _)| !named.contains(&name.to_ascii_lowercase()));
        }
        let mut answer = match self.fault {
            Fault::OwnApp if request.path != "/echo" => {
                Answer { status: 200, headers: Vec::new(), body: b"Hello".to_vec() }
            }
            _ => hand_on(self.app, &request)?,
        };
        if self.fault == Fault::DropsAppCookie {
            let mut first = true;
            answer.headers.retain(|(name, _)| !is(name, "set-cookie") || std::mem::take(&mut first));
        }
        for line in all(said, "set-cookie").filter(|_| self.fault != Fault::DropsRenewal) {
            let line =
                if self.fault == Fault::RewritesCookie { line.replace("; HttpOnly", "") } else { line.to_owned() };
            answer.headers.push(("Set-Cookie".to_owned(), line));
        }
        Ok(answer)
    }

    /// Takes out what is a client's to say nothing of. Says what its Connection header names.
    fn strip(&self, policy: &str, headers: &mut Headers) -> Vec<String> {
        let named: Vec<_> = all(headers, "connection")
            .flat_map(|line| line.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        headers.retain(|(name, _)| !named.contains(&name.to_ascii_lowercase()) && !is_hop(name));
        headers.retain(|(name, _)| {
            let lower = name.to_ascii_lowercase();
            let identity = match self.fault {
                Fault::Appends | Fault::KeepsEmptied => false,
                Fault::OptionalUnstripped if policy == "optional" => false,
                Fault::LoginUnstripped if policy == "/login" => false,
                Fault::SignupUnstripped if policy == "/signup" => false,
                Fault::OneCase => name.starts_with("x-session-"),
                _ => lower.starts_with("x-session-"),
            };
            let underscores = lower.contains('_') && self.fault != Fault::Underscores;
            let forwarded =
                lower.starts_with("x-forwarded-") || lower.starts_with("x-original-") || lower == "forwarded";
            !(identity || underscores || forwarded && self.fault != Fault::PassesForwarded)
        });
        let cookies: Vec<_> = all(headers, "cookie").map(str::to_owned).collect();
        headers.retain(|(name, _)| !is(name, "cookie"));
        let ours = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default();
            name.trim() == "__Host-sealpass" && self.fault != Fault::KeepsCookie
        };
        let pairs: Vec<_> = cookies.iter().flat_map(|line| line.split(';')).filter(|pair| !ours(pair)).collect();
        if !pairs.is_empty() && self.fault != Fault::DropsCookies {
            headers.push(("Cookie".to_owned(), pairs.join(";").trim().to_owned()));
        }
        named
    }

    fn add_identity(&self, headers: &mut Headers, said: &Headers) {
        let identity = said.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-session-"));
        for (name, value) in identity.filter(|(_, value)| !value.is_empty()) {
            if self.fault == Fault::NoIdentity {
                continue;
            }
            if self.fault == Fault::KeepsEmptied {
                headers.retain(|(known, _)| !is(known, name));
            }
            let value = if self.fault == Fault::MangledSubject { value.replace("%C3%BC", "?") } else { value.clone() };
            headers.push((name.clone(), value));
        }
    }
}

/// Sends it there as it is now.
fn hand_on(to: SocketAddr, request: &Request) -> io::Result<Answer> {
    let mark = if request.query.is_empty() { "" } else { "?" };
    let mut head = format!("{} {}{mark}{} HTTP/1.1\r\n", request.method, request.path, request.query);
    for (name, value) in request.headers.iter().filter(|(name, _)| !is_hop(name)) {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let length = request.body.len();
    let announced = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
    let head = format!("{head}Connection: close\r\n{announced}\r\n");
    ask(to, &[head.as_bytes(), &request.body].concat(), request.method == "HEAD")
}

fn ask(at: SocketAddr, bytes: &[u8], head: bool) -> io::Result<Answer> {
    let mut wire = Wire::open(at)?;
    wire.send(bytes)?;
    wire.answer(head)
}

fn plain(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: Vec::new() }
}

fn all<'h>(headers: &'h Headers, name: &str) -> impl Iterator<Item = &'h str> {
    headers.iter().filter(move |(known, _)| is(known, name)).map(|(_, value)| value.as_str())
}

fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// Headers of one connection alone.
fn is_hop(name: &str) -> bool {
    ["connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te"].iter().any(|hop| is(name, hop))
}
