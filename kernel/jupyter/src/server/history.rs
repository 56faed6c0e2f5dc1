//! The cells of all sessions, on disk.
//!
//! One SQLite database for all kernels of a user, `$PATCHBAY_HISTORY` or `patchbay/history.sqlite` in the user's data
//! folder; `PATCHBAY_HISTORY=off` keeps it in memory. A session is numbered with its first cell, as IPython does it.

use std::{
    env,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension, Row, ToSql, TransactionBehavior, params};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use patchbay_contract::log;

const SETTING: &str = "PATCHBAY_HISTORY";

/// How long a kernel waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer may take, and the end of the kernel waits for what is still to be written.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// How long more additions are waited for before they are written, and how long they are waited for in all. A transaction for
/// each takes longer than many a cell.
const PAUSE: Duration = Duration::from_millis(50);
const MOST_PAUSES: Duration = Duration::from_millis(500);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS sessions (session INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS history (
        session INTEGER NOT NULL, line INTEGER NOT NULL, source TEXT NOT NULL, output TEXT,
        PRIMARY KEY (session, line)
    );";

enum Order {
    Add(Addition),
    Answer {
        request: Value,
        answer: oneshot::Sender<Value>,
    },
    Settle {
        done: oneshot::Sender<()>,
    },
}

enum Addition {
    Cell { line: u32, source: String },
    Output { line: u32, output: String },
}

/// The thread that owns the history: a file may be slow, on a network file system for instance, and no cell waits for it.
pub struct HistoryThread(mpsc::Sender<Order>);

impl HistoryThread {
    /// Opens the user's history.
    pub fn open() -> HistoryThread {
        let (sender, orders) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("patchbay-history".to_owned())
            .spawn(move || {
                let mut history = History::open();
                while let Ok(order) = orders.recv() {
                    history.serve(order, &orders);
                }
            });
        if let Err(error) = thread {
            log(format_args!(
                "there is no history: no thread for it: {error}"
            ));
        }
        HistoryThread(sender)
    }

    /// Adds a cell before it runs.
    pub fn add(&self, line: u32, source: &str) {
        let source = source.to_owned();
        let _ = self.0.send(Order::Add(Addition::Cell { line, source }));
    }

    /// Notes the value of a cell's last expression.
    pub fn add_output(&self, line: u32, output: &str) {
        let output = output.to_owned();
        let _ = self.0.send(Order::Add(Addition::Output { line, output }));
    }

    /// The content of a `history_reply`: a `tail`, a `range` of one session, or a `search`.
    pub async fn answer(&self, request: Value) -> Value {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Order::Answer { request, answer });
        match tokio::time::timeout(ANSWER_PATIENCE, answered).await {
            Ok(Ok(content)) => content,
            _ => failed("the history does not answer"),
        }
    }

    /// Waits until what has been added is written.
    pub async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        let _ = self.0.send(Order::Settle { done });
        let _ = tokio::time::timeout(ANSWER_PATIENCE, settled).await;
    }
}

/// Returns an addition with those that come soon after it, and the order that somebody waits for, if that has ended them.
fn gather(first: Addition, orders: &mpsc::Receiver<Order>) -> (Vec<Addition>, Option<Order>) {
    let mut additions = vec![first];
    let begin = Instant::now();
    loop {
        let left = MOST_PAUSES.saturating_sub(begin.elapsed());
        match orders.recv_timeout(PAUSE.min(left)) {
            Ok(Order::Add(addition)) => additions.push(addition),
            Ok(order) => return (additions, Some(order)),
            Err(_) => return (additions, None),
        }
    }
}

fn failed(message: &str) -> Value {
    json!({
        "status": "error", "ename": "HistoryError", "evalue": message, "traceback": [], "history": [],
    })
}

/// The history of this session and of those before.
struct History {
    database: Connection,
    /// Known from the first cell on.
    session: Option<i64>,
}

