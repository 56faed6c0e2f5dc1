//! The names of types as they are shown.

/// Shortens the paths of the SDK's own types in the name of a type: the crates that the SDK is made of have names that no cell can
/// write. `alloc::vec::Vec<patchbay_show::plot::figure::Figure>` is shown as `alloc::vec::Vec<Figure>`.
pub fn shown(type_name: &str) -> String {
    const INNER: &str = "patchbay_";
    let mut text = String::with_capacity(type_name.len());
    let mut rest = type_name;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
            .unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        match path.rsplit_once("::") {
            Some((_, name)) if path.starts_with(INNER) => text.push_str(name),
            _ => text.push_str(path),
        }
        let mut characters = after.chars();
        text.extend(characters.next());
        rest = characters.as_str();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_sdk_have_short_names() {
        for (name, expected) in [
            ("patchbay_show::plot::figure::Figure", "Figure"),
            (
                "alloc::vec::Vec<(patchbay_nn::layers::linear::Linear, &'a str)>",
                "alloc::vec::Vec<(Linear, &'a str)>",
            ),
            (
                "patchbay_plugin::slot::Slot<dyn patchbay_plugin::kinds::loss::Loss>",
                "Slot<dyn Loss>",
            ),
            ("candle_core::tensor::Tensor", "candle_core::tensor::Tensor"),
            ("cell::patchbay_like::Own", "cell::patchbay_like::Own"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }
}
