//! `%%plugin kind/name`: from the text of a cell to the program of a plugin.

use std::ops::Range;

use quote::ToTokens;
use syn::{FnArg, Item, ItemFn, Meta};

use super::{
    kinds::{self, KINDS},
    nesting,
    program::{Program, Source},
    spans,
};

/// What a cell lacks to be a plugin.
#[derive(Debug)]
pub struct Missing {
    /// Where in the cell's text that is; `None` where it is nowhere.
    pub range: Option<Range<usize>>,
    /// What it is, and what to write.
    pub message: String,
}

impl From<String> for Missing {
    fn from(message: String) -> Missing {
        Missing {
            range: None,
            message,
        }
    }
}

/// Writes the program of a plugin.
///
/// A cell is either a whole plugin (with `export_plugin!`), or components (`impl Define for X`, which
/// are exported), or for the kinds that have one method just that method as a function: `fn
/// forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor>`, with `config: &Config` in front
/// if it has settings, which `config! { struct Config { ... } }` declares.
///
/// # Errors
///
/// Says what the cell is missing. Text that does not parse is left for rustc to explain.
pub fn program(id: &str, source: &Source) -> Result<Program, Missing> {
    let mut program = Program::default();
    program
        .generated("#![allow(unused_imports, dead_code)]\nuse ::patchbay::plugin::prelude::*;\n");
    program.source(source, 0..source.text.len(), &[], "");
    program.generated("\n");
    let exported = nesting::read(&source.text, || match syn::parse_file(&source.text) {
        Ok(file) => export(id, &file.items),
        Err(_) => Ok(String::new()),
    });
    program.generated(&exported.map_err(|error| error.to_string())??);
    Ok(program)
}

/// What must be added to the items of a cell to make them a plugin.
fn export(id: &str, items: &[Item]) -> Result<String, Missing> {
    let is_exported = items.iter().any(|item| {
        matches!(item, Item::Macro(call)
            if call.mac.path.segments.last().is_some_and(|name| name.ident == "export_plugin"))
    });
    if is_exported {
        return Ok(String::new());
    }
    let components: Vec<String> = items.iter().filter_map(defined_component).collect();
    if !components.is_empty() {
        return Ok(format!(
            "::patchbay::export_plugin!({});\n",
            components.join(", ")
        ));
    }
    let (kind, _) = id.split_once('/').unwrap_or((id, ""));
    let known = kinds::find(kind).and_then(|kind| Some((kind.trait_name, kind.function?)));
    let named = |wanted: &str| {
        items.iter().find_map(|item| match item {
            Item::Fn(function) if function.sig.ident == wanted => Some(function),
            _ => None,
        })
    };
    match known.map(|(kind, of)| (kind, of, named(of.0))) {
        Some((kind, of, Some(function))) => component(id, kind, of, function),
        Some((_, (name, arguments), None)) => Err(format!(
            "a plugin cell of the kind {kind} needs `fn {name}({}) -> Result<Tensor>`, or a component \
             with `impl Define for ...`",
            arguments
                .iter()
                .map(|name| format!("{name}: &Tensor"))
                .collect::<Vec<_>>()
                .join(", ")
        )
        .into()),
        None => {
            let functions = KINDS.iter().filter(|kind| kind.function.is_some());
            let names: Vec<&str> = functions.map(|kind| kind.name).collect();
            Err(format!(
                "a plugin cell for {id} needs a component with `impl Define for ...`; only {} can be written \
                 as a function",
                names.join(" and ")
            )
            .into())
        }
    }
}

/// The type of an `impl Define for Type`.
fn defined_component(item: &Item) -> Option<String> {
    let Item::Impl(item) = item else { return None };
    let (path, _) = item.trait_.as_ref()?;
    let is_define = path
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "Define");
    is_define.then(|| item.self_ty.to_token_stream().to_string())
}

/// A component around a function.
fn component(
    id: &str,
    kind: &str,
    (name, arguments): (&str, &[&str]),
    function: &ItemFn,
) -> Result<String, Missing> {
    let given = function.sig.inputs.len();
    let has_config = given == arguments.len() + 1;
    if !has_config && given != arguments.len() {
        return Err(wrong(
            function,
            &function.sig,
            name,
            arguments,
            &format!("this one takes {given} arguments"),
        ));
    }
    for argument in function.sig.inputs.iter().skip(usize::from(has_config)) {
        let is_reference = matches!(argument, FnArg::Typed(typed)
            if !matches!(&*typed.ty, syn::Type::Path(path) if path.path.is_ident("Tensor")));
        if !is_reference {
            let why = "a tensor is taken by reference, `&Tensor`";
            return Err(wrong(function, argument, name, arguments, why));
        }
    }
    let returns_plain = match &function.sig.output {
        syn::ReturnType::Default => true,
        syn::ReturnType::Type(_, written) => {
            matches!(&**written, syn::Type::Path(path) if path.path.is_ident("Tensor"))
        }
    };
    if returns_plain {
        let why = "this one does not return `Result<Tensor>`";
        return Err(wrong(function, &function.sig, name, arguments, why));
    }
    let config = if has_config {
        config_type(name, &function.sig.inputs[0])
            .map_err(|why| wrong(function, &function.sig.inputs[0], name, arguments, &why))?
    } else {
        "()".to_owned()
    };
    let pass_config = if has_config { "&self.0, " } else { "" };
    let summary = summary(function).unwrap_or_else(|| "defined in a notebook".to_owned());
    let typed: Vec<String> = arguments
        .iter()
        .map(|argument| format!("{argument}: &Tensor"))
        .collect();
    Ok(format!(
        "struct PluginCell({config});\n\
         impl Component for PluginCell {{}}\n\
         impl Define for PluginCell {{\n\
         type Kind = dyn {kind};\ntype Config = {config};\n\
         const ID: &'static str = {id:?};\nconst SUMMARY: &'static str = {summary:?};\n\
         const DETAILS: Details = Details::NONE;\n\
         fn build(config: {config}, _context: &Context) -> Result<Self> {{ Ok(PluginCell(config)) }}\n}}\n\
         impl {kind} for PluginCell {{\n\
         fn {name}(&self, {}) -> Result<Tensor> {{ {name}({pass_config}{}) }}\n}}\n\
         ::patchbay::export_plugin!(PluginCell);\n",
        typed.join(", "),
        arguments.join(", "),
    ))
}

