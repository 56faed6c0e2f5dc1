//! Bound sockets, and who may be connected to them.

use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::AbortHandle,
};

use super::{
    frame::{Limits, Reader},
    handshake::{SocketType, handshake},
};

/// How long a peer may take to say who it is.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How many connections may be without a handshake at a time; a new one takes the place of the oldest.
const MOST_PENDING: usize = 32;

/// How many connections a socket may have.
const MOST_CONNECTED: usize = 128;

/// How often a listener lets others go on until a connection that it has closed is gone.
const MOST_YIELDS: usize = 1000;

/// How long a listener rests where the system cannot accept: for want of file descriptors, say.
const REST: Duration = Duration::from_millis(200);

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A port of an interface.
    Tcp {
        /// The interface.
        host: String,
        /// The port; 0 for any.
        port: u16,
    },
    /// A socket in the file system.
    Ipc(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Endpoint::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

/// A bound socket. A socket that is a file is removed with it.
pub struct Listener {
    socket: Bound,
    _file: Option<OwnFile>,
}

enum Bound {
    Tcp(TcpListener),
    Ipc(UnixListener),
}

/// The file of a socket, removed when this is dropped.
struct OwnFile(PathBuf);

impl Drop for OwnFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What happens to a newcomer where all places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It is refused.
    Refuse,
    /// It takes the place of the oldest connection that has not shown that it has the key.
    ReplaceStranger,
}

/// A peer that has shaken hands.
pub struct Peer {
    /// Its number among all connections of all sockets.
    pub number: u64,
    /// The name under which answers reach it.
    pub identity: Bytes,
    /// The frames that it sends.
    pub reader: Reader<Input>,
    /// The way to it.
    pub writer: Output,
    /// To be set once the peer has shown that it has the key.
    pub trusted: Arc<AtomicBool>,
}

impl Listener {
    /// Binds a socket. A file that a socket has left behind, on which nobody listens, is replaced.
    ///
    /// # Errors
    ///
    /// Fails where the address is taken or cannot be bound.
    pub async fn bind(endpoint: &Endpoint) -> anyhow::Result<Listener> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                // ZeroMQ's word for all interfaces, and its brackets around IPv6 addresses.
                let host = match host.as_str() {
                    "*" => "0.0.0.0",
                    host => host.trim_start_matches('[').trim_end_matches(']'),
                };
                let listener = TcpListener::bind((host, *port)).await?;
                Ok(Listener {
                    socket: Bound::Tcp(listener),
                    _file: None,
                })
            }
            Endpoint::Ipc(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                let file = OwnFile(path.clone());
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
                    .context("its file cannot be kept from other users")?;
                Ok(Listener {
                    socket: Bound::Ipc(listener),
                    _file: Some(file),
                })
            }
        }
    }

    async fn accept(&self) -> io::Result<(Input, Output)> {
        match &self.socket {
            Bound::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (input, output) = stream.into_split();
                Ok((Box::new(input), Box::new(output)))
            }
            Bound::Ipc(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = stream.peer_cred()?.uid();
                let own = rustix::process::geteuid().as_raw();
                if peer != own && peer != 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        format!("user {peer} may not connect, only {own} may"),
                    ));
                }
                let (input, output) = stream.into_split();
                Ok((Box::new(input), Box::new(output)))
            }
        }
    }

    /// Accepts peers for ever; each is attended by a task of its own, which ends its connection by ending.
    pub async fn serve<F, A>(
        self,
        name: &'static str,
        socket: SocketType,
        limits: Limits,
        full: Full,
        attend: F,
    ) where
        F: Fn(Peer) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<()>> + Send,
    {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let connections = Arc::new(Connections::default());
        let attend = Arc::new(attend);
        let troubles = Arc::new(Troubles {
            name,
            count: AtomicU64::new(0),
        });
        loop {
            let (mut input, mut output) = match self.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    troubles.tell(&error);
                    // A peer that has gone already leaves nothing to wait for.
                    if error.kind() != io::ErrorKind::ConnectionAborted {
                        tokio::time::sleep(REST).await;
                    }
                    continue;
                }
            };
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let (limits, attend, troubles) = (limits.clone(), attend.clone(), troubles.clone());
            let registration = Registration {
                number,
                connections: connections.clone(),
            };
            let oldest = {
                // Held until the connection is in it: its task looks for itself there.
                let mut table = connections.lock();
                let task = tokio::spawn(async move {
                    let mut stream = tokio::io::join(&mut input, &mut output);
                    let greeted = handshake(&mut stream, socket);
                    let identity = match tokio::time::timeout(HANDSHAKE_PATIENCE, greeted).await {
                        Ok(Ok(identity)) => identity,
                        Ok(Err(error)) => return troubles.tell(&error),
                        Err(_) => {
                            return troubles.tell(&format!(
                                "no handshake within {} s",
                                HANDSHAKE_PATIENCE.as_secs()
                            ));
                        }
                    };
                    let trusted = Arc::new(AtomicBool::new(false));
                    if !registration.take(full, &trusted) {
                        return troubles.tell(&format!("all {MOST_CONNECTED} places are taken"));
                    }
                    let peer = Peer {
                        number,
                        identity,
                        reader: Reader::new(input, limits, trusted.clone()),
                        writer: output,
                        trusted,
                    };
                    match attend(peer).await {
                        Err(error) if !is_goodbye(&error) => troubles.tell(&error),
                        _ => {}
                    }
                });
                table.pending.push_back((number, task.abort_handle()));
                let is_over = table.pending.len() > MOST_PENDING;
                is_over.then(|| table.pending.pop_front()).flatten()
            };
            if let Some((_, oldest)) = oldest {
                oldest.abort();
                // Its file descriptor goes with it; who connects faster than that would take all there are.
                for _ in 0..MOST_YIELDS {
                    if oldest.is_finished() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// Removes the file of a socket on which nobody listens any more. Anything else stays.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        bail!(
            "{} is there and is no socket; remove it, or choose another path",
            path.display()
        );
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .with_context(|| format!("a socket that was left at {}", path.display()))
        }
        Ok(_) => bail!("another process listens at {}", path.display()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn is_goodbye(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// Tells of connections that fail: of the first, the second, the fourth and so on, so that a flood of them fills no log.
struct Troubles {
    name: &'static str,
    count: AtomicU64,
}

impl Troubles {
    fn tell(&self, what: &dyn std::fmt::Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            patchbay_contract::log(format_args!(
                "ended a connection to {}: {what} ({count} so far)",
                self.name
            ));
        }
    }
}

/// The connections of one socket.
#[derive(Default)]
struct Connections(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// Those without a handshake, oldest first.
    pending: VecDeque<(u64, AbortHandle)>,
    connected: HashMap<u64, (Arc<AtomicBool>, AbortHandle)>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }
}

