//! rust-analyzer over the package that stands for a notebook.
//!
//! The package depends on the SDK's sources; the program in its only file changes with every question.
//! Reference for the configuration: the language server's own defaults.

use std::{env, path::Path};

use anyhow::{Context, Result, anyhow};
use patchbay_evcxr_protocol::{Completion, Completions};
use ra_ap_hir::{ChangeWithProcMacros, PrefixKind};
use ra_ap_ide::{
    AnalysisHost, CompletionConfig, CompletionFieldsToResolve, CompletionItem, CompletionItemKind,
    FilePosition, FileRange, HoverConfig, HoverDocFormat, RaFixtureConfig, SubstTyLen, TextRange,
    TextSize,
};
use ra_ap_ide_db::{
    FxHashMap, SymbolKind,
    imports::insert_use::{ImportGranularity, InsertUseConfig},
};
use ra_ap_load_cargo::{LoadCargoConfig, ProcMacroServerChoice, load_workspace};
use ra_ap_paths::AbsPathBuf;
use ra_ap_vfs::{FileId, VfsPath};

use crate::project;

/// How much lower than the cells' priority rust-analyzer's is, when it starts by itself and when somebody
/// waits for it.
const NICE_IN_BACKGROUND: i32 = 15;
const NICE: i32 = 5;

/// The most completions of one answer.
const MOST_ITEMS: usize = 500;

/// A loaded package.
pub struct Analyzer {
    host: AnalysisHost,
    file: FileId,
    text: String,
}

impl Analyzer {
    /// Loads a package with its dependencies and the standard library's sources. All threads that this
    /// starts have a low priority, a very low one in the background, so that cells are not delayed.
    ///
    /// # Errors
    ///
    /// Fails where cargo cannot describe the package without a network.
    pub fn open(package: &Path, background: bool) -> Result<Analyzer> {
        // On Linux this is the priority of the calling thread and of those that it starts.
        let nice = if background { NICE_IN_BACKGROUND } else { NICE };
        let _ = rustix::process::setpriority_process(None, nice);
        let load = LoadCargoConfig {
            load_out_dirs_from_check: false,
            with_proc_macro_server: ProcMacroServerChoice::None,
            prefill_caches: false,
            num_worker_threads: 1,
            proc_macro_processes: 0,
        };
        let sysroot = env::var_os("RUSTUP_TOOLCHAIN").context("RUSTUP_TOOLCHAIN is not set")?;
        let workspace = project::load(package, Path::new(&sysroot))?;
        let (database, files, _) = load_workspace(workspace, &FxHashMap::default(), &load)
            .with_context(|| format!("{} cannot be loaded", package.display()))?;
        let source = AbsPathBuf::try_from(
            package
                .join("src/lib.rs")
                .to_str()
                .context("the package's path is not UTF-8")?,
        )
        .map_err(|path| anyhow!("{path} is not absolute"))?;
        let (file, _) = files
            .file_id(&VfsPath::from(source))
            .context("the package has no src/lib.rs")?;
        Ok(Analyzer {
            host: AnalysisHost::with_database(database),
            file,
            text: String::new(),
        })
    }

    fn set_text(&mut self, text: &str) {
        if self.text != text {
            text.clone_into(&mut self.text);
            let mut change = ChangeWithProcMacros::default();
            change.change_file(self.file, Some(self.text.clone()));
            self.host.apply_change(change);
        }
    }

