//! Reading a chunk of Rust: items, statements, the final expression.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Block, Expr, ExprForLoop, ExprLoop, ExprWhile, ImplItem, Item, Pat, Stmt,
    parse::Parser,
    visit::{self, Visit},
};

pub use super::chunk::{Chunk, Definition, ItemKey, ParsedItem, Statement};
use super::{
    chunk::Insertion,
    imports::flatten,
    items::{Shape, attributes, macros},
    lessons::Lessons,
    names::{self, mentions},
    spans::range,
};

/// Parses a chunk; `makes_items` says of macros of earlier cells whether calls of them make items.
///
/// # Errors
///
/// Returns syn's error. The caller lets rustc explain it: its words are better.
pub fn parse_with(source: &str, makes_items: &dyn Fn(&str) -> bool) -> syn::Result<Chunk> {
    let (attributes, statements) = attributes::parse.parse_str(source)?;
    let mut chunk = Chunk::default();
    attributes::note(&attributes, &mut chunk);
    let statements = macros::with_items(statements, makes_items);
    let count = statements.len();
    for (index, statement) in statements.into_iter().enumerate() {
        let is_last = index + 1 == count;
        match &statement {
            Stmt::Item(item) => {
                let mut items = Vec::new();
                parse_item(item, &mut items);
                chunk.items.extend(items.into_iter().map(Arc::new));
            }
            Stmt::Expr(_, None) if is_last => {
                chunk.last = Some(parse_statement(&statement, &mut chunk.awaits));
            }
            Stmt::Macro(call) if is_last && call.semi_token.is_none() => {
                chunk.last = Some(parse_statement(&statement, &mut chunk.awaits));
            }
            _ => chunk
                .statements
                .push(parse_statement(&statement, &mut chunk.awaits)),
        }
    }
    for item in chunk.items.iter_mut().filter_map(Arc::get_mut) {
        item.shape.lint_levels.clone_from(&chunk.lint_levels);
    }
    // All positions are plain numbers by now; the source text that the spans refer to can go.
    proc_macro2::extra::invalidate_current_thread_spans();
    Ok(chunk)
}

/// Returns a text that does not parse as one statement: it runs as it stands if the compiler accepts it,
/// and defines nothing for later cells. `None` where it is not even made of tokens.
pub fn one_statement(source: &str) -> Option<Chunk> {
    let tokens: TokenStream = source.parse().ok()?;
    let statement = Statement {
        range: 0..source.len(),
        mentions: mentions(tokens),
        defines: Vec::new(),
        loop_bodies: Vec::new(),
        questions: Vec::new(),
        repeats: true,
        is_let: false,
        is_constant: false,
        is_closure: false,
        is_moving: false,
        is_macro: false,
        macro_names: Vec::new(),
        captures: true,
        returns: Vec::new(),
        gives_away: BTreeSet::new(),
        assigns: BTreeSet::new(),
    };
    proc_macro2::extra::invalidate_current_thread_spans();
    Some(Chunk {
        statements: vec![statement],
        is_unparsed: true,
        ..Chunk::default()
    })
}

fn parse_statement(tree: &Stmt, awaits: &mut bool) -> Statement {
    let mut survey = Survey::default();
    survey.visit_stmt(tree);
    *awaits |= survey.awaits;
    let mut defines = Vec::new();
    let mut mentioned = BTreeSet::new();
    if let Stmt::Local(local) = tree {
        collect_pattern(&local.pat, &mut defines);
        if let Some(init) = &local.init {
            given_away(&init.expr, &mut survey.gives_away);
            names::collect(init.expr.to_token_stream(), &mut mentioned);
            if let Some((_, diverging)) = &init.diverge {
                names::collect(diverging.to_token_stream(), &mut mentioned);
            }
        }
        // What the pattern binds is not a use of an earlier variable of that name.
        let mut pattern = mentions(local.pat.to_token_stream());
        pattern.retain(|name| !defines.iter().any(|definition| definition.name == *name));
        mentioned.append(&mut pattern);
    } else {
        names::collect(tree.to_token_stream(), &mut mentioned);
    }
    Statement {
        range: range(tree),
        mentions: mentioned,
        defines,
        loop_bodies: survey.loop_bodies,
        questions: survey.questions,
        repeats: survey.repeats,
        is_let: matches!(tree, Stmt::Local(_)),
        is_constant: is_constant(tree),
        is_closure: closure(tree).is_some(),
        is_moving: closure(tree) == Some(Capture::Move),
        is_macro: matches!(tree, Stmt::Macro(_)),
        macro_names: macro_names(tree),
        captures: survey.captures,
        returns: survey.returns,
        gives_away: survey.gives_away,
        assigns: survey.assigns,
    }
}