/// One connection's place in the table, given up when this is dropped.
struct Registration {
    number: u64,
    connections: Arc<Connections>,
}

impl Registration {
    /// Goes from those without a handshake to those with one. Returns whether there is room.
    fn take(&self, full: Full, trusted: &Arc<AtomicBool>) -> bool {
        let mut table = self.connections.lock();
        let Some(at) = table
            .pending
            .iter()
            .position(|(number, _)| *number == self.number)
        else {
            return false;
        };
        let Some((_, task)) = table.pending.remove(at) else {
            return false;
        };
        if table.connected.len() >= MOST_CONNECTED {
            let oldest_stranger = table
                .connected
                .iter()
                .filter(|(_, (trusted, _))| !trusted.load(Ordering::Relaxed))
                .map(|(&number, _)| number)
                .min();
            match oldest_stranger {
                Some(number) if full == Full::ReplaceStranger => {
                    if let Some((_, task)) = table.connected.remove(&number) {
                        task.abort();
                    }
                }
                _ => return false,
            }
        }
        table.connected.insert(self.number, (trusted.clone(), task));
        true
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut table = self.connections.lock();
        table.connected.remove(&self.number);
        table.pending.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket-1");
        let endpoint = Endpoint::Ipc(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = Listener::bind(&endpoint).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = Listener::bind(&endpoint).await.err().unwrap();
        assert!(
            error.to_string().contains("another process listens"),
            "{error}"
        );
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "text").unwrap();
        let error = Listener::bind(&endpoint).await.err().unwrap();
        assert!(error.to_string().contains("is no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
    }

    #[tokio::test]
    async fn all_interfaces_and_names_can_be_bound() {
        for host in ["*", "localhost", "127.0.0.1", "0.0.0.0"] {
            let host = host.to_owned();
            assert!(
                Listener::bind(&Endpoint::Tcp { host, port: 0 })
                    .await
                    .is_ok()
            );
        }
    }
}
