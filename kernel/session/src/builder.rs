//! From a chunk to a compiled program: once, whoever asks for it.

use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::watch, task::AbortHandle};

use patchbay_engine::{
    Engine,
    cache::{self, Cache, Record},
    compile::{Compilation, CompileError, Compiler},
    diagnostics::Diagnostic,
    directive::Timing,
    edits,
    learn::{self, Checked, Refused, Step},
    lessons::{Binding, Lessons},
    parse::{Chunk, ItemKey},
    plan::{self, Level, Plan},
    program::Source,
};
use patchbay_toolchain::workplace::Workplace;

/// How many times a chunk is compiled at most: each attempt but the last has taught something about
/// a variable.
const MOST_ATTEMPTS: usize = 12;

/// How many of them are left for the cell's text in one function with nothing stored, which rustc
/// accepts if it accepts the text.
const ATTEMPTS_WITH_NOTHING_STORED: usize = 4;

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
    /// Under which it was found, or will be.
    pub key: String,
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

    /// A builder with the same compiler and another cache.
    pub fn with_cache(&self, cache: Option<Cache>) -> Builder {
        Builder {
            cache,
            ..self.with_compiler(self.compiler.clone())
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
        let lessons = learn::predict(&job.chunk, &job.engine);
        let first = self.plan(job, &lessons);
        let key = Cache::key(&self.compiler, &first);
        if let Some((library, record)) = self.find(&key) {
            return Ok(self.compiled(job, key, library, record, true));
        }
        let done = loop {
            let (mut result, is_own) = self.start(&key, job, first.clone(), lessons.clone());
            let done = match result.wait_for(Option::is_some).await {
                Ok(done) => done.clone(),
                Err(_) => None,
            };
            let done = done.unwrap_or_else(|| Arc::new(Err(BuildError::Abandoned)));
            // Another job with the same program may have other items for its own: which of them can be left out, and
            // which cells the errors are in, is not the same.
            if is_own || !matches!(&*done, Err(BuildError::Rejected { .. })) {
                break done;
            }
        };
        match &*done {
            Ok((library, record)) => {
                Ok(self.compiled(job, key, library.clone(), record.clone(), false))
            }
            Err(_) => Err(done),
        }
    }

    /// Gives up all compiles that are under way.
    pub fn abandon_all(&self) {
        for (_, build) in self.in_flight.lock().drain() {
            build.task.abort();
        }
    }

    fn find(&self, key: &str) -> Option<(PathBuf, Record)> {
        let local = self.local.lock().get(key).cloned();
        // A program with nothing to run has no library.
        let local = local.filter(|(library, record)| !record.has_library || library.is_file());
        local
            .or_else(|| self.cache.as_ref()?.get(key))
            .filter(|(_, record)| self.compiler.sealed || record.is_current(&self.compiler.folder))
    }

    /// The program of a chunk. A crate that was asked for stands before a name of the prelude, unless the user has
    /// given the name to something else.
    fn plan(&self, job: &Job, lessons: &Lessons) -> Plan {
        let mut plan = job.plan(lessons);
        let items = job.engine.items.iter().map(|item| &*item.parsed);
        let taken: BTreeSet<&str> = items
            .chain(job.chunk.items.iter().map(|item| &**item))
            .flat_map(|item| &item.keys)
            .filter_map(|key| match key {
                ItemKey::Type(name) | ItemKey::Import(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        // At the end, where it moves nothing.
        for (name, _) in &self.compiler.bundle.externs {
            if plan.program.text.contains(name.as_str()) && !taken.contains(name.as_str()) {
                plan.program.generated(&format!("use ::{name};\n"));
            }
        }
        plan
    }

    fn compiled(
        &self,
        job: &Job,
        key: String,
        library: PathBuf,
        record: Record,
        cached: bool,
    ) -> Compiled {
        let plan = self.plan(job, &record.lessons);
        // Two runs of a program with state of its own must not share it, and a path is loaded once; a program that
        // includes a file is another one under the same path once the file has changed.
        let is_copied = plan.has_state || !record.files.is_empty();
        let library = match is_copied.then(|| self.copy(&library)).flatten() {
            Some(copy) => copy,
            None => library,
        };
        Compiled {
            plan,
            key,
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

    /// Starts a compile unless one of the same program is under way. Says whether it has.
    fn start(
        self: &Arc<Self>,
        key: &str,
        job: &Arc<Job>,
        first: Plan,
        lessons: Lessons,
    ) -> (watch::Receiver<Option<BuildResult>>, bool) {
        let mut in_flight = self.in_flight.lock();
        if let Some(build) = in_flight.get(key) {
            return (build.result.clone(), false);
        }
        let (sender, receiver) = watch::channel(None);
        let (builder, job, key_of_task) = (self.clone(), job.clone(), key.to_owned());
        let task = tokio::spawn(async move {
            let result = builder.compile(&key_of_task, &job, first, lessons).await;
            builder.in_flight.lock().remove(&key_of_task);
            let _ = sender.send(Some(Arc::new(result)));
        });
        let build = InFlight {
            result: receiver.clone(),
            task: task.abort_handle(),
        };
        in_flight.insert(key.to_owned(), build);
        (receiver, true)
    }

    async fn compile(
        &self,
        key: &str,
        job: &Job,
        mut plan: Plan,
        mut lessons: Lessons,
    ) -> Result<(PathBuf, Record), BuildError> {
        let mut checked = None;
        let mut programs = 0;
        let mut attempts = 0;
        while attempts < MOST_ATTEMPTS {
            let output = self.next_library();
            programs += 1;
            let compilation = self.call_compiler(&plan, &output).await?;
            if compilation.succeeded {
                let file = plan.program.file_name();
                let mut record = record(&plan, &compilation.diagnostics, &file, lessons, programs);
                record.files = compilation
                    .files
                    .into_iter()
                    .filter_map(|file| {
                        let digest = cache::digest_of_file(&self.compiler.folder.join(&file))?;
                        Some((file, digest))
                    })
                    .collect();
                return Ok((self.keep(key, &plan, &output, &record), record));
            }
            // Each time at least one item less is in the program.
            let file = plan.program.file_name();
            if let Some(broken) = edits::broken_items(&compilation.diagnostics, &plan, &file) {
                lessons.set_aside.extend(broken);
                plan = self.plan(job, &lessons);
                continue;
            }
            attempts += 1;
            let refused = Refusal {
                plan: &plan,
                compilation: &compilation,
            };
            let mut step = refused.of(job).learn(&mut lessons, checked.as_ref());
            if step == Step::CheckText {
                let before = lessons.clone();
                checked = Some(self.check_text(job, &mut lessons, &mut programs).await?);
                step = if lessons == before {
                    refused.of(job).learn(&mut lessons, checked.as_ref())
                } else {
                    Step::Again
                };
            }
            if step != Step::Again {
                return Err(rejected(plan, compilation));
            }
            if attempts + ATTEMPTS_WITH_NOTHING_STORED > MOST_ATTEMPTS {
                lessons.store_nothing(&job.chunk);
            }
            plan = self.plan(job, &lessons);
        }
        Err(BuildError::Unsettled)
    }

    /// Checks the cell's text alone: in one function, nothing stored.
    ///
    /// # Errors
    ///
    /// If it is refused, so is the cell, in rustc's words about the cell's own text.
    async fn check_text(
        &self,
        job: &Job,
        lessons: &mut Lessons,
        programs: &mut usize,
    ) -> Result<Checked, BuildError> {
        loop {
            *programs += 1;
            let plan = self.plan(job, &lessons.checking_text());
            let output = self.next_library();
            let compilation = self.call_compiler(&plan, &output).await?;
            if compilation.succeeded {
                let _ = std::fs::remove_file(&output);
                let types = types(&plan, &compilation.diagnostics, &plan.program.file_name());
                return Ok(Checked { types });
            }
            let refused = Refusal {
                plan: &plan,
                compilation: &compilation,
            };
            if !refused.of(job).learn_about_text(lessons) {
                return Err(rejected(plan, compilation));
            }
        }
    }

    /// Puts a compiled chunk into the cache. Where that cannot be written, this session keeps it.
    fn keep(&self, key: &str, plan: &Plan, output: &Path, record: &Record) -> PathBuf {
        let library = (!plan.items_only).then_some(output);
        if let Some(cache) = self.cache.as_ref().filter(|_| !record.files.is_empty()) {
            cache.remove(key);
        }
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
                self.local
                    .lock()
                    .insert(key.to_owned(), (output.to_path_buf(), record.clone()));
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

/// A program that was refused.
struct Refusal<'a> {
    plan: &'a Plan,
    compilation: &'a Compilation,
}

impl<'a> Refusal<'a> {
    fn of(&self, job: &'a Job) -> Refused<'a> {
        Refused {
            engine: &job.engine,
            chunk: &job.chunk,
            source: &job.source,
            plan: self.plan,
            file: self.plan.program.file_name(),
            errors: self
                .compilation
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
                .collect(),
        }
    }
}

fn rejected(plan: Plan, compilation: Compilation) -> BuildError {
    BuildError::Rejected {
        plan: Box::new(plan),
        diagnostics: compilation.diagnostics,
        other_output: compilation.other_output,
    }
}

fn types(plan: &Plan, diagnostics: &[Diagnostic], file: &str) -> Vec<(Binding, String)> {
    diagnostics
        .iter()
        .filter_map(|diagnostic| diagnostic.type_answer(plan, file))
        .collect()
}

/// What a successful compile has told.
fn record(
    plan: &Plan,
    diagnostics: &[Diagnostic],
    file: &str,
    lessons: Lessons,
    programs: usize,
) -> Record {
    let warnings = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.level == "warning" && !diagnostic.spans.is_empty())
        .filter(|diagnostic| diagnostic.marks(plan, file).is_empty())
        // The engine's own lines repeat the names of the cell's variables.
        .filter(|diagnostic| {
            diagnostic
                .ranges_in_program(file)
                .any(|range| plan.program.location(range).is_some())
        })
        // What is said of an earlier item was said when it was defined.
        .filter(|diagnostic| edits::is_own(diagnostic, plan, file))
        .cloned()
        .collect();
    Record {
        has_library: !plan.items_only,
        types: types(plan, diagnostics, file),
        lessons,
        warnings,
        programs,
        files: Vec::new(),
    }
}