    /// What can stand at a place, the most fitting first.
    ///
    /// # Errors
    ///
    /// Fails where the place is not in the text.
    pub fn complete(&mut self, text: &str, cursor: usize) -> Result<Completions> {
        self.set_text(text);
        let position = FilePosition {
            file_id: self.file,
            offset: TextSize::try_from(cursor)?,
        };
        let found = self
            .host
            .analysis()
            .completions(&completion_config(), position, None)
            .map_err(|_| anyhow!("the question was given up"))?
            .unwrap_or_default();
        let mut completions = Completions {
            start: cursor,
            end: cursor,
            items: Vec::new(),
        };
        let mut fitting: Vec<(&CompletionItem, Completion)> = Vec::new();
        for item in &found {
            let Some(replaced) = text.get(std::ops::Range::<usize>::from(item.source_range)) else {
                continue;
            };
            let mut edits = item.text_edit.iter();
            let (Some(edit), None) = (edits.next(), edits.next()) else {
                continue;
            };
            // A completion that changes more than the word at the cursor cannot be told to Jupyter.
            if item.is_snippet
                || edit.delete != item.source_range
                || !item.lookup().starts_with(replaced)
            {
                continue;
            }
            completions.start = item.source_range.start().into();
            completions.end = item.source_range.end().into();
            fitting.push((
                item,
                Completion {
                    text: edit.insert.clone(),
                    kind: kind(item.kind).to_owned(),
                    signature: item.detail.clone().unwrap_or_default(),
                },
            ));
        }
        fitting.sort_by(|(one, _), (other, _)| {
            let score = |item: &CompletionItem| std::cmp::Reverse(item.relevance.score());
            score(one)
                .cmp(&score(other))
                .then_with(|| one.lookup().cmp(other.lookup()))
        });
        completions.items = fitting
            .into_iter()
            .map(|(_, completion)| completion)
            .collect();
        completions.items.dedup();
        completions.items.truncate(MOST_ITEMS);
        Ok(completions)
    }

    /// What is known about the name at a place, as Markdown.
    ///
    /// # Errors
    ///
    /// Fails where the place is not in the text.
    pub fn inspect(&mut self, text: &str, cursor: usize) -> Result<Option<String>> {
        self.set_text(text);
        let range = FileRange {
            file_id: self.file,
            range: TextRange::empty(TextSize::try_from(cursor)?),
        };
        let config = HoverConfig {
            links_in_hover: false,
            memory_layout: None,
            documentation: true,
            keywords: true,
            format: HoverDocFormat::Markdown,
            max_trait_assoc_items_count: Some(10),
            max_fields_count: Some(10),
            max_enum_variants_count: Some(10),
            max_subst_ty_len: SubstTyLen::Unlimited,
            show_drop_glue: false,
            ra_fixture: RaFixtureConfig::default(),
        };
        let found = self
            .host
            .analysis()
            .hover(&config, range)
            .map_err(|_| anyhow!("the question was given up"))?;
        Ok(found.map(|found| found.info.markup.as_str().to_owned()))
    }
}

fn completion_config() -> CompletionConfig<'static> {
    CompletionConfig {
        enable_postfix_completions: false,
        snippet_cap: None,
        enable_imports_on_the_fly: false,
        enable_self_on_the_fly: true,
        enable_private_editable: true,
        prefer_no_std: false,
        full_function_signatures: true,
        snippets: Vec::new(),
        insert_use: InsertUseConfig {
            prefix_kind: PrefixKind::ByCrate,
            group: false,
            granularity: ImportGranularity::Item,
            enforce_granularity: false,
            skip_glob_imports: false,
        },
        callable: None,
        limit: None,
        prefer_prelude: true,
        enable_term_search: false,
        term_search_fuel: 0,
        prefer_absolute: false,
        add_semicolon_to_unit: false,
        fields_to_resolve: CompletionFieldsToResolve::empty(),
        exclude_flyimport: Vec::new(),
        exclude_traits: &[],
        enable_auto_iter: false,
        enable_auto_await: false,
        ra_fixture: RaFixtureConfig::default(),
        add_colons_to_module: false,
    }
}

/// The kind by which JupyterLab chooses an icon.
fn kind(kind: CompletionItemKind) -> &'static str {
    match kind {
        CompletionItemKind::SymbolKind(kind) => match kind {
            SymbolKind::Function
            | SymbolKind::Method
            | SymbolKind::Macro
            | SymbolKind::ProcMacro
            | SymbolKind::Derive => "function",
            SymbolKind::Struct
            | SymbolKind::Enum
            | SymbolKind::Union
            | SymbolKind::Trait
            | SymbolKind::TypeAlias
            | SymbolKind::TypeParam
            | SymbolKind::SelfType => "class",
            SymbolKind::Module | SymbolKind::CrateRoot | SymbolKind::ToolModule => "module",
            SymbolKind::Field => "property",
            _ => "instance",
        },
        CompletionItemKind::BuiltinType => "class",
        CompletionItemKind::Keyword => "keyword",
        _ => "instance",
    }
}
