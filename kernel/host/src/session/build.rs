//! From a chunk to a compiled program: once, whoever asks for it.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::watch, task::AbortHandle};

use super::variables::is_plain;
use crate::{
    engine::{
        Engine,
        cache::{Cache, Record},
        compile::{Compilation, CompileError, Compiler},
        diagnostics::{self, Diagnostic},
        directive::Timing,
        parse::Chunk,
        plan::{self, Binding, Lessons, Level, Plan},
        program::Source,
    },
    workplace::Workplace,
};

/// How many times a chunk is compiled at most: each attempt but the last has taught something about
/// a variable.
const MOST_ATTEMPTS: usize = 12;

/// A chunk with all that decides its program.
pub struct Job {
    pub engine: Arc<Engine>,
    pub chunk: Arc<Chunk>,
    pub source: Source,
    pub level: Level,
    pub timing: Timing,
}

/// A chunk that compiled.
#[derive(Clone)]
pub struct Compiled {
    pub plan: Plan,
    pub library: PathBuf,
    pub record: Record,
    pub cached: bool,
}

/// A chunk that did not compile.
pub enum BuildError {
    /// The compiler could not do its work.
    NoCompiler(CompileError),
    /// What it needs was removed and cannot be put back.
    NoWorkplace(String),
    /// What the compiler says about the program.
    Rejected {
        plan: Box<Plan>,
        diagnostics: Vec<Diagnostic>,
        other_output: String,
    },
    /// The variables could not be sorted out.
    Unsettled,
    /// The compile was given up because of an interrupt.
    Abandoned,
}

type BuildResult = Arc<Result<(PathBuf, Record), BuildError>>;

/// Compiles chunks, keeps them in the cache, and never compiles one twice at a time.
pub struct Builder {
    pub compiler: Compiler,
    cache: Option<Cache>,
    workplace: Arc<Workplace>,
    /// How many libraries were made, for names that do not repeat.
    libraries: Arc<AtomicU64>,
    /// What the cache did not take, by key.
    local: Mutex<HashMap<String, (PathBuf, Record)>>,
    in_flight: Mutex<HashMap<String, InFlight>>,
}

struct InFlight {
    result: watch::Receiver<Option<BuildResult>>,
    task: AbortHandle,
}

impl Builder {
    pub fn new(compiler: Compiler, cache: Option<Cache>, workplace: Arc<Workplace>) -> Builder {
        Builder {
            compiler,
            cache,
            workplace,
            libraries: Arc::default(),
            local: Mutex::default(),
            in_flight: Mutex::default(),
        }
    }

    /// A builder in the same folder with another compiler.
    pub fn with_compiler(&self, compiler: Compiler) -> Builder {
        Builder {
            compiler,
            cache: self.cache.clone(),
            workplace: self.workplace.clone(),
            libraries: self.libraries.clone(),
            local: Mutex::default(),
            in_flight: Mutex::default(),
        }
    }

    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The folder for programs and libraries of this session.
    pub fn scratch(&self) -> &Path {
        self.workplace.path()
    }

    /// Calls the compiler for a program, after what it needs has been looked after.
    ///
    /// # Errors
    ///
    /// Says why the compiler could not do its work.
    pub async fn call_compiler(
        &self,
        plan: &Plan,
        output: &Path,
    ) -> Result<Compilation, BuildError> {
        if !self.compiler.sealed {
            self.workplace
                .restore()
                .map_err(|error| BuildError::NoWorkplace(format!("{error:#}")))?;
        }
        self.compiler
            .compile(plan, self.scratch(), output)
            .await
            .map_err(BuildError::NoCompiler)
    }

    /// A path for a new library.
    pub fn next_library(&self) -> PathBuf {
        let number = self.libraries.fetch_add(1, Ordering::Relaxed);
        self.scratch().join(format!("cell-{number}.so"))
    }

    /// Compiles a chunk, or finds it compiled. A compile that is under way is waited for.
    ///
    /// # Errors
    ///
    /// Says why the chunk does not compile.
    pub async fn build(
        self: &Arc<Self>,
        job: &Arc<Job>,
    ) -> Result<Compiled, Arc<Result<(PathBuf, Record), BuildError>>> {
        let lessons = predicted_lessons(job);
        let first = job.plan(&lessons);
        let key = Cache::key(&self.compiler, &first);
        if let Some((library, record)) = self.find(&key) {
            return Ok(self.compiled(job, library, record, true));
        }
        let mut result = self.start(&key, job, first, lessons);
        let done = match result.wait_for(Option::is_some).await {
            Ok(done) => done.clone(),
            Err(_) => None,
        };
        let done = done.unwrap_or_else(|| Arc::new(Err(BuildError::Abandoned)));
        match &*done {
            Ok((library, record)) => Ok(self.compiled(job, library.clone(), record.clone(), false)),
            Err(_) => Err(done),
        }
    }

    /// Gives up all compiles that are under way.
    pub fn abandon_all(&self) {
        for (_, build) in lock(&self.in_flight).drain() {
            build.task.abort();
        }
    }

    fn find(&self, key: &str) -> Option<(PathBuf, Record)> {
        let local = lock(&self.local).get(key).cloned();
        // A program with nothing to run has no library.
        let local = local.filter(|(library, record)| !record.has_library || library.is_file());
        local.or_else(|| self.cache.as_ref()?.get(key))
    }

