//! What the cells of a notebook have defined, and what the cell that is being written defines.

use patchbay_engine::Engine;
use patchbay_evcxr_protocol::Completion;
use syn::{Block, Item, Stmt, parse::Parser, spanned::Spanned};

use crate::{
    cursor::{path_before, receiver},
    infer::Inference,
    library::{CELL, Impls, Names, describe_method, item},
    source::{Method, Module, Modules, read},
    types::{Member, MemberKind, Types},
};

/// The module that the cells are: the items of earlier ones, and those of the present one as far as it can be read.
pub fn module(engine: &Engine, code: &str, cursor: usize) -> Module {
    let mut modules = Modules::from([(CELL.to_owned(), Module::of_cells())]);
    for item in engine.sound_items() {
        read(CELL, item.text(), true, &mut modules);
    }
    for text in items_of(code, cursor) {
        read(CELL, &text, true, &mut modules);
    }
    modules.remove(CELL).unwrap_or_default()
}

/// The items of a cell whose line with the cursor need not be whole.
fn items_of(code: &str, cursor: usize) -> Vec<String> {
    let start = code[..cursor].rfind('\n').map_or(0, |at| at + 1);
    let end = code[cursor..]
        .find('\n')
        .map_or(code.len(), |length| cursor + length);
    let without_line = format!("{}{}", &code[..start], &code[end..]);
    [without_line.as_str(), &code[..start]]
        .iter()
        .find_map(|text| {
            let statements = Block::parse_within.parse_str(text).ok()?;
            let items = statements.iter().filter_map(|statement| match statement {
                Stmt::Item(Item::Macro(_) | Item::Verbatim(_)) => None,
                Stmt::Item(item) => text.get(item.span().byte_range()).map(str::to_owned),
                _ => None,
            });
            Some(items.collect())
        })
        .unwrap_or_default()
}

/// A cell with the names and types that are known at a place of it.
pub struct View<'a> {
    pub names: Names<'a>,
    pub impls: Impls<'a>,
    engine: &'a Engine,
    code: &'a str,
}

impl<'a> View<'a> {
    pub fn of(module: &'a Module, engine: &'a Engine, code: &'a str) -> View<'a> {
        let names = Names::with(module);
        View {
            names,
            impls: Impls::of(names, [(CELL, module)].into_iter()),
            engine,
            code,
        }
    }

    fn types(&self) -> Types<'_> {
        Types {
            names: self.names,
            own: &self.impls,
        }
    }

    /// What can follow the sign in front of the name that begins at `start`: `.` or `::`.
    pub fn members(&self, start: usize) -> Vec<Completion> {
        let path = path_before(self.code, start);
        if !path.is_empty() {
            return self.names.members(&path, &self.impls);
        }
        let members = self.members_of_value(start);
        let mut found: Vec<Completion> = members.iter().map(completion).collect();
        found.sort_by(|one, other| one.text.cmp(&other.text));
        found
    }

    fn members_of_value(&self, start: usize) -> Vec<Member<'_>> {
        let Some(receiver) = receiver(self.code, start) else {
            return Vec::new();
        };
        let at = receiver.as_ptr() as usize - self.code.as_ptr() as usize;
        let types = self.types();
        let known = Inference::new(types, self.engine, &self.code[..at]);
        types.members(&known.of_text(receiver))
    }

    /// The variables that the cell has defined in front of a place.
    pub fn variables(&self, start: usize) -> Vec<Completion> {
        let known = Inference::new(self.types(), self.engine, &self.code[..start]);
        let variables = known.variables().iter();
        variables
            .filter(|(name, _)| !self.engine.variables.contains_key(*name))
            .map(|(name, ty)| item(name, "instance", &ty.to_string()))
            .collect()
    }

    /// What is known about the name that begins at `start`, as Markdown.
    pub fn describe(&self, start: usize, word: &str, is_member: bool) -> Option<String> {
        let path = path_before(self.code, start);
        if is_member && path.is_empty() {
            let members = self.members_of_value(start);
            let member = members.iter().find(|member| member.name == word)?;
            return Some(match member.kind {
                MemberKind::Method(method) => describe_method(method),
                MemberKind::Field(text, docs) => {
                    format!("```rust\n{word}: {text}\n```\n{docs}")
                }
            });
        }
        let path = [path.as_slice(), &[word]].concat();
        if path.len() == 1 {
            let local = self.variables(start).into_iter();
            let mut local = local.filter(|variable| variable.text == word);
            if let Some(variable) = local.next() {
                return Some(format!("```rust\nlet {word}: {}\n```", variable.signature));
            }
        }
        self.names.describe(&path, &self.impls)
    }

    /// As [`Cells::describe`], for a name that is not where it is looked for.
    pub fn describe_elsewhere(&self, start: usize, word: &str) -> Option<String> {
        let path = [path_before(self.code, start).as_slice(), &[word]].concat();
        self.names.describe_elsewhere(&path, &self.impls)
    }
}