impl History {
    /// Opens the user's history. Where that cannot be done, a history of this session alone.
    fn open() -> History {
        if let Some(path) = path() {
            match History::at(&path) {
                Ok(history) => return history,
                Err(error) => log(format_args!(
                    "the history is kept in memory only: {} cannot be used: {error:#}",
                    path.display()
                )),
            }
        }
        History {
            database: in_memory(),
            session: None,
        }
    }

    fn at(path: &Path) -> anyhow::Result<History> {
        let path = &private(path)?;
        let database = Connection::open(path)?;
        database.busy_timeout(PATIENCE)?;
        // The journal that works on network file systems, too. A file that another kernel has open with SQLite's
        // write-ahead log keeps that for now.
        let _ = database.pragma_update(None, "journal_mode", "DELETE");
        database.pragma_update(None, "synchronous", "NORMAL")?;
        database.execute_batch(TABLES)?;
        Ok(History {
            database,
            session: None,
        })
    }

    fn serve(&mut self, order: Order, orders: &mpsc::Receiver<Order>) {
        // Whoever has asked may have given up.
        match order {
            Order::Add(first) => {
                let (additions, next) = gather(first, orders);
                self.add(&additions);
                if let Some(order) = next {
                    self.serve(order, orders);
                }
            }
            Order::Answer { request, answer } => drop(answer.send(self.answer(&request))),
            Order::Settle { done } => drop(done.send(())),
        }
    }

    fn add(&mut self, additions: &[Addition]) {
        if let Err(error) = self.try_add(additions) {
            log(format_args!(
                "cells could not be added to the history: {error}"
            ));
        }
    }

    /// Adds all or, with an error, none.
    fn try_add(&mut self, additions: &[Addition]) -> rusqlite::Result<()> {
        // The lock is taken at once: whoever has read first cannot wait for another kernel that writes.
        let transaction = self
            .database
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let session = match self.session {
            Some(session) => session,
            None => {
                transaction.execute(
                    "INSERT INTO sessions (started) VALUES (datetime('now'))",
                    [],
                )?;
                transaction.last_insert_rowid()
            }
        };
        for addition in additions {
            match addition {
                Addition::Cell { line, source } => transaction.execute(
                    "INSERT OR REPLACE INTO history (session, line, source) VALUES (?, ?, ?)",
                    params![session, line, source],
                )?,
                Addition::Output { line, output } => transaction.execute(
                    "UPDATE history SET output = ? WHERE session = ? AND line = ?",
                    params![output, session, line],
                )?,
            };
        }
        transaction.commit()?;
        self.session = Some(session);
        Ok(())
    }

    fn answer(&self, request: &Value) -> Value {
        match self.entries(request) {
            Ok(entries) => json!({ "status": "ok", "history": entries }),
            Err(error) => failed(&error.to_string()),
        }
    }

    fn entries(&self, request: &Value) -> rusqlite::Result<Vec<Value>> {
        let with_output = request["output"].as_bool().unwrap_or(false);
        // Beyond what a database can hold, all are meant.
        let count = request["n"].as_i64().unwrap_or(i64::MAX).max(0);
        // As in IPython, a range of this session has the number by which it was asked for.
        let own =
            request["hist_access_type"] == "range" && request["session"].as_i64().unwrap_or(0) == 0;
        let entry = |row: &Row<'_>| entry(row, with_output, own);
        let mut found: Vec<Value> = match request["hist_access_type"].as_str() {
            Some("range") => {
                let session = self.session_of(request["session"].as_i64().unwrap_or(0))?;
                let first = request["start"].as_i64().unwrap_or(0);
                let end = request["stop"].as_i64().unwrap_or(i64::MAX);
                self.select(
                    "SELECT session, line, source, output FROM history
                     WHERE session = ? AND line >= ? AND line < ? ORDER BY line",
                    &[&session, &first, &end],
                    entry,
                )?
            }
            Some("search") => {
                let pattern = request["pattern"].as_str().unwrap_or("*");
                let unique = request["unique"].as_bool().unwrap_or(false);
                // Of equal cells the latest is found.
                let grouped = if unique { "GROUP BY source" } else { "GROUP BY session, line" };
                let query = format!(
                    "SELECT session, line, source, output, max(session * 4294967296 + line) AS at FROM history
                     WHERE source GLOB ? {grouped} ORDER BY at DESC LIMIT ?"
                );
                self.select(&query, &[&pattern, &count], entry)?
            }
            _ => self.select(
                "SELECT session, line, source, output FROM history ORDER BY session DESC, line DESC LIMIT ?",
                &[&count],
                entry,
            )?,
        };
        if request["hist_access_type"] != "range" {
            found.reverse();
        }
        Ok(found)
    }