/// Whether a statement only gives a name to a literal, or to nothing yet.
fn is_constant(tree: &Stmt) -> bool {
    let Stmt::Local(local) = tree else {
        return false;
    };
    match &local.init {
        Some(init) => match &*init.expr {
            Expr::Lit(_) => true,
            Expr::Unary(unary) => matches!(*unary.expr, Expr::Lit(_)),
            _ => false,
        },
        None => true,
    }
}

/// The identifiers that the call of a macro of the user's is made of, outside of brackets within it.
fn macro_names(tree: &Stmt) -> Vec<String> {
    const OF_STD: [&str; 16] = [
        "assert",
        "assert_eq",
        "assert_ne",
        "debug_assert",
        "debug_assert_eq",
        "debug_assert_ne",
        "dbg",
        "eprint",
        "eprintln",
        "panic",
        "print",
        "println",
        "todo",
        "unimplemented",
        "unreachable",
        "writeln",
    ];
    let Stmt::Macro(call) = tree else {
        return Vec::new();
    };
    let name = call
        .mac
        .path
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    if name.is_none_or(|name| OF_STD.contains(&name.as_str())) {
        return Vec::new();
    }
    call.mac
        .tokens
        .clone()
        .into_iter()
        .filter_map(|tree| match tree {
            TokenTree::Ident(ident) => Some(ident.to_string()),
            _ => None,
        })
        .filter(|name| name.starts_with(|first: char| first == '_' || first.is_lowercase()))
        .filter(|name| syn::parse_str::<syn::Ident>(name).is_ok())
        .collect()
}

/// How a closure captures.
#[derive(PartialEq, Eq)]
enum Capture {
    AsNeeded,
    Move,
}

/// How the closure or async block captures that a statement gives a name to, without a type; `None` for
/// other statements.
fn closure(tree: &Stmt) -> Option<Capture> {
    fn of(value: &Expr) -> Option<Capture> {
        let moves = match value {
            Expr::Closure(closure) => closure.capture.is_some(),
            Expr::Async(block) => block.capture.is_some(),
            Expr::Paren(inner) => return of(&inner.expr),
            _ => return None,
        };
        Some(if moves {
            Capture::Move
        } else {
            Capture::AsNeeded
        })
    }
    let Stmt::Local(local) = tree else {
        return None;
    };
    let init = local.init.as_ref()?;
    matches!(local.pat, Pat::Ident(_))
        .then(|| of(&init.expr))
        .flatten()
}

/// What a look at a syntax tree finds.
#[derive(Default)]
struct Survey {
    loop_bodies: Vec<usize>,
    questions: Vec<Range<usize>>,
    repeats: bool,
    awaits: bool,
    gives_away: BTreeSet<String>,
    assigns: BTreeSet<String>,
    captures: bool,
    returns: Vec<Insertion>,
    /// The depth of functions, closures and async blocks around the current place.
    nested: usize,
    /// Whether the current function is one in which no call can be inserted.
    constant: bool,
}

/// Methods that run a closure once per element.
const ITERATOR_METHODS: [&str; 12] = [
    "iter",
    "into_iter",
    "iter_mut",
    "map",
    "filter",
    "fold",
    "for_each",
    "sum",
    "product",
    "collect",
    "sort_by",
    "chunks",
];

impl Survey {
    fn enter_loop(&mut self, body: &Block, always: bool) {
        self.repeats = true;
        // A check in an innermost loop of plain arithmetic would keep it from being vectorized;
        // such a loop is left alone, whatever is around it has the check.
        if !self.constant && (always || calls_something(body)) {
            self.loop_bodies
                .push(body.brace_token.span.open().byte_range().end);
        }
    }

