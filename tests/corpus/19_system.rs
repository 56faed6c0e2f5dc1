//# reading lines from a cursor
use std::io::{BufRead, Cursor, Read};

fn main() -> std::io::Result<()> {
    let mut input = Cursor::new("first line\nsecond\n\nrest of it\nend");
    let mut line = String::new();
    let n = input.read_line(&mut line)?;
    println!("{n} {:?}", line.trim_end());
    let lines: Vec<String> = input.by_ref().lines().take(2).collect::<Result<_, _>>()?;
    println!("{lines:?}");
    let mut rest = String::new();
    input.read_to_string(&mut rest)?;
    println!("{rest:?} at {}", input.position());
    Ok(())
}

//# writing into buffers
//together a borrow crosses statements
use std::io::{self, BufWriter, Write};

fn report(out: &mut impl Write, items: &[(&str, f64)]) -> io::Result<()> {
    for (name, value) in items { writeln!(out, "{name:<6}{value:>8.2}")?; }
    out.flush()
}

fn main() -> io::Result<()> {
    let mut buffer = Vec::new();
    report(&mut buffer, &[("a", 1.5), ("bb", 22.25)])?;
    println!("{} bytes", buffer.len());
    let text = String::from_utf8_lossy(&buffer);
    print!("{text}");
    let mut w = BufWriter::with_capacity(4, Vec::new());
    w.write_all(b"buffered ")?;
    write!(w, "{}", 42)?;
    println!("{:?}", String::from_utf8(w.into_inner()?).unwrap());
    Ok(())
}

//# stdout by hand
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let stdout = io::stdout();
    let mut lock = stdout.lock();
    writeln!(lock, "locked")?;
    lock.write_all(b"bytes\n")?;
    drop(lock);
    println!("macro");
    io::stdout().write_fmt(format_args!("{}-{}\n", 1, 2))?;
    io::stdout().flush()
}

//# seek, take, chain and copy
//together a type is inferred from a later statement
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

fn main() -> io::Result<()> {
    let mut c = Cursor::new(vec![0u8; 8]);
    c.write_all(&[1, 2, 3, 4])?;
    c.seek(SeekFrom::Start(1))?;
    let mut two = [0; 2];
    c.read_exact(&mut two)?;
    println!("{two:?} {}", c.stream_position()?);
    c.seek(SeekFrom::End(-1))?;
    c.write_all(&[9])?;
    println!("{:?}", c.get_ref());
    let mut out = Vec::new();
    let copied = io::copy(&mut io::repeat(7).take(3).chain(&b"xy"[..]), &mut out)?;
    println!("{copied} {out:?}");
    let mut short = &b"ab"[..];
    println!("{:?}", short.read_exact(&mut [0; 4]).unwrap_err().kind());
    println!("{:?}", io::empty().read(&mut two)?);
    Ok(())
}

//# own readers and writers
use std::io::{self, BufRead, BufReader, Read, Write};

struct Rot13<R>(R);
impl<R: Read> Read for Rot13<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buf)?;
        for b in &mut buf[..n] { *b = match *b { b'a'..=b'z' => (*b - b'a' + 13) % 26 + b'a', b'A'..=b'Z' => (*b - b'A' + 13) % 26 + b'A', other => other }; }
        Ok(n)
    }
}
#[derive(Default)]
struct Counter { bytes: usize, calls: usize }
impl Write for Counter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> { self.bytes += buf.len(); self.calls += 1; Ok(buf.len()) }
    fn flush(&mut self) -> io::Result<()> { Ok(()) }
}

fn main() -> io::Result<()> {
    let reader = BufReader::new(Rot13("Uryyb\njbeyq".as_bytes()));
    for line in reader.lines() { println!("{}", line?); }
    let mut c = Counter::default();
    write!(c, "{}{}", "ab", 123)?;
    c.write_all(&[0; 10])?;
    println!("{} {}", c.bytes, c.calls > 1);
    Ok(())
}

//# files in a folder of one's own
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};

fn main() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("corpus-files-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let path = folder.join("notes.txt");
    fs::write(&path, "one\ntwo\n")?;
    let mut file = OpenOptions::new().append(true).open(&path)?;
    writeln!(file, "three")?;
    drop(file);
    let lines: Vec<String> = BufReader::new(File::open(&path)?).lines().collect::<io::Result<_>>()?;
    println!("{lines:?}");
    let meta = fs::metadata(&path)?;
    println!("{} {} {}", meta.len(), meta.is_file(), folder.is_dir());
    fs::copy(&path, folder.join("copy.txt"))?;
    fs::rename(&path, folder.join("moved.txt"))?;
    let mut names: Vec<String> = fs::read_dir(&folder)?.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()?;
    names.sort();
    println!("{names:?} {}", path.exists());
    println!("{}", fs::read_to_string(folder.join("copy.txt"))?.lines().count());
    println!("{:?}", File::open(&path).unwrap_err().kind());
    fs::remove_dir_all(&folder)
}

