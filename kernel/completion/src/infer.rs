//! The types of expressions, as far as definitions and signatures tell: `x.relu()?` of a tensor is a tensor.

use std::collections::BTreeMap;

use patchbay_engine::Engine;
use syn::{
    BinOp, Block, Expr, FnArg, GenericArgument, Lit, Pat, PathArguments, Signature, Stmt, UnOp,
};

use crate::{
    library::{CELL, Found, Wanted},
    scope::{Opening, Scope},
    types::{Bindings, Ty, Types, module_of},
};

/// What a cell's expressions can name, with its types.
pub struct Inference<'a> {
    types: Types<'a>,
    /// The variables, those that the text before the cursor defines over those of earlier cells.
    variables: BTreeMap<String, Ty>,
    /// What `Self` is at the cursor.
    bindings: Bindings,
}

impl<'a> Inference<'a> {
    /// What is known at the end of `before`.
    pub fn new(types: Types<'a>, engine: &Engine, before: &str) -> Inference<'a> {
        let mut known = Inference {
            types,
            variables: BTreeMap::new(),
            bindings: Bindings::new(),
        };
        for (name, variable) in &engine.variables {
            let ty = types.read(CELL, &variable.type_text, &known.bindings);
            known.variables.insert(name.clone(), ty);
        }
        for opening in Scope::of(before).openings() {
            known.open(&opening);
        }
        known
    }

    /// The variables with their types.
    pub fn variables(&self) -> &BTreeMap<String, Ty> {
        &self.variables
    }

    /// The type of an expression's text.
    pub fn of_text(&self, text: &str) -> Ty {
        syn::parse_str::<Expr>(text).map_or(Ty::Unknown, |parsed| self.of(&parsed))
    }

    fn open(&mut self, opening: &Opening) {
        match opening {
            Opening::Let(text) => {
                if let Ok(Stmt::Local(local)) = syn::parse_str(text)
                    && let Some(init) = &local.init
                {
                    let ty = self.of(&init.expr);
                    self.bind(&local.pat, ty);
                }
            }
            Opening::IfLet(text) => {
                if let Ok(Expr::Let(condition)) = syn::parse_str(text) {
                    let ty = self.of(&condition.expr);
                    self.bind(&condition.pat, ty);
                }
            }
            Opening::For(text) => {
                if let Ok(Expr::ForLoop(looped)) = syn::parse_str(&format!("{text}{{}}")) {
                    let ty = self.of(&looped.expr).element();
                    self.bind(&looped.pat, ty);
                }
            }
            Opening::Function(text) => {
                if let Ok(sig) = syn::parse_str::<Signature>(text) {
                    self.parameters(&sig);
                }
            }
            Opening::Impl(text) => {
                if let Ok(block) = syn::parse_str::<syn::ItemImpl>(&format!("{text}{{}}")) {
                    let ty = self.types.of(CELL, &block.self_ty, &self.bindings);
                    self.bindings.insert("Self".to_owned(), ty);
                }
            }
        }
    }

    fn parameters(&mut self, sig: &Signature) {
        for parameter in sig.generics.type_params() {
            let bound = self.types.of_bounds(CELL, parameter.bounds.iter());
            self.bindings.insert(parameter.ident.to_string(), bound);
        }
        for input in &sig.inputs {
            match input {
                FnArg::Typed(input) => {
                    let ty = self.types.of(CELL, &input.ty, &self.bindings);
                    self.bind(&input.pat, ty);
                }
                FnArg::Receiver(_) => {
                    if let Some(ty) = self.bindings.get("Self").cloned() {
                        self.variables.insert("self".to_owned(), ty);
                    }
                }
            }
        }
    }

    fn bind(&mut self, pattern: &Pat, ty: Ty) {
        match pattern {
            Pat::Ident(pattern) => {
                self.variables.insert(pattern.ident.to_string(), ty);
            }
            Pat::Type(pattern) => {
                let written = self.types.of(CELL, &pattern.ty, &self.bindings);
                self.bind(&pattern.pat, written);
            }
            Pat::Tuple(pattern) => {
                let parts = match ty.bare() {
                    Ty::Tuple(parts) => parts.clone(),
                    _ => Vec::new(),
                };
                let parts = parts.into_iter().chain(std::iter::repeat(Ty::Unknown));
                for (pattern, ty) in pattern.elems.iter().zip(parts) {
                    self.bind(pattern, ty);
                }
            }
            Pat::TupleStruct(pattern) => {
                let name = pattern
                    .path
                    .segments
                    .last()
                    .map(|last| last.ident.to_string());
                let wraps = matches!(name.as_deref(), Some("Some" | "Ok"));
                for inner in &pattern.elems {
                    let ty = if wraps {
                        ty.bare().tried()
                    } else {
                        Ty::Unknown
                    };
                    self.bind(inner, ty);
                }
            }
            Pat::Reference(pattern) => self.bind(&pattern.pat, ty.bare().clone()),
            Pat::Paren(pattern) => self.bind(&pattern.pat, ty),
            _ => {}
        }
    }

    fn of(&self, expr: &Expr) -> Ty {
        match expr {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(_) => Ty::Ref(Box::new(Ty::named("str"))),
                Lit::Int(number) => Ty::named(suffix_or(number.suffix(), "i32")),
                Lit::Float(number) => Ty::named(suffix_or(number.suffix(), "f64")),
                Lit::Bool(_) => Ty::named("bool"),
                Lit::Char(_) => Ty::named("char"),
                _ => Ty::Unknown,
            },
            Expr::Path(path) if path.qself.is_none() => self.of_path(&path.path),
            Expr::Paren(inner) => self.of(&inner.expr),
            Expr::Group(inner) => self.of(&inner.expr),
            Expr::Reference(inner) => Ty::Ref(Box::new(self.of(&inner.expr))),
            Expr::Try(inner) => self.of(&inner.expr).tried(),
            Expr::Await(inner) => self.of(&inner.base),
            Expr::Cast(cast) => self.types.of(CELL, &cast.ty, &self.bindings),
            Expr::Tuple(tuple) => Ty::Tuple(tuple.elems.iter().map(|part| self.of(part)).collect()),
            Expr::Array(array) => self.list(array.elems.first()),
            Expr::Repeat(array) => self.list(Some(&*array.expr)),
            Expr::Range(range) => {
                let bound = range.start.as_ref().or(range.end.as_ref());
                let element = bound.map_or(Ty::Unknown, |bound| self.of(bound));
                Ty::Named("Range".to_owned(), vec![element])
            }
            Expr::Index(index) => match (self.of(&index.expr).bare(), &*index.index) {
                (Ty::Named(..) | Ty::List(_), Expr::Range(_)) => Ty::Unknown,
                (list, _) => list.element(),
            },
            Expr::Struct(value) => self.of_type_path(&value.path),
            Expr::Unary(operation) => match operation.op {
                UnOp::Deref(_) => match self.of(&operation.expr) {
                    Ty::Ref(inner) => *inner,
                    pointer => pointer.bare().clone(),
                },
                UnOp::Neg(_) => self.operated(&operation.expr, "Neg"),
                _ => self.of(&operation.expr),
            },
            Expr::Binary(operation) => match operator(&operation.op) {
                Some(name) => self.operated(&operation.left, name),
                None => Ty::named("bool"),
            },
            Expr::Block(block) => self.of_block(&block.block),
            Expr::Unsafe(block) => self.of_block(&block.block),
            Expr::If(branches) => self.of_block(&branches.then_branch),
            Expr::Match(branches) => {
                let mut arms = branches.arms.iter().map(|arm| self.of(&arm.body));
                arms.find(|ty| *ty != Ty::Unknown).unwrap_or(Ty::Unknown)
            }
            Expr::Macro(call) => self.of_macro(&call.mac),
            Expr::Field(field) => {
                let base = self.of(&field.base);
                let name = match &field.member {
                    syn::Member::Named(name) => name.to_string(),
                    syn::Member::Unnamed(index) => {
                        if let Ty::Tuple(parts) = base.bare() {
                            let part = parts.get(index.index as usize);
                            return part.cloned().unwrap_or(Ty::Unknown);
                        }
                        index.index.to_string()
                    }
                };
                self.of_member(&base, &name)
            }
            Expr::MethodCall(call) => self.of_call(call),
            Expr::Call(call) => self.of_function(call),
            _ => Ty::Unknown,
        }
    }