    /// The number of a session that is counted from this one: 0 is this one, -1 the one before.
    fn session_of(&self, number: i64) -> rusqlite::Result<i64> {
        if number > 0 {
            return Ok(number);
        }
        if number == 0 {
            return Ok(self.session.unwrap_or(-1));
        }
        let found = self.database.query_row(
            "SELECT session FROM sessions WHERE session < ? ORDER BY session DESC LIMIT 1 OFFSET ?",
            params![self.session.unwrap_or(i64::MAX), -1 - number],
            |row| row.get(0),
        );
        Ok(found.optional()?.unwrap_or(-1))
    }

    fn select(
        &self,
        query: &str,
        parameters: &[&dyn ToSql],
        entry: impl FnMut(&Row<'_>) -> rusqlite::Result<Value>,
    ) -> rusqlite::Result<Vec<Value>> {
        let mut statement = self.database.prepare_cached(query)?;
        statement.query_map(parameters, entry)?.collect()
    }
}

fn entry(row: &Row<'_>, with_output: bool, own: bool) -> rusqlite::Result<Value> {
    let (session, line): (i64, i64) = (row.get(0)?, row.get(1)?);
    let session = if own { 0 } else { session };
    let source: String = row.get(2)?;
    let text = if with_output {
        json!([source, row.get::<_, Option<String>>(3)?])
    } else {
        json!(source)
    };
    Ok(json!([session, line, text]))
}

/// Where the user's history is; `None` where it is not to be kept, or there is no home folder.
fn path() -> Option<PathBuf> {
    if let Some(setting) = env::var_os(SETTING).filter(|setting| !setting.is_empty()) {
        return (setting != "off").then(|| setting.into());
    }
    let data = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".local/share")))?;
    Some(data.join("patchbay/history.sqlite"))
}

/// Makes a file that only this user can read, or takes the reading from others; returns where it is. SQLite gives its journal
/// the mode of the file.
fn private(path: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if let Some(folder) = path.parent() {
        patchbay_files::create_private_folders(folder)?;
    }
    // The user may keep it elsewhere, behind a link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = match patchbay_files::create_new(&path, 0o600) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            patchbay_files::open(&path)?
        }
        other => other?,
    };
    let metadata = file.metadata()?;
    if metadata.uid() == patchbay_files::user() && metadata.mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    // What is read beside it is a file, too.
    for suffix in ["-journal", "-wal", "-shm"] {
        let mut beside = path.clone().into_os_string();
        beside.push(suffix);
        match patchbay_files::open(Path::new(&beside)) {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                anyhow::bail!("{}: {error}", Path::new(&beside).display())
            }
            _ => {}
        }
    }
    Ok(path)
}