    fn nest(&mut self, visit: impl FnOnce(&mut Self)) {
        self.nested += 1;
        visit(self);
        self.nested -= 1;
    }
}

impl<'ast> Visit<'ast> for Survey {
    fn visit_expr_for_loop(&mut self, node: &'ast ExprForLoop) {
        self.enter_loop(&node.body, false);
        given_away(&node.expr, &mut self.gives_away);
        visit::visit_expr_for_loop(self, node);
    }

    fn visit_expr_while(&mut self, node: &'ast ExprWhile) {
        self.enter_loop(&node.body, true);
        visit::visit_expr_while(self, node);
    }

    fn visit_expr_loop(&mut self, node: &'ast ExprLoop) {
        self.enter_loop(&node.body, true);
        visit::visit_expr_loop(self, node);
    }

    fn visit_expr_assign(&mut self, node: &'ast syn::ExprAssign) {
        given_away(&node.left, &mut self.assigns);
        visit::visit_expr_assign(self, node);
    }

    fn visit_expr_call(&mut self, node: &'ast syn::ExprCall) {
        for argument in &node.args {
            given_away(argument, &mut self.gives_away);
        }
        visit::visit_expr_call(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        self.repeats |= ITERATOR_METHODS.iter().any(|name| node.method == name);
        for argument in &node.args {
            given_away(argument, &mut self.gives_away);
        }
        visit::visit_expr_method_call(self, node);
    }

    fn visit_expr_try(&mut self, node: &'ast syn::ExprTry) {
        if self.nested > 0 && !self.constant {
            self.questions.push(range(&node.expr));
        }
        visit::visit_expr_try(self, node);
    }

    fn visit_expr_await(&mut self, node: &'ast syn::ExprAwait) {
        self.awaits |= self.nested == 0;
        visit::visit_expr_await(self, node);
    }

    fn visit_expr_async(&mut self, node: &'ast syn::ExprAsync) {
        self.nest(|this| visit::visit_expr_async(this, node));
    }

    fn visit_expr_reference(&mut self, node: &'ast syn::ExprReference) {
        self.captures = true;
        visit::visit_expr_reference(self, node);
    }

    fn visit_expr_return(&mut self, node: &'ast syn::ExprReturn) {
        if self.nested == 0 {
            self.return_from_cell(node);
        }
        visit::visit_expr_return(self, node);
    }

    fn visit_expr_closure(&mut self, node: &'ast syn::ExprClosure) {
        self.captures = true;
        self.nest(|this| visit::visit_expr_closure(this, node));
    }

    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        self.in_constant(true, |this| visit::visit_item_const(this, node));
    }

    fn visit_item_static(&mut self, node: &'ast syn::ItemStatic) {
        self.in_constant(true, |this| visit::visit_item_static(this, node));
    }

    fn visit_expr_const(&mut self, node: &'ast syn::ExprConst) {
        self.in_constant(true, |this| visit::visit_expr_const(this, node));
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        let is_recursive =
            mentions(node.block.to_token_stream()).contains(&node.sig.ident.to_string());
        self.repeats |= is_recursive;
        let begins_with_attributes = node
            .attrs
            .iter()
            .any(|attribute| matches!(attribute.style, syn::AttrStyle::Inner(_)));
        self.in_constant(is_const(&node.sig), |this| {
            // A recursion is a loop of another form.
            if is_recursive && !this.constant && !begins_with_attributes {
                this.loop_bodies
                    .push(node.block.brace_token.span.open().byte_range().end);
            }
            this.nest(|this| visit::visit_item_fn(this, node));
        });
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.in_constant(is_const(&node.sig), |this| {
            this.nest(|this| visit::visit_impl_item_fn(this, node));
        });
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        self.in_constant(is_const(&node.sig), |this| {
            this.nest(|this| visit::visit_trait_item_fn(this, node));
        });
    }
}