    fn list(&self, first: Option<&Expr>) -> Ty {
        Ty::List(Box::new(first.map_or(Ty::Unknown, |first| self.of(first))))
    }

    fn of_block(&self, block: &Block) -> Ty {
        match block.stmts.last() {
            Some(Stmt::Expr(last, None)) => self.of(last),
            _ => Ty::Unknown,
        }
    }

    fn of_macro(&self, call: &syn::Macro) -> Ty {
        let name = call.path.segments.last().map(|last| last.ident.to_string());
        match name.as_deref() {
            Some("vec") => {
                let parsed = syn::parse2::<Expr>(call.tokens.clone());
                let listed = quote_list(&call.tokens);
                let element = match (parsed, listed) {
                    (_, Ok(Expr::Array(array))) => array.elems.first().map(|first| self.of(first)),
                    (_, Ok(Expr::Repeat(array))) => Some(self.of(&array.expr)),
                    (Ok(only), _) => Some(self.of(&only)),
                    _ => None,
                };
                Ty::Named("Vec".to_owned(), vec![element.unwrap_or(Ty::Unknown)])
            }
            Some("format") => Ty::named("String"),
            Some("json") => self.types.read(CELL, "serde_json::Value", &self.bindings),
            _ => Ty::Unknown,
        }
    }

