//! Proxies on 127.0.0.1 that write down where they were asked to go. Every name leads them to 127.0.0.1.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a proxy speaks; those with a user let nobody else through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    HttpWithUser,
    Socks4,
    Socks5,
    Socks5WithUser,
    /// Hangs up on everybody.
    Broken,
    /// Is no proxy, but some other server.
    Server,
}

/// The running proxy; it ends with the process.
pub struct Proxy {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

/// The user and the password, as they stand in a URL.
pub const USER: &str = "ada:se%40cret";

impl Proxy {
    pub fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = shared.clone();
                // Whoever hangs up in the middle has no interest in more.
                std::thread::spawn(move || serve(kind, stream, &asked));
            }
        });
        Self { port, asked }
    }

    /// `HOST:PORT` for each connection through the proxy.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(kind: Kind, mut stream: TcpStream, asked: &Mutex<Vec<String>>) -> Result<()> {
    let target = match kind {
        Kind::Broken => return Ok(()),
        Kind::Server => {
            stream.write_all(b"HTTP/1.1 400 Bad request\r\nContent-Length: 0\r\n\r\n")?;
            // Hanging up on what was not read would take the answer back.
            return stream.read_to_end(&mut Vec::new()).map(drop);
        }
        Kind::Http | Kind::HttpWithUser => http(&mut stream, kind == Kind::HttpWithUser)?,
        Kind::Socks4 => socks4(&mut stream)?,
        Kind::Socks5 | Kind::Socks5WithUser => socks5(&mut stream, kind == Kind::Socks5WithUser)?,
    };
    let Some((host, port)) = target else {
        return Ok(());
    };
    asked.lock().unwrap().push(format!("{host}:{port}"));
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(match kind {
        Kind::Socks4 => &[0, 90, 0, 0, 0, 0, 0, 0],
        Kind::Socks5 | Kind::Socks5WithUser => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        _ => b"HTTP/1.1 200 Connection established\r\n\r\n",
    })?;
    let (mut from, mut to) = (stream.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write)
    });
    std::io::copy(&mut &server, &mut stream)?;
    stream.shutdown(std::net::Shutdown::Both)
}

type Target = Option<(String, u16)>;

fn http(stream: &mut TcpStream, with_user: bool) -> Result<Target> {
    let mut lines = BufReader::new(&mut *stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    // What base64 makes of the user.
    let (mut target, mut known) = (None, !with_user);
    for line in lines {
        let line = line?;
        known |= line == "Proxy-Authorization: Basic YWRhOnNlQGNyZXQ=";
        if line.is_empty() {
            break;
        }
    }
    if let Some(address) = first.strip_prefix("CONNECT ") {
        let address = address.split(' ').next().unwrap_or_default();
        target = address
            .rsplit_once(':')
            .map(|(host, port)| (host.to_owned(), port.parse().unwrap()));
    }
    if !known {
        stream.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(None);
    }
    Ok(target)
}

fn socks4(stream: &mut TcpStream) -> Result<Target> {
    let [_, _, high, low, address @ ..] = bytes::<8>(stream)?;
    text(stream)?;
    let host = match address {
        [0, 0, 0, _] => text(stream)?,
        address => Ipv4Addr::from(address).to_string(),
    };
    Ok(Some((host, u16::from_be_bytes([high, low]))))
}

fn socks5(stream: &mut TcpStream, with_user: bool) -> Result<Target> {
    let [_, methods] = bytes(stream)?;
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered)?;
    let method = if with_user { 2 } else { 0 };
    if !offered.contains(&method) {
        stream.write_all(&[5, 0xff])?;
        return Ok(None);
    }
    stream.write_all(&[5, method])?;
    if with_user {
        let [_] = bytes(stream)?;
        let known = (counted(stream)?, counted(stream)?) == ("ada".into(), "se@cret".into());
        stream.write_all(&[1, if known { 0 } else { 1 }])?;
        if !known {
            return Ok(None);
        }
    }
    let [_, _, _, kind] = bytes(stream)?;
    let host = match kind {
        1 => Ipv4Addr::from(bytes::<4>(stream)?).to_string(),
        _ => counted(stream)?,
    };
    Ok(Some((host, u16::from_be_bytes(bytes(stream)?))))
}

fn bytes<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A text with its length in front.
fn counted(stream: &mut TcpStream) -> Result<String> {
    let [length] = bytes(stream)?;
    let mut text = vec![0; length.into()];
    stream.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A text with a zero behind it.
fn text(stream: &mut TcpStream) -> Result<String> {
    let mut text = String::new();
    loop {
        match bytes(stream)? {
            [0] => return Ok(text),
            [letter] => text.push(letter.into()),
        }
    }
}
