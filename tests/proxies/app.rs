//! The application behind the proxy: it answers with the request that reached it, as JSON.

use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::rig::sealpass;
use crate::wire::{Wire, header};

/// One application.
pub struct App {
    /// Where it listens.
    pub at: SocketAddr,
    reached: Arc<AtomicUsize>,
    echo: Option<Child>,
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(child) = &mut self.echo {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl App {
    /// Starts it on a free port; it runs until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let at = listener.local_addr().expect("bound");
        let reached = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&reached);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || serve(stream, &counter));
            }
        });
        Self { at, reached, echo: None }
    }

    /// `sealpass echo` on a free port; it ends with this process.
    pub fn echo() -> Self {
        let mut child = sealpass(Path::new("."))
            .args(["echo", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("sealpass starts");
        let mut said = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut said).expect("it says where it listens");
        let at = said.trim().strip_prefix("sealpass: echo on http://").and_then(|at| at.parse().ok());
        let at = at.unwrap_or_else(|| panic!("{said}"));
        Self { at, reached: Arc::default(), echo: Some(child) }
    }

    /// How many requests reached it.
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, reached: &AtomicUsize) {
    let mut wire = Wire::over(stream);
    while let Ok(again) = answer(&mut wire, reached) {
        if !again {
            return;
        }
    }
}

/// `/boom` is the application's own 500, and `/cookies` sets some. An upgrade is taken, and one line sent back.
fn answer(wire: &mut Wire, reached: &AtomicUsize) -> io::Result<bool> {
    let request = wire.line()?;
    let headers = wire.headers()?;
    let body = wire.body(&headers)?;
    reached.fetch_add(1, Ordering::SeqCst);
    let upgrade = header(&headers, "connection").is_some_and(|line| line.eq_ignore_ascii_case("upgrade"));
    if upgrade && header(&headers, "upgrade").is_some() {
        wire.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )?; // RFC 6455, section 1.3
        let line = wire.line()?;
        wire.send(format!("echo {line}\n").as_bytes())?;
        return Ok(false);
    }
    let status = if request.contains(" /boom") { "500 Oh" } else { "200 OK" };
    let lines: Vec<Value> = headers.iter().map(|(name, value)| json!([name, value])).collect();
    let shown = json!({"request": request, "headers": lines, "body": body.len()}).to_string();
    let shown = if request.starts_with("HEAD ") { String::new() } else { shown };
    let cookies = if request.contains(" /cookies") { COOKIES } else { "" };
    wire.send(
        format!("HTTP/1.1 {status}\r\nX-Reached: app\r\n{cookies}Content-Length: {}\r\n\r\n{shown}", shown.len())
            .as_bytes(),
    )?;
    Ok(true)
}

const COOKIES: &str = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\n";