    /// What an operator gives for what stands to its left.
    fn operated(&self, left: &Expr, operator: &str) -> Ty {
        let left = self.of(left);
        match self.types.output_of(&left, operator) {
            Ty::Unknown => match left.bare() {
                // Numbers of the standard library stay what they are.
                Ty::Named(name, _) if name.starts_with(char::is_lowercase) => left.bare().clone(),
                _ => Ty::Unknown,
            },
            output => output,
        }
    }

    fn of_member(&self, base: &Ty, name: &str) -> Ty {
        let members = self.types.members(base);
        let found = members.iter().find(|member| member.name == name);
        found.map_or(Ty::Unknown, |member| self.types.of_member(member))
    }

    fn of_call(&self, call: &syn::ExprMethodCall) -> Ty {
        let base = self.of(&call.receiver);
        let name = call.method.to_string();
        match self.of_member(&base, &name) {
            Ty::Unknown => match name.as_str() {
                // What the language's own types do wherever they are used; the rest of the standard library is not read.
                "unwrap" | "expect" | "unwrap_or_default" | "unwrap_or" | "unwrap_or_else" => {
                    base.bare().tried()
                }
                "clone" | "to_owned" => base.bare().clone(),
                "as_ref" | "as_mut" => base,
                _ => Ty::Unknown,
            },
            found => found,
        }
    }

    fn of_path(&self, path: &syn::Path) -> Ty {
        if let Some(name) = path.get_ident()
            && let Some(ty) = self.variables.get(&name.to_string())
        {
            return ty.clone();
        }
        let names = names_of(path);
        match self.types.names.lookup(CELL, &names, Wanted::Item) {
            Some(Found::Entry(entry)) if entry.kind == "struct" => {
                Ty::Named(entry.path.clone(), Vec::new())
            }
            Some(Found::Entry(entry)) if entry.kind == "const" => {
                let text = entry.signature.trim_start_matches("pub ");
                let text = text.split('=').next().unwrap_or_default().trim_end();
                let written = text.split_once(':').map_or("", |(_, written)| written);
                let written = written.trim_end_matches(';');
                self.types
                    .read(module_of(&entry.path), written, &self.bindings)
            }
            // A variant: `DType::F32`.
            None => match self.owner(path) {
                Some((owner, Some(entry))) if entry.kind == "enum" => owner,
                _ => Ty::Unknown,
            },
            _ => Ty::Unknown,
        }
    }

    fn of_type_path(&self, path: &syn::Path) -> Ty {
        let ty = syn::Type::Path(syn::TypePath {
            attrs: Vec::new(),
            qself: None,
            path: path.clone(),
        });
        self.types.of(CELL, &ty, &self.bindings)
    }