impl Survey {
    /// Makes a `return` of the cell return what a segment returns.
    fn return_from_cell(&mut self, node: &syn::ExprReturn) {
        let keyword = node.return_token.span.byte_range().end;
        let Some(value) = &node.expr else {
            self.insert(keyword, " ::core::result::Result::Ok(())");
            return;
        };
        let Expr::Call(call) = &**value else {
            self.insert(keyword, " ::patchbay::returns::value(");
            self.insert(range(value).end, ")");
            return;
        };
        let function = match &*call.func {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        match (function.as_deref(), call.args.first()) {
            (Some("Ok"), Some(_)) => {}
            // `into` takes its type from what is returned.
            (Some("Err"), Some(Expr::MethodCall(method))) if method.method == "into" => {}
            (Some("Err"), Some(error)) => {
                let error = range(error);
                self.insert(error.start, "::patchbay::cell::CellError::from(");
                self.insert(error.end, ")");
            }
            _ => {
                self.insert(keyword, " ::patchbay::returns::value(");
                self.insert(range(value).end, ")");
            }
        }
    }

    fn insert(&mut self, position: usize, text: &'static str) {
        self.returns.push(Insertion { position, text });
    }

    fn in_constant(&mut self, constant: bool, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.constant, constant);
        visit(self);
        self.constant = before;
    }
}

/// Whether no interruption check fits into a function: it is `const`, or has a foreign ABI through
/// which nothing may unwind.
fn is_const(signature: &syn::Signature) -> bool {
    signature.constness.is_some() || signature.abi.is_some()
}

/// Whether a block has a call, a macro or another loop in it.
fn calls_something(block: &Block) -> bool {
    #[derive(Default)]
    struct Calls(bool);
    impl<'ast> Visit<'ast> for Calls {
        fn visit_expr(&mut self, node: &'ast Expr) {
            self.0 |= matches!(
                node,
                Expr::Call(_)
                    | Expr::MethodCall(_)
                    | Expr::Macro(_)
                    | Expr::ForLoop(_)
                    | Expr::While(_)
                    | Expr::Loop(_)
            );
            visit::visit_expr(self, node);
        }
        fn visit_stmt_macro(&mut self, _: &'ast syn::StmtMacro) {
            self.0 = true;
        }
    }
    let mut calls = Calls::default();
    calls.visit_block(block);
    calls.0
}

/// Adds the variable that an operand position takes by value, if the operand is just a name.
fn given_away(operand: &Expr, names: &mut BTreeSet<String>) {
    match operand {
        Expr::Path(path) => {
            if let Some(ident) = path.path.get_ident() {
                names.insert(ident.to_string());
            }
        }
        Expr::Paren(inner) => given_away(&inner.expr, names),
        Expr::Tuple(tuple) => tuple
            .elems
            .iter()
            .for_each(|element| given_away(element, names)),
        Expr::Array(array) => array
            .elems
            .iter()
            .for_each(|element| given_away(element, names)),
        Expr::Struct(literal) => {
            literal
                .fields
                .iter()
                .for_each(|field| given_away(&field.expr, names));
        }
        _ => {}
    }
}

/// The variables that a pattern binds.
fn collect_pattern(pattern: &Pat, definitions: &mut Vec<Definition>) {
    struct Bindings<'a>(&'a mut Vec<Definition>, bool);
    impl<'ast> Visit<'ast> for Bindings<'_> {
        fn visit_pat_ident(&mut self, node: &'ast syn::PatIdent) {
            let name = node.ident.to_string();
            // A capitalized name without a sub-pattern is a constant or a unit variant.
            let constant = !self.1 && node.subpat.is_none() && name.starts_with(char::is_uppercase);
            if !constant && !self.0.iter().any(|known| known.name == name) {
                self.0.push(Definition {
                    name,
                    mutable: node.mutability.is_some(),
                });
            }
            visit::visit_pat_ident(self, node);
        }
        // Expressions in patterns (constants, ranges) bind nothing.
        fn visit_expr(&mut self, _: &'ast Expr) {}
    }
    // `let N = 4;` is a variable; a constant alone would be a pattern that matches one value.
    let is_name = match pattern {
        Pat::Type(typed) => matches!(*typed.pat, Pat::Ident(_)),
        other => matches!(other, Pat::Ident(_)),
    };
    Bindings(definitions, is_name).visit_pat(pattern);
}

