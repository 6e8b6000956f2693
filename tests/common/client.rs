//! HTTP/1.1 by hand: bytes out, and answers in as they came.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub struct Connection {
    stream: TcpStream,
    /// What was read and not taken yet.
    ahead: Vec<u8>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Head and body as they came; empty if a library read them.
    pub raw: Vec<u8>,
}

/// The head of a request, with its last empty line.
pub fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    with_lines(method, target, &lines)
}

/// As [`head`], for values that are no text.
pub fn with_lines(method: &str, target: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        out.extend_from_slice(b"Host: app.example.com\r\n");
    }
    for (name, value) in headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

impl Connection {
    pub fn open(at: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&at, LIMIT).expect("the service listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        stream.set_write_timeout(Some(LIMIT)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, ahead: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the service reads");
    }

    /// As [`Connection::send`], to a peer that may have gone.
    pub fn send_if_open(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("a socket");
    }

    /// The next answer, to any method but HEAD.
    pub fn answer(&mut self) -> Response {
        self.answer_to("GET")
    }

    pub fn answer_to(&mut self, method: &str) -> Response {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more(), "closed before a whole head: {}", String::from_utf8_lossy(&self.ahead));
        };
        let (status, headers) = parse(&self.ahead[..end]);
        let mut response = Response { status, headers, body: Vec::new(), raw: Vec::new() };
        let bodiless = method == "HEAD" || status == 204 || status == 304 || status < 200;
        let length = match response.header("content-length") {
            _ if bodiless => 0,
            Some(length) => length.parse().expect("a length"),
            None => panic!("no length: {response:?}"),
        };
        while self.ahead.len() < end + length {
            assert!(self.more(), "closed inside a body");
        }
        response.raw = self.ahead.drain(..end + length).collect();
        response.body = response.raw[end..].to_vec();
        response
    }

    /// All that still comes until the service closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.ahead)
    }

    fn more(&mut self) -> bool {
        let mut room = [0; 16 << 10];
        match self.stream.read(&mut room) {
            Ok(0) => false,
            Ok(read) => {
                self.ahead.extend_from_slice(&room[..read]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }
}

impl Response {
    /// The value of a header that stands at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} stands {} times", all.len());
        all.first().copied()
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Problem details without the id of the request, which is a new one each time.
    pub fn problem(&self) -> serde_json::Value {
        let mut problem = self.json();
        drop(problem["request_id"].take());
        problem
    }

    /// All that a client can tell answers apart by: the bytes as they came, but for the Date line, and with the headers in
    /// order, because actix shuffles them anew for every answer.
    pub fn without_date(&self) -> String {
        let text = String::from_utf8(self.raw.clone()).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines: Vec<_> = head.split("\r\n").collect();
        lines[1..].sort_unstable();
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("date:"));
        let all = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
        // Of a call of the control API: a new one each time.
        match self.header("x-request-id") {
            Some(id) => all.replace(id, "ID"),
            None => all,
        }
    }

    /// Every header but Date, in order of their names.
    pub fn sorted(&self) -> Vec<(String, String)> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        headers.retain(|(name, _)| name != "date");
        headers.sort();
        headers
    }
}

fn parse(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let text = std::str::from_utf8(head).expect("visible ASCII");
    let mut lines = text.split("\r\n");
    let status = lines.next().expect("a status line");
    let code = status.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).expect(status);
    let header = |line: &str| {
        let (name, value) = line.split_once(':').expect(line);
        (name.to_owned(), value.trim().to_owned())
    };
    (code.parse().expect(status), lines.filter(|line| !line.is_empty()).map(header).collect())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

const LIMIT: Duration = Duration::from_secs(20);
