//! The leaves of imports.

use syn::UseTree;

/// The leaves of an import: the text of each, and the name that it binds.
pub fn import_leaves(import: &syn::ItemUse) -> Vec<(String, Option<String>)> {
    let mut leaves = Vec::new();
    flatten(&import.tree, String::new(), &mut leaves);
    leaves
        .into_iter()
        .map(|leaf| (leaf.text, leaf.bound))
        .collect()
}

/// A leaf of an import.
pub struct Leaf {
    pub path: String,
    pub text: String,
    /// The name that the import binds; `None` for a glob or `as _`.
    pub bound: Option<String>,
}

/// Adds the leaves of a tree behind a path.
pub fn flatten(tree: &UseTree, prefix: String, leaves: &mut Vec<Leaf>) {
    let join = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}::{name}")
        }
    };
    match tree {
        UseTree::Path(node) => flatten(&node.tree, join(&node.ident.to_string()), leaves),
        UseTree::Group(node) => {
            node.items
                .iter()
                .for_each(|tree| flatten(tree, prefix.clone(), leaves));
        }
        UseTree::Glob(_) => {
            leaves.push(Leaf {
                path: prefix.clone(),
                text: join("*"),
                bound: None,
            });
        }
        UseTree::Name(node) => {
            let name = node.ident.to_string();
            if name == "self" {
                let bound = prefix.rsplit("::").next().map(str::to_owned);
                leaves.push(Leaf {
                    path: prefix.clone(),
                    text: prefix,
                    bound,
                });
            } else {
                leaves.push(Leaf {
                    path: join(&name),
                    text: join(&name),
                    bound: Some(name),
                });
            }
        }
        UseTree::Rename(node) => {
            let path = join(&node.ident.to_string());
            let rename = node.rename.to_string();
            leaves.push(Leaf {
                text: format!("{path} as {rename}"),
                path,
                bound: (rename != "_").then_some(rename),
            });
        }
    }
}