//# a folder walked recursively
//together a type is inferred from a later statement
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { bytes += walk(&entry.path(), found)?; } else { bytes += entry.metadata()?.len(); found.push(entry.path()); }
    }
    Ok(bytes)
}

fn main() -> io::Result<()> {
    let root = std::env::temp_dir().join(format!("corpus-walk-{}", std::process::id()));
    for (name, text) in [("a.txt", "12345"), ("sub/b.rs", "fn"), ("sub/deep/c.txt", "")] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, text)?;
    }
    let mut found = vec![];
    let bytes = walk(&root, &mut found)?;
    found.sort();
    for path in &found { println!("{}", path.strip_prefix(&root).unwrap().display()); }
    println!("{bytes}");
    fs::remove_dir_all(root)?;
    Ok(())
}

//# paths
use std::path::{Component, Path, PathBuf};

fn main() {
    let p = Path::new("/home/user/data.tar.gz");
    println!("{:?} {:?} {:?}", p.file_name(), p.extension(), p.file_stem());
    println!("{:?} {}", p.parent(), p.is_absolute());
    let mut b = PathBuf::from("a");
    b.push("b");
    b.push("../c.txt");
    println!("{}", b.display());
    b.set_extension("md");
    b.set_file_name("d.rs");
    println!("{} {}", b.display(), b.with_extension("").display());
    println!("{:?}", p.components().map(|c| match c { Component::Normal(n) => n.to_string_lossy().into_owned(), other => format!("{other:?}") }).collect::<Vec<_>>());
    println!("{} {}", p.starts_with("/home"), p.ends_with("data.tar.gz"));
    println!("{:?} {:?}", p.strip_prefix("/home"), p.join("/other"));
    println!("{:?}", p.ancestors().map(|a| a.as_os_str().len()).collect::<Vec<_>>());
    let joined: PathBuf = ["x", "y", "z"].iter().collect();
    println!("{joined:?} {}", Path::new("x/./y") == Path::new("x/y"));
}

//# environment variables
use std::env;

fn main() {
    unsafe { env::set_var("CORPUS_VARIABLE", "some value"); }
    println!("{:?}", env::var("CORPUS_VARIABLE"));
    println!("{}", env::vars().any(|(k, _)| k == "CORPUS_VARIABLE"));
    unsafe { env::remove_var("CORPUS_VARIABLE"); }
    println!("{:?}", env::var("CORPUS_VARIABLE"));
    println!("{:?}", env::var_os("CORPUS_NOT_THERE").is_none());
    println!("{} {}", env::args().count() >= 1, env::args().skip(1).all(|a| a != "corpus"));
    println!("{} {}", env::consts::OS, env::current_dir().is_ok_and(|d| d.is_absolute()));
    println!("{:?}", env::split_paths("/a:/b").map(|p| p.display().to_string()).collect::<Vec<_>>());
}

//# another process
use std::io::Write;
use std::process::{Command, Stdio};

fn main() -> std::io::Result<()> {
    let out = Command::new("echo").arg("from a process").output()?;
    println!("{:?} {}", String::from_utf8_lossy(&out.stdout).trim(), out.status.success());
    let mut child = Command::new("tr").args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().unwrap().write_all(b"shout")?;
    let out = child.wait_with_output()?;
    println!("{}", String::from_utf8_lossy(&out.stdout));
    let status = Command::new("sh").args(["-c", "exit 3"]).status()?;
    println!("{:?}", status.code());
    println!("{:?}", Command::new("surely-no-such-program").spawn().unwrap_err().kind());
    let env = Command::new("sh").args(["-c", "printf $GREETING"]).env("GREETING", "hi").output()?;
    println!("{}", String::from_utf8_lossy(&env.stdout));
    Ok(())
}

//# time and durations
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() {
    let d = Duration::from_millis(1500) + Duration::from_secs(2) * 3;
    println!("{d:?} {} {} {}", d.as_secs(), d.subsec_millis(), d.as_secs_f64());
    println!("{:?} {:?}", d.checked_sub(Duration::from_secs(10)), d.saturating_sub(Duration::from_secs(10)));
    println!("{:?} {:?}", Duration::from_secs_f64(0.25), Duration::new(1, 5));
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(5));
    let passed = start.elapsed();
    println!("{} {}", passed >= Duration::from_millis(5), start < Instant::now());
    let epoch = UNIX_EPOCH + Duration::from_secs(86_400 * 365);
    println!("{:?} {}", epoch.duration_since(UNIX_EPOCH).map(|d| d.as_secs()), SystemTime::now() > epoch);
    println!("{:?}", UNIX_EPOCH.duration_since(epoch).unwrap_err().duration());
    println!("{:?}", [1u64, 2, 3].iter().map(|s| Duration::from_secs(*s)).sum::<Duration>());
}

