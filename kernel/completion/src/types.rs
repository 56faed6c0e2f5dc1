//! Types as far as completion needs them: what a type is, and what can follow `value.`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use syn::{GenericArgument, PathArguments, ReturnType, Signature, TypeParamBound};

use crate::{
    library::{CELL, Found, Impls, Names, Wanted},
    source::{Entry, Impl, Method},
};

/// How many pointers and aliases one type may lead through.
const MOST_STEPS: usize = 12;

/// Pointers of the standard library that show what they point to.
const POINTERS: [&str; 4] = ["Box", "Arc", "Rc", "Cow"];

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    /// A type by the path of its definition, or by its name where that is not known, with its arguments.
    Named(String, Vec<Ty>),
    Ref(Box<Ty>),
    Tuple(Vec<Ty>),
    /// An array or a slice.
    List(Box<Ty>),
    /// What implements these traits.
    Dyn(Vec<String>),
    Unknown,
}

/// What names of types stand for: parameters, `Self`.
pub type Bindings = BTreeMap<String, Ty>;

/// What can follow `value.`.
#[derive(Clone)]
pub struct Member<'a> {
    pub name: &'a str,
    pub kind: MemberKind<'a>,
    /// The module that its types are written in.
    pub module: String,
    /// What the names in its types stand for.
    pub bindings: Bindings,
}

#[derive(Clone, Copy)]
pub enum MemberKind<'a> {
    Method(&'a Method),
    /// A field with its type and its documentation.
    Field(&'a str, &'a str),
}

/// The types that a cell can see.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    pub names: Names<'a>,
    /// What cells implement.
    pub own: &'a Impls<'a>,
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Ty]| {
            for (index, part) in parts.iter().enumerate() {
                write!(f, "{}{part}", if index == 0 { "" } else { ", " })?;
            }
            Ok(())
        };
        let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
        match self {
            Ty::Named(path, arguments) => {
                f.write_str(&last(path))?;
                if arguments.is_empty() {
                    return Ok(());
                }
                f.write_str("<")?;
                list(f, arguments)?;
                f.write_str(">")
            }
            Ty::Ref(inner) => write!(f, "&{inner}"),
            Ty::Tuple(parts) => {
                f.write_str("(")?;
                list(f, parts)?;
                f.write_str(")")
            }
            Ty::List(inner) => write!(f, "[{inner}]"),
            Ty::Dyn(traits) => {
                let traits: Vec<String> = traits.iter().map(|path| last(path)).collect();
                write!(f, "dyn {}", traits.join(" + "))
            }
            Ty::Unknown => f.write_str("_"),
        }
    }
}

impl Ty {
    /// A type without arguments, by its name.
    pub fn named(name: &str) -> Ty {
        Ty::Named(name.to_owned(), Vec::new())
    }

    /// The type behind references and pointers.
    pub fn bare(&self) -> &Ty {
        match self {
            Ty::Ref(inner) => inner.bare(),
            Ty::Named(name, arguments) if POINTERS.contains(&name.as_str()) => {
                arguments.first().map_or(self, Ty::bare)
            }
            _ => self,
        }
    }

    /// What `?` leaves of it.
    pub fn tried(&self) -> Ty {
        match self {
            Ty::Named(name, arguments) if name == "Result" || name == "Option" => {
                arguments.first().cloned().unwrap_or(Ty::Unknown)
            }
            _ => Ty::Unknown,
        }
    }

    /// What a loop over it has each time.
    pub fn element(&self) -> Ty {
        match self {
            Ty::Ref(inner) => match inner.element() {
                Ty::Unknown => Ty::Unknown,
                element => Ty::Ref(Box::new(element)),
            },
            Ty::List(inner) => (**inner).clone(),
            Ty::Named(name, arguments) if name == "Vec" || name == "Range" => {
                arguments.first().cloned().unwrap_or(Ty::Unknown)
            }
            _ => Ty::Unknown,
        }
    }
}

impl<'a> Types<'a> {
    /// Reads a type as it is written within a module.
    pub fn read(self, module: &str, text: &str, bindings: &Bindings) -> Ty {
        syn::parse_str(text).map_or(Ty::Unknown, |parsed| self.of(module, &parsed, bindings))
    }

    /// The type that is written within a module.
    pub fn of(self, module: &str, written: &syn::Type, bindings: &Bindings) -> Ty {
        self.of_steps(module, written, bindings, MOST_STEPS)
    }