/// # Panics
///
/// Never: a database in memory needs no file, and the statements are constants.
fn in_memory() -> Connection {
    let database = Connection::open_in_memory().unwrap_or_else(|error| unreachable!("{error}"));
    database
        .execute_batch(TABLES)
        .unwrap_or_else(|error| unreachable!("{error}"));
    database
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(history: &History, request: Value) -> Vec<(i64, i64, Value)> {
        let answer = history.answer(&request);
        assert_eq!(answer["status"], "ok", "{answer}");
        let entries = answer["history"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| {
                (
                    entry[0].as_i64().unwrap(),
                    entry[1].as_i64().unwrap(),
                    entry[2].clone(),
                )
            })
            .collect()
    }

    fn cell(line: u32, source: &str) -> Addition {
        let source = source.to_owned();
        Addition::Cell { line, source }
    }

    fn output(line: u32, output: &str) -> Addition {
        let output = output.to_owned();
        Addition::Output { line, output }
    }

    #[test]
    fn what_comes_together_is_written_together_and_an_answer_ends_the_wait() {
        let (sender, orders) = mpsc::channel();
        for line in 2..100 {
            sender.send(Order::Add(cell(line, "1"))).unwrap();
        }
        let (done, _settled) = oneshot::channel();
        sender.send(Order::Settle { done }).unwrap();
        sender.send(Order::Add(cell(100, "1"))).unwrap();
        let (additions, next) = gather(cell(1, "1"), &orders);
        assert_eq!(additions.len(), 99);
        assert!(matches!(next, Some(Order::Settle { .. })));
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::at(&folder.path().join("history.sqlite")).unwrap();
        history.add(&additions);
        let all = json!({ "hist_access_type": "range", "session": 0 });
        assert_eq!(sources(&history, all).len(), 99);
    }

    #[test]
    fn cells_that_could_not_be_written_leave_no_session_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let mut history = History::at(&path).unwrap();
        history.database.busy_timeout(Duration::ZERO).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(history.try_add(&[cell(1, "lost")]).is_err());
        assert_eq!(history.session, None);
        other.execute_batch("ROLLBACK").unwrap();
        history.try_add(&[cell(2, "kept")]).unwrap();
        let all = json!({ "hist_access_type": "range", "session": 0 });
        assert_eq!(sources(&history, all), [(0, 2, json!("kept"))]);
    }

    #[test]
    fn sessions_follow_one_another_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/history.sqlite");
        let mut first = History::at(&path).unwrap();
        first.add(&[cell(1, "let a = 1;"), cell(2, "a + 1"), output(2, "2")]);
        let mut second = History::at(&path).unwrap();
        assert_eq!(
            sources(
                &second,
                json!({ "hist_access_type": "range", "session": 0 })
            ),
            []
        );
        second.add(&[cell(1, "a + 1")]);
        let range = |session: i64, start: i64, stop: i64| {
            json!({
                "hist_access_type": "range", "session": session, "start": start, "stop": stop, "output": true,
            })
        };
        assert_eq!(
            sources(&second, range(-1, 2, 3)),
            [(1, 2, json!(["a + 1", "2"]))]
        );
        assert_eq!(
            sources(&second, range(0, 1, 9)),
            [(0, 1, json!(["a + 1", null]))]
        );
        assert_eq!(sources(&second, range(-2, 0, 9)), []);
        assert_eq!(
            sources(&second, json!({ "hist_access_type": "tail", "n": 2 })),
            [(1, 2, json!("a + 1")), (2, 1, json!("a + 1"))]
        );
        let search = |pattern: &str, unique: bool| json!({ "hist_access_type": "search", "pattern": pattern, "unique": unique, "n": 10 });
        assert_eq!(sources(&second, search("a?+*", false)).len(), 2);
        assert_eq!(
            sources(&second, search("*a*", true)),
            [(1, 1, json!("let a = 1;")), (2, 1, json!("a + 1"))]
        );
        assert_eq!(sources(&second, search("b*", false)), []);
    }

    #[test]
    fn a_file_that_is_no_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        std::fs::write(
            &path,
            "some notes of the user's, longer than a header of a database",
        )
        .unwrap();
        assert!(History::at(&path).is_err());
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .starts_with("some notes")
        );
    }
}