/// The error of a function of another signature, at what is wrong with it.
fn wrong(
    function: &ItemFn,
    place: &impl ToTokens,
    name: &str,
    arguments: &[&str],
    why: &str,
) -> Missing {
    let typed: Vec<String> = arguments
        .iter()
        .map(|argument| format!("{argument}: &Tensor"))
        .collect();
    let range = spans::range(place);
    Missing {
        range: Some(match range.is_empty() {
            true => spans::range(&function.sig.ident),
            false => range,
        }),
        message: format!(
            "{why}\nthe function is: fn {name}({}) -> Result<Tensor>, with `config: &Config` in front if it has settings",
            typed.join(", ")
        ),
    }
}

/// The type behind the reference of `config: &Config`.
fn config_type(name: &str, argument: &FnArg) -> Result<String, String> {
    if let FnArg::Typed(typed) = argument
        && let syn::Type::Reference(reference) = &*typed.ty
    {
        return Ok(reference.elem.to_token_stream().to_string());
    }
    Err(format!(
        "the first argument of `{name}` is its settings, `config: &Config`"
    ))
}

/// The first line of a function's doc comment.
fn summary(function: &ItemFn) -> Option<String> {
    function
        .attrs
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
                syn::Expr::Lit(literal) => match &literal.lit {
                    syn::Lit::Str(text) => Some(text.value().trim().to_owned()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(id: &str, text: &str) -> Result<String, Missing> {
        let source = Source {
            text: text.into(),
            cell: 1,
            first_line: 1,
        };
        program(id, &source).map(|program| program.text)
    }

    #[test]
    fn a_function_becomes_a_component() {
        let text = written(
            "loss/mine",
            "/// Absolute error.\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> { todo!() }",
        )
        .unwrap();
        for part in [
            "const ID: &'static str = \"loss/mine\";",
            "const SUMMARY: &'static str = \"Absolute error.\";",
            "impl Loss for PluginCell",
            "forward(prediction, target)",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let text = written(
            "loss/mine",
            "config! { struct Scale { by: f64 = 1.0 } }\n\
             fn forward(config: &Scale, prediction: &Tensor, target: &Tensor) -> Result<Tensor> { todo!() }",
        )
        .unwrap();
        assert!(
            text.contains("type Config = Scale;")
                && text.contains("forward(&self.0, prediction, target)")
        );
    }

    #[test]
    fn components_are_exported_and_whole_plugins_left_alone() {
        let text = written(
            "encoder/x",
            "struct A; impl Define for A {} struct B; impl Define for B {}",
        )
        .unwrap();
        assert!(text.contains("export_plugin!(A, B);"));
        let text = written("loss/x", "export_plugin!(A);").unwrap();
        assert_eq!(text.matches("export_plugin").count(), 1);
    }

    #[test]
    fn what_is_missing_is_told() {
        assert!(
            written("loss/x", "fn f() {}")
                .unwrap_err()
                .message
                .contains("fn forward(prediction: &Tensor")
        );
        assert!(
            written("encoder/x", "fn f() {}")
                .unwrap_err()
                .message
                .contains("impl Define")
        );
        for (text, at, why) in [
            ("fn forward() {}", "fn forward()", "takes 0 arguments"),
            (
                "fn forward(prediction: Tensor, target: &Tensor) -> Result<Tensor> {}",
                "prediction: Tensor",
                "by reference",
            ),
            (
                "fn forward(a: &Tensor, b: &Tensor) -> Tensor {}",
                "fn forward(a: &Tensor, b: &Tensor) -> Tensor",
                "does not return",
            ),
        ] {
            let missing = written("loss/x", text).unwrap_err();
            assert_eq!(&text[missing.range.unwrap()], at);
            assert!(missing.message.contains(why), "{}", missing.message);
            assert!(
                missing
                    .message
                    .contains("fn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor>")
            );
        }
    }
}