    fn of_steps(self, module: &str, written: &syn::Type, bindings: &Bindings, steps: usize) -> Ty {
        let Some(steps) = steps.checked_sub(1) else {
            return Ty::Unknown;
        };
        let of = |inner: &syn::Type| self.of_steps(module, inner, bindings, steps);
        match written {
            syn::Type::Path(path) if path.qself.is_none() => {
                self.of_path(module, &path.path, bindings, steps)
            }
            syn::Type::Reference(inner) => Ty::Ref(Box::new(of(&inner.elem))),
            syn::Type::Tuple(inner) => Ty::Tuple(inner.elems.iter().map(of).collect()),
            syn::Type::Slice(inner) => Ty::List(Box::new(of(&inner.elem))),
            syn::Type::Array(inner) => Ty::List(Box::new(of(&inner.elem))),
            syn::Type::Paren(inner) => of(&inner.elem),
            syn::Type::Group(inner) => of(&inner.elem),
            syn::Type::TraitObject(inner) => self.of_bounds(module, inner.bounds.iter()),
            syn::Type::ImplTrait(inner) => self.of_bounds(module, inner.bounds.iter()),
            _ => Ty::Unknown,
        }
    }

    /// What implements these bounds.
    pub fn of_bounds<'b>(
        self,
        module: &str,
        bounds: impl Iterator<Item = &'b TypeParamBound>,
    ) -> Ty {
        let traits = bounds.filter_map(|bound| match bound {
            TypeParamBound::Trait(bound) => match self.find(module, &bound.path)? {
                Found::Entry(entry) => Some(entry.path.clone()),
                Found::Foreign(_) | Found::Module(_) => None,
            },
            _ => None,
        });
        Ty::Dyn(traits.collect())
    }

    fn find(self, module: &str, path: &syn::Path) -> Option<Found<'a>> {
        let path: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.names.lookup(module, &path, Wanted::Item)
    }

    fn of_path(self, module: &str, path: &syn::Path, bindings: &Bindings, steps: usize) -> Ty {
        let Some(last) = path.segments.last() else {
            return Ty::Unknown;
        };
        let name = last.ident.to_string();
        if let Some(bound) = bindings.get(&name).filter(|_| path.segments.len() == 1) {
            return bound.clone();
        }
        // `Self::Item`, `T::Output`.
        if let Some(first) = path.segments.first()
            && path.segments.len() == 2
            && let Some(bound) = bindings.get(&first.ident.to_string())
        {
            return self.associated(bound, &name).unwrap_or(Ty::Unknown);
        }
        let mut arguments = Vec::new();
        if let PathArguments::AngleBracketed(list) = &last.arguments {
            for argument in &list.args {
                if let GenericArgument::Type(argument) = argument {
                    arguments.push(self.of_steps(module, argument, bindings, steps));
                }
            }
        }
        match self.find(module, path) {
            Some(Found::Entry(entry)) if entry.kind == "type" => {
                self.alias(entry, arguments, steps)
            }
            Some(Found::Entry(entry)) if entry.kind == "trait" => Ty::Dyn(vec![entry.path.clone()]),
            Some(Found::Entry(entry)) => Ty::Named(entry.path.clone(), arguments),
            Some(Found::Module(_)) => Ty::Unknown,
            Some(Found::Foreign(_)) | None => Ty::Named(name, arguments),
        }
    }

    /// What an alias stands for.
    fn alias(self, entry: &Entry, arguments: Vec<Ty>, steps: usize) -> Ty {
        let Ok(alias) = syn::parse_str::<syn::ItemType>(&entry.signature) else {
            return Ty::Unknown;
        };
        let parameters = alias.generics.type_params();
        let bindings = parameters
            .map(|parameter| parameter.ident.to_string())
            .zip(arguments.into_iter().chain(std::iter::repeat(Ty::Unknown)))
            .collect();
        self.of_steps(module_of(&entry.path), &alias.ty, &bindings, steps)
    }

    /// The associated type of a type.
    fn associated(self, ty: &Ty, name: &str) -> Option<Ty> {
        self.blocks(ty.bare())
            .find_map(|(module, block, bindings)| {
                let text = block.types.get(name)?;
                Some(self.read(&module, text, &bindings))
            })
    }

    /// What an operator's trait gives: `Add` for `+`.
    pub fn output_of(self, ty: &Ty, operator: &str) -> Ty {
        self.blocks(ty.bare())
            .filter(|(_, block, _)| {
                let implements = block.implements.as_deref().unwrap_or_default();
                let name = implements.split('<').next().unwrap_or_default();
                name.rsplit("::").next() == Some(operator)
            })
            .find_map(|(module, block, bindings)| {
                let text = block.types.get("Output")?;
                Some(self.read(&module, text, &bindings))
            })
            .unwrap_or(Ty::Unknown)
    }

    /// What a call of a function with this signature gives.
    pub fn returned(self, module: &str, signature: &str, bindings: &Bindings) -> Ty {
        self.returned_with(module, signature, bindings, 0)
    }

    /// The same, where the bindings have its first type parameters, as many as were `given`.
    pub fn returned_with(
        self,
        module: &str,
        signature: &str,
        bindings: &Bindings,
        given: usize,
    ) -> Ty {
        let Ok(parsed) = syn::parse_str::<Signature>(signature.trim_start_matches("pub ")) else {
            return Ty::Unknown;
        };
        let mut bindings = bindings.clone();
        for parameter in parsed.generics.type_params().skip(given) {
            let bound = self.of_bounds(module, parameter.bounds.iter());
            bindings.insert(parameter.ident.to_string(), bound);
        }
        match &parsed.output {
            ReturnType::Type(_, written) => self.of(module, written, &bindings),
            ReturnType::Default => Ty::Tuple(Vec::new()),
        }
    }

    /// The implementations for a type, each with its module and what its parameters stand for.
    fn blocks(self, ty: &Ty) -> impl Iterator<Item = (String, &'a Impl, Bindings)> {
        let path = match ty {
            Ty::Named(path, _) => path.as_str(),
            _ => "",
        };
        let own = self.own.for_type(path).iter().copied();
        let library = self.names.impls(path).iter().copied();
        let all: Vec<(&str, &Impl)> = own.chain(library).collect();
        let ty = ty.clone();
        all.into_iter().filter_map(move |(module, block)| {
            let mut bindings = Bindings::new();
            let target: syn::Type = syn::parse_str(&block.target).ok()?;
            let fits = self.unify(module, &target, &ty, &block.parameters, &mut bindings);
            bindings.insert("Self".to_owned(), ty.clone());
            fits.then(|| (module.to_owned(), block, bindings))
        })
    }

    /// The functions of a type, each with its module and what names stand for.
    pub fn functions(self, ty: &Ty, entry: &'a Entry) -> Vec<(&'a Method, String, Bindings)> {
        let own = Bindings::from([("Self".to_owned(), ty.clone())]);
        let module = module_of(&entry.path).to_owned();
        let of_trait = entry.methods.iter();
        let mut found: Vec<_> = of_trait
            .map(|method| (method, module.clone(), own.clone()))
            .collect();
        for (module, block, bindings) in self.blocks(ty) {
            for method in &block.methods {
                found.push((method, module.clone(), bindings.clone()));
            }
        }
        found
    }

    /// Whether a type is one that an impl is for; notes what the parameters stand for.
    fn unify(
        self,
        module: &str,
        target: &syn::Type,
        ty: &Ty,
        parameters: &[String],
        bindings: &mut Bindings,
    ) -> bool {
        match target {
            syn::Type::Reference(inner) => {
                self.unify(module, &inner.elem, ty.bare(), parameters, bindings)
            }
            syn::Type::Path(path) => {
                if let Some(name) = path.path.get_ident().map(ToString::to_string)
                    && parameters.contains(&name)
                {
                    bindings.insert(name, ty.clone());
                    return true;
                }
                let (Some(last), Ty::Named(_, arguments)) = (path.path.segments.last(), ty) else {
                    return self.of(module, target, bindings) == *ty;
                };
                let PathArguments::AngleBracketed(list) = &last.arguments else {
                    return true;
                };
                let written = list.args.iter().filter_map(|argument| match argument {
                    GenericArgument::Type(argument) => Some(argument),
                    _ => None,
                });
                written.zip(arguments).all(|(written, argument)| {
                    *argument == Ty::Unknown
                        || self.unify(module, written, argument, parameters, bindings)
                })
            }
            _ => self.of(module, target, bindings) == *ty,
        }
    }

    /// The methods and fields of a value, those that win first; each name once.
    pub fn members(self, ty: &Ty) -> Vec<Member<'a>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut ty = ty.clone();
        for _ in 0..MOST_STEPS {
            self.members_here(&ty, &mut |member| {
                if seen.insert(member.name.to_owned()) {
                    found.push(member);
                }
            });
            ty = match &ty {
                Ty::Ref(inner) => (**inner).clone(),
                pointer if pointer.bare() != pointer => pointer.bare().clone(),
                other => match self.associated(other, "Target") {
                    Some(target) => target,
                    None => break,
                },
            };
        }
        found
    }

    fn members_here(self, ty: &Ty, add: &mut dyn FnMut(Member<'a>)) {
        match ty {
            Ty::Named(path, arguments) => {
                let blocks: Vec<_> = self.blocks(ty).collect();
                if let Some(entry) = self.entry(path) {
                    self.fields(entry, arguments, add);
                }
                for (module, block, bindings) in &blocks {
                    for method in block.methods.iter().filter(|method| method.has_receiver) {
                        add(method_member(method, module, bindings));
                    }
                }
                for (module, block, bindings) in &blocks {
                    let implements = block.implements.as_deref().unwrap_or_default();
                    let head = implements.split('<').next().unwrap_or_default();
                    let path: Vec<String> = head.split("::").map(str::to_owned).collect();
                    if let Some(Found::Entry(entry)) =
                        self.names.lookup(module, &path, Wanted::Item)
                    {
                        self.methods_of_trait(entry, bindings, add);
                    }
                }
            }
            Ty::Dyn(traits) => {
                let bindings = Bindings::from([("Self".to_owned(), ty.clone())]);
                for path in traits {
                    if let Some(entry) = self.entry(path) {
                        self.methods_of_trait(entry, &bindings, add);
                    }
                }
            }
            _ => {}
        }
    }

    /// The item at the path of its definition.
    pub fn entry(self, path: &str) -> Option<&'a Entry> {
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        let (module, name) = path.split_at(path.len() - 1);
        let module = match module {
            [] => return None,
            [only] if only == CELL => CELL.to_owned(),
            names => names.join("::"),
        };
        match self.names.lookup(&module, name, Wanted::Item)? {
            Found::Entry(entry) => Some(entry),
            Found::Module(_) | Found::Foreign(_) => None,
        }
    }

    fn fields(self, entry: &'a Entry, arguments: &[Ty], add: &mut dyn FnMut(Member<'a>)) {
        if entry.kind != "struct" || entry.members.is_empty() {
            return;
        }
        let text = entry.signature.trim_start_matches("pub ");
        let parsed: Option<syn::ItemStruct> = syn::parse_str(text).ok();
        let parameters: Vec<String> = parsed.map_or_else(Vec::new, |parsed| {
            let parameters = parsed.generics.type_params();
            parameters.map(|known| known.ident.to_string()).collect()
        });
        let bindings: Bindings = parameters
            .into_iter()
            .zip(arguments.iter().cloned())
            .collect();
        for field in &entry.members {
            add(Member {
                name: &field.name,
                kind: MemberKind::Field(&field.text, &field.docs),
                module: module_of(&entry.path).to_owned(),
                bindings: bindings.clone(),
            });
        }
    }

    fn methods_of_trait(
        self,
        entry: &'a Entry,
        bindings: &Bindings,
        add: &mut dyn FnMut(Member<'a>),
    ) {
        let module = module_of(&entry.path);
        for method in entry.methods.iter().filter(|method| method.has_receiver) {
            add(method_member(method, module, bindings));
        }
        // What the trait builds on: `pub trait Loss: Component`.
        let parsed = syn::parse_str::<syn::ItemTrait>(&format!("{} {{}}", entry.signature));
        if let Ok(parsed) = parsed
            && let Ty::Dyn(traits) = self.of_bounds(module, parsed.supertraits.iter())
        {
            for path in traits.iter().filter(|path| **path != entry.path) {
                if let Some(entry) = self.entry(path) {
                    for method in entry.methods.iter().filter(|method| method.has_receiver) {
                        add(method_member(method, module_of(&entry.path), bindings));
                    }
                }
            }
        }
    }

    /// The type of a member's value, of a method what it returns.
    pub fn of_member(self, member: &Member<'_>) -> Ty {
        match member.kind {
            MemberKind::Method(method) => {
                self.returned(&member.module, &method.signature, &member.bindings)
            }
            MemberKind::Field(text, _) => self.read(&member.module, text, &member.bindings),
        }
    }
}

fn method_member<'a>(method: &'a Method, module: &str, bindings: &Bindings) -> Member<'a> {
    Member {
        name: &method.name,
        kind: MemberKind::Method(method),
        module: module.to_owned(),
        bindings: bindings.clone(),
    }
}

/// The module of an item's path.
pub fn module_of(path: &str) -> &str {
    path.rsplit_once("::").map_or("", |(module, _)| module)
}