//# a server and a client on loopback
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> std::io::Result<usize> {
        let (mut stream, peer) = listener.accept()?;
        assert!(peer.ip().is_loopback());
        let mut n = 0;
        for line in BufReader::new(stream.try_clone()?).lines() {
            let line = line?;
            if line == "quit" { break; }
            n += 1;
            writeln!(stream, "{n}: {}", line.to_uppercase())?;
        }
        Ok(n)
    });
    let mut client = TcpStream::connect(address)?;
    let mut answers = BufReader::new(client.try_clone()?);
    for word in ["hello", "world"] {
        writeln!(client, "{word}")?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        print!("{answer}");
    }
    writeln!(client, "quit")?;
    println!("{}", server.join().unwrap()?);
    Ok(())
}

//# datagrams and addresses
//together a type is inferred from a later statement
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

fn main() -> std::io::Result<()> {
    let a = UdpSocket::bind("127.0.0.1:0")?;
    let b = UdpSocket::bind("127.0.0.1:0")?;
    a.send_to(b"ping", b.local_addr()?)?;
    let mut buffer = [0; 16];
    let (n, from) = b.recv_from(&mut buffer)?;
    println!("{:?} {}", std::str::from_utf8(&buffer[..n]), from == a.local_addr()?);
    let ip: IpAddr = "10.1.2.3".parse().unwrap();
    println!("{} {} {:?}", ip.is_ipv4(), ip.is_loopback(), Ipv4Addr::new(127, 0, 0, 1).octets());
    println!("{} {}", Ipv6Addr::LOCALHOST, "::1:80".parse::<SocketAddr>().is_err());
    let s: SocketAddr = "[::1]:8080".parse().unwrap();
    println!("{} {}", s.port(), s.is_ipv6());
    println!("{:?}", ("127.0.0.1", 80).to_socket_addrs()?.next());
    println!("{}", u32::from(Ipv4Addr::new(1, 0, 0, 255)));
    Ok(())
}

//# io errors
use std::io::{self, Error, ErrorKind, Read};

fn fails(n: u32) -> io::Result<u32> {
    match n {
        0 => Err(Error::new(ErrorKind::InvalidData, "bad data")),
        1 => Err(ErrorKind::TimedOut.into()),
        2 => Err(Error::other("something else")),
        3 => Err(Error::from_raw_os_error(2)),
        n => Ok(n),
    }
}

fn main() {
    for n in 0..5 {
        match fails(n) {
            Ok(n) => println!("ok {n}"),
            Err(e) if e.kind() == ErrorKind::NotFound => println!("not found {:?}", e.raw_os_error()),
            Err(e) => println!("{:?} {e} {}", e.kind(), e.get_ref().is_some()),
        }
    }
    let mut s = String::new();
    println!("{:?}", (&[0xffu8, 0xfe][..]).read_to_string(&mut s).map_err(|e| e.kind()));
}

//# a small binary format
//together a borrow crosses statements
use std::io::{self, Cursor, Read, Write};

#[derive(Debug, PartialEq, Clone)]
struct Record { id: u32, name: String, values: Vec<f32> }
fn write(out: &mut impl Write, r: &Record) -> io::Result<()> {
    out.write_all(&r.id.to_le_bytes())?;
    out.write_all(&[r.name.len() as u8])?;
    out.write_all(r.name.as_bytes())?;
    out.write_all(&(r.values.len() as u16).to_be_bytes())?;
    r.values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
}
fn bytes<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> { let mut b = [0; N]; input.read_exact(&mut b)?; Ok(b) }
fn read(input: &mut impl Read) -> io::Result<Record> {
    let id = u32::from_le_bytes(bytes(input)?);
    let [n] = bytes(input)?;
    let mut name = vec![0; n as usize];
    input.read_exact(&mut name)?;
    let name = String::from_utf8(name).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let count = u16::from_be_bytes(bytes(input)?);
    let values = (0..count).map(|_| bytes(input).map(f32::from_le_bytes)).collect::<io::Result<_>>()?;
    Ok(Record { id, name, values })
}

fn main() -> io::Result<()> {
    let record = Record { id: 7, name: "probe".into(), values: vec![1.5, -2.25] };
    let mut data = Vec::new();
    write(&mut data, &record)?;
    write(&mut data, &Record { id: 8, ..record.clone() })?;
    println!("{} {:?}", data.len(), &data[..10]);
    let mut c = Cursor::new(&data);
    println!("{}", read(&mut c)? == record);
    println!("{:?}", read(&mut c)?);
    println!("{:?}", read(&mut c).unwrap_err().kind());
    Ok(())
}
