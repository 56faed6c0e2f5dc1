//! The types of variables, as people read them.

/// A type without the paths of its names.
pub fn shorten(type_text: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    let mut characters = type_text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '_' || character.is_alphanumeric() {
            word.push(character);
        } else if character == ':' && characters.peek() == Some(&':') && !word.is_empty() {
            characters.next();
            word.clear();
        } else {
            short.push_str(&word);
            word.clear();
            short.push(character);
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_shortened_to_their_names() {
        assert_eq!(
            shorten("std::collections::HashMap<std::string::String, Vec<candle_core::Tensor>>"),
            "HashMap<String, Vec<Tensor>>"
        );
        assert_eq!(shorten("&'static str"), "&'static str");
    }
}