fn parse_item(item: &Item, items: &mut Vec<ParsedItem>) {
    if attributes::is_left_out(item_attributes(item)) {
        return;
    }
    let tokens = item.to_token_stream();
    let mut survey = Survey::default();
    survey.visit_item(item);
    let mut parsed = ParsedItem {
        range: range(item),
        keys: Vec::new(),
        provides: BTreeSet::new(),
        belongs_to: None,
        mentions: mentions(tokens),
        loop_bodies: survey.loop_bodies,
        questions: survey.questions,
        repeats: survey.repeats,
        is_type: false,
        has_state: false,
        replacement: None,
        always: false,
        private_types: Vec::new(),
        shape: Shape::of(item),
    };
    match item {
        Item::Use(import) => {
            parse_import(import, &parsed, items);
            return;
        }
        Item::Struct(node) => {
            parsed.define_type(&node.ident);
            if !matches!(node.fields, syn::Fields::Named(_)) {
                parsed.keys.push(ItemKey::Value(node.ident.to_string()));
            }
        }
        Item::Enum(node) => {
            parsed.define_type(&node.ident);
            // A glob import makes them names of their own.
            let variants = node
                .variants
                .iter()
                .map(|variant| variant.ident.to_string());
            parsed.provides.extend(variants);
        }
        Item::Union(node) => parsed.define_type(&node.ident),
        Item::Type(node) => parsed.define_type(&node.ident),
        Item::Trait(node) => {
            parsed.define_type(&node.ident);
            parsed
                .provides
                .extend(node.items.iter().filter_map(trait_member));
        }
        Item::TraitAlias(node) => parsed.define_type(&node.ident),
        Item::Mod(node) => {
            parsed.define_type(&node.ident);
            if let Some((_, content)) = &node.content {
                let mut inner = Vec::new();
                content.iter().for_each(|item| parse_item(item, &mut inner));
                parsed.has_state = inner.iter().any(|item| item.has_state);
                parsed.private_types = content.iter().filter_map(private_type).collect();
                let deeper = inner.iter().flat_map(|item| &item.private_types);
                parsed.private_types.extend(deeper);
                parsed.private_types.sort_unstable();
                // Methods of the module's traits are reached without naming the module.
                let reached = inner.iter().filter(|item| !item.always);
                parsed
                    .provides
                    .extend(reached.flat_map(|item| item.provides.iter().cloned()));
            }
        }
        Item::Fn(node) => parsed.define_value(&node.sig.ident),
        Item::Const(node) => parsed.define_value(&node.ident),
        // It has one life in a session, in whichever programs it stands.
        Item::Static(node) => parsed.define_value(&node.ident),
        Item::Macro(node) => match &node.ident {
            Some(ident) => {
                parsed.keys.push(ItemKey::Macro(ident.to_string()));
                parsed.provides.insert(ident.to_string());
            }
            None => {
                // The statics that a macro makes in a way of its own begin anew with each program.
                parsed.has_state = parsed.shape.statics.is_empty();
                parsed.is_type = true;
                let (types, values) = macros::defined_names(node.mac.tokens.clone());
                parsed.provides = match types.is_empty() && values.is_empty() {
                    true => macros::possible_names(&parsed.mentions),
                    false => types.union(&values).cloned().collect(),
                };
                parsed.keys.extend(types.into_iter().map(ItemKey::Type));
                parsed.keys.extend(values.into_iter().map(ItemKey::Value));
                if parsed.keys.is_empty() {
                    parsed
                        .keys
                        .push(ItemKey::Impl(item.to_token_stream().to_string()));
                }
            }
        },
        Item::Impl(node) => parsed.define_impl(node),
        Item::ExternCrate(node) => {
            parsed.keys.push(ItemKey::Import(node.ident.to_string()));
            parsed.always = true;
        }
        other => {
            parsed.provides = parsed.mentions.clone();
            parsed
                .keys
                .push(ItemKey::Impl(other.to_token_stream().to_string()));
        }
    }
    items.push(parsed);
}

/// The position of the keyword of a type or module that is private to its module.
fn private_type(item: &Item) -> Option<usize> {
    let (visibility, keyword) = match item {
        Item::Struct(node) => (&node.vis, node.struct_token.span),
        Item::Enum(node) => (&node.vis, node.enum_token.span),
        Item::Union(node) => (&node.vis, node.union_token.span),
        Item::Mod(node) => (&node.vis, node.mod_token.span),
        _ => return None,
    };
    matches!(visibility, syn::Visibility::Inherited).then(|| keyword.byte_range().start)
}