    /// The type in front of a path's last name, with its definition.
    fn owner(&self, path: &syn::Path) -> Option<(Ty, Option<&'a crate::source::Entry>)> {
        let mut owner = path.clone();
        owner.segments.pop()?;
        owner.segments.pop_punct();
        if owner.segments.is_empty() {
            return None;
        }
        let ty = self.of_type_path(&owner);
        let entry = match &ty {
            Ty::Named(path, _) => self.types.entry(path),
            _ => None,
        };
        Some((ty, entry))
    }

    fn of_function(&self, call: &syn::ExprCall) -> Ty {
        let Expr::Path(function) = &*call.func else {
            return Ty::Unknown;
        };
        let path = &function.path;
        let names = names_of(path);
        match names.last().map(String::as_str) {
            Some("Ok" | "Some") if names.len() == 1 => {
                let inner = call
                    .args
                    .first()
                    .map_or(Ty::Unknown, |first| self.of(first));
                let name = if names[0] == "Ok" { "Result" } else { "Option" };
                return Ty::Named(name.to_owned(), vec![inner]);
            }
            _ => {}
        }
        match self.types.names.lookup(CELL, &names, Wanted::Item) {
            Some(Found::Entry(entry)) if entry.kind == "function" => {
                let mut bindings = self.bindings.clone();
                let given = given_types(path)
                    .iter()
                    .map(|written| self.types.of(CELL, written, &self.bindings))
                    .collect::<Vec<_>>();
                let text = entry.signature.trim_start_matches("pub ");
                let parameters = parameters_of(text);
                bindings.extend(parameters.into_iter().zip(given.iter().cloned()));
                return self.types.returned_with(
                    module_of(&entry.path),
                    text,
                    &bindings,
                    given.len(),
                );
            }
            Some(Found::Entry(entry)) => return Ty::Named(entry.path.clone(), Vec::new()),
            _ => {}
        }
        let Some((owner, Some(entry))) = self.owner(path) else {
            return Ty::Unknown;
        };
        let Some(name) = names.last() else {
            return Ty::Unknown;
        };
        let functions = self.types.functions(&owner, entry);
        match functions.iter().find(|(method, _, _)| method.name == *name) {
            Some((method, module, bindings)) => {
                self.types.returned(module, &method.signature, bindings)
            }
            None if entry.kind == "enum" => owner,
            // `VarMap::clone(&x)` and the like of traits.
            None => Ty::Unknown,
        }
    }
}

fn suffix_or<'a>(suffix: &'a str, otherwise: &'a str) -> &'a str {
    if suffix.is_empty() { otherwise } else { suffix }
}

/// The elements of `vec![...]` as those of an array.
fn quote_list(tokens: &proc_macro2::TokenStream) -> syn::Result<Expr> {
    let group = proc_macro2::Group::new(proc_macro2::Delimiter::Bracket, tokens.clone());
    syn::parse2(proc_macro2::TokenTree::Group(group).into())
}

fn names_of(path: &syn::Path) -> Vec<String> {
    let segments = path.segments.iter();
    segments.map(|segment| segment.ident.to_string()).collect()
}

/// The types that a path gives its last name: `dyn Loss` of `create::<dyn Loss>`.
fn given_types(path: &syn::Path) -> Vec<syn::Type> {
    match path.segments.last().map(|last| &last.arguments) {
        Some(PathArguments::AngleBracketed(list)) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(written) => Some(written.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The type parameters of a function.
fn parameters_of(signature: &str) -> Vec<String> {
    let parsed = syn::parse_str::<Signature>(signature);
    parsed.map_or_else(
        |_| Vec::new(),
        |parsed| {
            let parameters = parsed.generics.type_params();
            parameters.map(|known| known.ident.to_string()).collect()
        },
    )
}

/// The trait of an arithmetic operator; `None` of a comparison.
fn operator(op: &BinOp) -> Option<&'static str> {
    match op {
        BinOp::Add(_) => Some("Add"),
        BinOp::Sub(_) => Some("Sub"),
        BinOp::Mul(_) => Some("Mul"),
        BinOp::Div(_) => Some("Div"),
        BinOp::Rem(_) => Some("Rem"),
        BinOp::BitAnd(_) => Some("BitAnd"),
        BinOp::BitOr(_) => Some("BitOr"),
        BinOp::BitXor(_) => Some("BitXor"),
        BinOp::Shl(_) => Some("Shl"),
        BinOp::Shr(_) => Some("Shr"),
        _ => None,
    }
}
