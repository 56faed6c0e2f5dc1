//! Patterns of names.

/// Tells whether a text is like a pattern, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // What stands between stars is looked for as early as possible, which leaves most for the rest.
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_anywhere() {
        for (pattern, text, is_like) in [
            ("*", "a.b", true),
            ("*", "", true),
            ("a.*", "a.b.c", true),
            ("a.*", "ab.c", false),
            ("*.bias", "a.bias", true),
            ("*.bias", "bias", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("a*a", "a", false),
            ("a*ab", "aab", true),
            ("*ä*", "bär", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, text), is_like, "{pattern} {text}");
        }
    }
}