fn completion(member: &Member<'_>) -> Completion {
    match member.kind {
        MemberKind::Method(Method { signature, .. }) => item(member.name, "function", signature),
        MemberKind::Field(text, _) => item(member.name, "property", text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use patchbay_engine::history::Variable;

    use super::*;
    use crate::library;

    fn variable(type_text: &str) -> Variable {
        Variable {
            type_text: type_text.to_owned(),
            type_names: BTreeSet::new(),
            mutable: false,
            cell: 1,
            bytes: 8,
            tensor_bytes: 0,
            gpu_bytes: 0,
            tensor: None,
        }
    }

    /// The names at the mark `|`.
    fn names(variables: &[(&str, &str)], text: &str) -> Vec<String> {
        let mut engine = Engine::default();
        for (name, type_text) in variables {
            let known = variable(type_text);
            engine.variables.insert((*name).to_owned(), known);
        }
        let cursor = text.find('|').unwrap();
        let code = text.replacen('|', "", 1);
        let module = module(&engine, &code, cursor);
        let view = View::of(&module, &engine, &code);
        let found = view.members(cursor);
        found.into_iter().map(|known| known.text).collect()
    }

    const TENSOR: &[(&str, &str)] = &[("x", "candle_core::Tensor")];

    #[test]
    fn a_tensor_has_candles_methods_and_ours() {
        library::warm_up();
        let found = names(TENSOR, "x.|");
        assert!(found.len() >= 150, "{}: {found:?}", found.len());
        for name in ["matmul", "relu", "broadcast_add", "softmax", "topk", "i"] {
            assert!(found.iter().any(|known| known == name), "{name}: {found:?}");
        }
        assert!(!found.iter().any(|known| known == "zeros"));
    }

    #[test]
    fn types_follow_chains_operators_and_definitions() {
        for text in [
            "x.relu()?.|",
            "let y = x.relu()?; y.|",
            "let y: Tensor = f(); y.|",
            "let (a, y) = (1, &x); y.|",
            "let z = (&x + &x)?; z.|",
            "let z = (x.matmul(&x)? * 2.0)?;\nz.t()?.|",
            "Tensor::zeros((2, 3), DType::F32, &device())?.|",
            "torch::randn((2, 3))?.|",
            "fn f(y: &Tensor) -> Result<Tensor> { y.|",
            "for y in vec![x.clone()] { y.|",
            "if let Some(y) = Some(&x) { y.|",
            "struct Net { w: Tensor }\nimpl Net { fn f(&self) { self.w.|\n } }",
            "struct Net { w: Tensor }\nlet net = Net { w: x };\nnet.w.|",
            "struct Net { w: Tensor }\nimpl Net { fn new(w: Tensor) -> Self { Net { w } } }\nlet net = Net::new(x);\nnet.w.|",
            "fn make() -> Result<Tensor> { todo!() }\nmake()?.|",
            "vec![x.clone()][0].|",
        ] {
            let found = names(TENSOR, text);
            assert!(
                found.iter().any(|known| known == "matmul"),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn values_of_other_types_have_their_methods() {
        for (ty, name) in [
            ("candle_core::Var", "set"),
            ("candle_core::Var", "matmul"),
            ("candle_nn::VarMap", "all_vars"),
            ("candle_nn::Linear", "forward"),
            ("candle_nn::SGD", "backward_step"),
            ("patchbay::nn::AdamW", "step"),
            ("patchbay::plugin::Slot<dyn patchbay::plugin::Loss>", "swap"),
            (
                "patchbay::plugin::Slot<dyn patchbay::plugin::Loss>",
                "forward",
            ),
            ("patchbay::Figure", "save"),
            ("patchbay::LivePlot", "push"),
            ("std::boxed::Box<candle_core::Tensor>", "matmul"),
        ] {
            let found = names(&[("v", ty)], "v.|");
            assert!(
                found.iter().any(|known| known == name),
                "{ty}: {name}: {found:?}"
            );
        }
        assert!(names(&[("v", "unknown::Type")], "v.|").is_empty());
    }

    #[test]
    fn paths_of_cells_and_of_the_library_are_known() {
        for (text, name) in [
            ("enum Mode { Fast, Slow }\nMode::|", "Fast"),
            ("struct P;\nimpl P { fn new() -> P { P } }\nP::|", "new"),
            ("nn::|", "AdamW"),
            ("torch::|", "randn"),
            ("plot::|", "hist"),
            ("ops::|", "softmax"),
            ("DType::|", "F32"),
        ] {
            let found = names(&[], text);
            assert!(found.iter().any(|known| known == name), "{text}: {found:?}");
        }
    }
}