impl ParsedItem {
    /// The name of a `macro_rules`.
    pub fn macro_name(&self) -> Option<&str> {
        self.keys.iter().find_map(|key| match key {
            ItemKey::Macro(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it is a macro whose body names variables.
    pub fn is_local_macro(&self, lessons: &Lessons) -> bool {
        self.macro_name()
            .is_some_and(|name| lessons.local_macros.contains(name))
    }

    fn define_type(&mut self, ident: &syn::Ident) {
        self.is_type = true;
        self.keys.push(ItemKey::Type(ident.to_string()));
        self.provides.insert(ident.to_string());
    }

    fn define_value(&mut self, ident: &syn::Ident) {
        self.keys.push(ItemKey::Value(ident.to_string()));
        self.provides.insert(ident.to_string());
    }

    fn define_impl(&mut self, node: &syn::ItemImpl) {
        let self_type = &node.self_ty;
        let mut header = mentions(self_type.to_token_stream());
        // What the parameters are called makes no difference.
        let parameters: Vec<String> = node
            .generics
            .params
            .iter()
            .map(|parameter| match parameter {
                syn::GenericParam::Lifetime(node) => node.lifetime.ident.to_string(),
                syn::GenericParam::Type(node) => node.ident.to_string(),
                syn::GenericParam::Const(node) => node.ident.to_string(),
            })
            .collect();
        let text = |tokens: TokenStream| {
            let mut text = String::new();
            names::write_with(tokens, &mut text, &|name| {
                let position = parameters.iter().position(|parameter| parameter == name)?;
                Some(format!("${position}"))
            });
            text
        };
        let header_text = match &node.trait_ {
            Some((path, _)) => {
                header.extend(mentions(path.to_token_stream()));
                format!(
                    "{} for {}",
                    text(path.to_token_stream()),
                    text(self_type.to_token_stream())
                )
            }
            None => text(self_type.to_token_stream()),
        };
        header.retain(|name| !parameters.contains(name));
        // What is defined for `Door<Closed>` is found by `Door::new()`, too.
        if node.trait_.is_none()
            && let syn::Type::Path(path) = &**self_type
        {
            header = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
        }
        if node.trait_.is_some() {
            self.keys.push(ItemKey::Impl(header_text));
        } else {
            self.keys.extend(
                node.items
                    .iter()
                    .filter_map(impl_member)
                    .map(|name| ItemKey::Inherent(header_text.clone(), name)),
            );
        }
        self.belongs_to = Some(header);
    }
}

fn trait_member(item: &syn::TraitItem) -> Option<String> {
    match item {
        syn::TraitItem::Fn(node) => Some(node.sig.ident.to_string()),
        syn::TraitItem::Const(node) => Some(node.ident.to_string()),
        syn::TraitItem::Type(node) => Some(node.ident.to_string()),
        _ => None,
    }
}

fn impl_member(item: &ImplItem) -> Option<String> {
    match item {
        ImplItem::Fn(node) => Some(node.sig.ident.to_string()),
        ImplItem::Const(node) => Some(node.ident.to_string()),
        ImplItem::Type(node) => Some(node.ident.to_string()),
        _ => None,
    }
}

/// Splits an import into its leaves, so that a later definition can replace one of them.
fn parse_import(import: &syn::ItemUse, whole: &ParsedItem, items: &mut Vec<ParsedItem>) {
    let attributes: String = import
        .attrs
        .iter()
        .map(|attribute| format!("{} ", attribute.to_token_stream()))
        .collect();
    let visibility = import.vis.to_token_stream();
    let leading = import.leading_colon.to_token_stream();
    let mut leaves = Vec::new();
    flatten(&import.tree, String::new(), &mut leaves);
    let single = leaves.len() == 1;
    for leaf in leaves {
        let mut names = BTreeSet::new();
        names.extend(leaf.path.split("::").map(|part| part.trim().to_owned()));
        items.push(ParsedItem {
            range: whole.range.clone(),
            keys: vec![ItemKey::Import(
                leaf.bound.clone().unwrap_or_else(|| leaf.text.clone()),
            )],
            provides: leaf.bound.into_iter().collect(),
            belongs_to: None,
            mentions: names,
            loop_bodies: Vec::new(),
            questions: Vec::new(),
            repeats: false,
            is_type: false,
            has_state: false,
            replacement: (!single).then(|| {
                let import = format!("{visibility} use {leading}{};", leaf.text);
                format!("{attributes}{}", import.trim_start())
            }),
            always: true,
            private_types: Vec::new(),
            shape: Shape {
                title: format!("`use {leading}{}`", leaf.text),
                import: Some(format!("{leading}{}", leaf.text)),
                ..Shape::default()
            },
        });
    }
}

fn item_attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Const(node) => &node.attrs,
        Item::Enum(node) => &node.attrs,
        Item::ExternCrate(node) => &node.attrs,
        Item::Fn(node) => &node.attrs,
        Item::ForeignMod(node) => &node.attrs,
        Item::Impl(node) => &node.attrs,
        Item::Macro(node) => &node.attrs,
        Item::Mod(node) => &node.attrs,
        Item::Static(node) => &node.attrs,
        Item::Struct(node) => &node.attrs,
        Item::Trait(node) => &node.attrs,
        Item::TraitAlias(node) => &node.attrs,
        Item::Type(node) => &node.attrs,
        Item::Union(node) => &node.attrs,
        Item::Use(node) => &node.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> syn::Result<Chunk> {
        parse_with(source, &|_| false)
    }

    #[test]
    fn a_chunk_is_items_statements_and_a_last_expression() {
        let source = "fn f() {}\nlet (mut a, b) = (1, 2);\na += b;\na";
        let chunk = parse(source).unwrap();
        assert_eq!(chunk.items.len(), 1);
        assert_eq!(chunk.items[0].keys, [ItemKey::Value("f".into())]);
        assert_eq!(&source[chunk.items[0].range.clone()], "fn f() {}");
        assert_eq!(chunk.statements.len(), 2);
        let names: Vec<_> = chunk.statements[0]
            .defines
            .iter()
            .map(|d| (&*d.name, d.mutable))
            .collect();
        assert_eq!(names, [("a", true), ("b", false)]);
        assert_eq!(&source[chunk.last.unwrap().range], "a");
    }

    #[test]
    fn loops_that_call_something_get_a_check_and_plain_arithmetic_does_not() {
        let source = "let mut s = 0; for i in 0..10 { s += i; } while s > 0 { s -= 1; } for x in v { f(x); }";
        let chunk = parse(source).unwrap();
        assert!(chunk.statements[1].loop_bodies.is_empty());
        assert!(chunk.statements[1].repeats);
        let position = chunk.statements[2].loop_bodies[0];
        assert_eq!(&source[position - 1..position], "{");
        assert_eq!(chunk.last.unwrap().loop_bodies.len(), 1);
    }

    #[test]
    fn recursive_functions_get_a_check_where_one_fits() {
        let checks = |source: &str| parse(source).unwrap().items[0].loop_bodies.clone();
        let source = "fn f(n: u64) -> u64 { f(n - 1) }";
        assert_eq!(checks(source), [source.find('{').unwrap() + 1]);
        assert!(checks("const fn f(n: u64) -> u64 { f(n - 1) }").is_empty());
        assert!(checks("fn f(n: u64) -> u64 { g(n - 1) }").is_empty());
    }

    #[test]
    fn grouped_imports_are_split() {
        let chunk = parse("use std::{fmt, io::{self, Write as _}, collections::*};").unwrap();
        let texts: Vec<_> = chunk
            .items
            .iter()
            .map(|item| item.replacement.clone().unwrap())
            .collect();
        assert_eq!(
            texts,
            [
                "use std::fmt;",
                "use std::io;",
                "use std::io::Write as _;",
                "use std::collections::*;"
            ]
        );
    }

    #[test]
    fn await_counts_only_at_the_top() {
        assert!(parse("let x = f().await;").unwrap().awaits);
        assert!(!parse("let x = async { f().await };").unwrap().awaits);
        assert!(!parse("async fn g() { f().await }").unwrap().awaits);
    }

    #[test]
    fn a_trailing_macro_is_the_last_expression() {
        assert!(parse("vec![1, 2]").unwrap().last.is_some());
        assert!(parse("println!(\"x\");").unwrap().last.is_none());
    }
}