    fn compiled(&self, job: &Job, library: PathBuf, record: Record, cached: bool) -> Compiled {
        let plan = job.plan(&record.lessons);
        // Two runs of a program with state of its own must not share it, and a path is loaded once.
        let library = match plan.has_state.then(|| self.copy(&library)).flatten() {
            Some(copy) => copy,
            None => library,
        };
        Compiled {
            plan,
            library,
            record,
            cached,
        }
    }

    fn copy(&self, library: &Path) -> Option<PathBuf> {
        // What cannot be put back is told by whoever compiles.
        let _ = self.workplace.restore();
        let copy = self.next_library();
        std::fs::copy(library, &copy).ok().map(|_| copy)
    }

    /// Starts a compile unless one of the same program is under way.
    fn start(
        self: &Arc<Self>,
        key: &str,
        job: &Arc<Job>,
        first: Plan,
        lessons: Lessons,
    ) -> watch::Receiver<Option<BuildResult>> {
        let mut in_flight = lock(&self.in_flight);
        if let Some(build) = in_flight.get(key) {
            return build.result.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let (builder, job, key_of_task) = (self.clone(), job.clone(), key.to_owned());
        let task = tokio::spawn(async move {
            let result = builder.compile(&key_of_task, &job, first, lessons).await;
            lock(&builder.in_flight).remove(&key_of_task);
            let _ = sender.send(Some(Arc::new(result)));
        });
        let build = InFlight {
            result: receiver.clone(),
            task: task.abort_handle(),
        };
        in_flight.insert(key.to_owned(), build);
        receiver
    }

    async fn compile(
        &self,
        key: &str,
        job: &Job,
        mut plan: Plan,
        mut lessons: Lessons,
    ) -> Result<(PathBuf, Record), BuildError> {
        for _ in 0..MOST_ATTEMPTS {
            let output = self.next_library();
            let file = plan.program.file_name();
            let compilation = self.call_compiler(&plan, &output).await?;
            if compilation.succeeded {
                let record = record(&plan, &compilation.diagnostics, &file, lessons);
                return Ok((self.keep(key, &plan, &output, &record), record));
            }
            let mut learned = false;
            for error in compilation
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
            {
                learned |= diagnostics::learn(error, &plan, &file, &mut lessons);
            }
            if !learned {
                return Err(BuildError::Rejected {
                    plan: Box::new(plan),
                    diagnostics: compilation.diagnostics,
                    other_output: compilation.other_output,
                });
            }
            plan = job.plan(&lessons);
        }
        Err(BuildError::Unsettled)
    }

    /// Puts a compiled chunk into the cache. Where that cannot be written, this session keeps it.
    fn keep(&self, key: &str, plan: &Plan, output: &Path, record: &Record) -> PathBuf {
        let library = (!plan.items_only).then_some(output);
        let kept = self
            .cache
            .as_ref()
            .and_then(|cache| cache.put(key, library, record.clone()).ok());
        match kept {
            Some(path) => {
                let _ = std::fs::remove_file(output);
                path
            }
            None => {
                lock(&self.local).insert(key.to_owned(), (output.to_path_buf(), record.clone()));
                output.to_path_buf()
            }
        }
    }
}

impl Job {
    fn plan(&self, lessons: &Lessons) -> Plan {
        plan::plan(
            &self.engine,
            &self.chunk,
            &self.source,
            lessons,
            self.level,
            self.timing,
        )
    }
}

/// What can be told without a compiler: a variable that is given away and defined anew will not be
/// put back (a wrong guess only means that it is lost if the cell panics), and a cell with raw
/// pointers is run in one piece, because between segments variables change their place.
fn predicted_lessons(job: &Job) -> Lessons {
    let statements = &job.chunk.statements;
    let defined: BTreeSet<&str> = statements
        .iter()
        .flat_map(|statement| &statement.defines)
        .map(|definition| definition.name.as_str())
        .collect();
    let is_moved = |name: &&String| {
        let variable = job.engine.variables.get(*name);
        defined.contains(name.as_str())
            && variable.is_some_and(|variable| !is_plain(&variable.type_text))
    };
    let moved = statements
        .iter()
        .flat_map(|statement| &statement.gives_away)
        .filter(is_moved)
        .map(|name| Binding {
            name: name.clone(),
            ordinal: 0,
        })
        .collect();
    let whole = statements
        .iter()
        .chain(&job.chunk.last)
        .any(|statement| statement.mentions.contains("unsafe"));
    Lessons {
        moved,
        whole,
        ..Lessons::default()
    }
}

/// What a successful compile has told.
fn record(plan: &Plan, diagnostics: &[Diagnostic], file: &str, lessons: Lessons) -> Record {
    let types = diagnostics
        .iter()
        .filter_map(|diagnostic| diagnostic.type_answer(plan, file))
        .collect();
    let warnings = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.level == "warning" && !diagnostic.spans.is_empty())
        .filter(|diagnostic| diagnostic.marks(plan, file).is_empty())
        .cloned()
        .collect();
    Record {
        has_library: !plan.items_only,
        types,
        lessons,
        warnings,
    }
}

/// A poisoned lock guards maps here, which are valid at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
