//! HTTP/1.1 over a plain socket: what is sent is exactly what a check writes, valid or not.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection that is kept alive.
pub struct Wire(BufReader<TcpStream>);

/// An answer: status, header lines in their order, body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Wire {
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self::over(stream))
    }

    /// Over a connection that exists.
    pub fn over(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self(BufReader::new(stream))
    }

    /// Sends the bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads one line, without its end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.0.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Reads as many bytes.
    pub fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Header lines up to the empty one.
    pub fn headers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// A body as the headers announce it.
    pub fn body(&mut self, headers: &[(String, String)]) -> io::Result<Vec<u8>> {
        if header(headers, "transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
                body.extend(self.bytes(size)?);
                self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let length = header(headers, "content-length").and_then(|length| length.parse().ok());
        self.bytes(length.unwrap_or(0))
    }

    /// Reads an answer. One to HEAD has no body, whatever it announces.
    pub fn answer(&mut self, to_head: bool) -> io::Result<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line}")))?;
        let headers = self.headers()?;
        let bodiless = to_head || matches!(status, 101 | 204 | 304);
        let body = if bodiless { Vec::new() } else { self.body(&headers)? };
        Ok(Answer { status, headers, body })
    }
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// All headers of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The `name=value` of our cookie, if the answer sets it.
    pub fn cookie(&self) -> Option<String> {
        let line = self.all("set-cookie").into_iter().find(|line| line.starts_with("__Host-sealpass="))?;
        Some(line.split(';').next().unwrap_or_default().to_owned())
    }
}

pub fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

const TIMEOUT: Duration = Duration::from_secs(10);
