//! What a `tokenizer.json` may ask for, looked at before it is used: a text of some letters must not become gigabytes.

use patchbay::serde_json::{self, Value};

/// The most tokens that are encoded at once.
pub(super) const MOST_TOKENS: usize = 1 << 28;

/// A normalizer's steps together may make a text at most this many times as long. Those of published tokenizers make it 3
/// times as long (a space becomes `▁`).
const MOST_GROWTH: f64 = 64.0;

/// BERT's is 100. The time for a word goes with its square or cube.
const LONGEST_WORD: u64 = 2000;

/// How often a post-processor may repeat a text, and what it puts around it, in pieces.
const MOST_PIECES: usize = 1000;

/// Checks a tokenizer's file.
///
/// # Errors
///
/// Says which part asks for too much.
pub(super) fn check(text: &[u8]) -> Result<(), String> {
    let root: Value =
        serde_json::from_slice(text).map_err(|error| format!("no tokenizer.json: {error}"))?;
    let growth = growth(&root["normalizer"]) * growth(&root["pre_tokenizer"]);
    if growth > MOST_GROWTH {
        return Err(format!(
            "its normalizer can make a text {growth:.0} times as long, expected {MOST_GROWTH:.0} at most: look at the steps \
             of type Replace and Prepend in it"
        ));
    }
    let longest = root["model"]["max_input_chars_per_word"].as_u64();
    if let Some(longest) = longest.filter(|&longest| longest > LONGEST_WORD) {
        return Err(format!(
            "its max_input_chars_per_word is {longest}, expected {LONGEST_WORD} at most: words of that length would take \
             hours"
        ));
    }
    let pieces = pieces(&root["post_processor"]);
    if pieces > MOST_PIECES as f64 {
        return Err(format!(
            "its post_processor makes {pieces:.0} pieces of a text, expected {MOST_PIECES} at most"
        ));
    }
    Ok(())
}

/// How many times as long a text can become, one letter at the worst.
fn growth(step: &Value) -> f64 {
    for list in ["normalizers", "pretokenizers"] {
        if let Some(steps) = step[list].as_array() {
            return steps.iter().map(growth).product();
        }
    }
    match step["type"].as_str() {
        Some("Replace") => {
            let content = step["content"].as_str().unwrap_or_default().len() as f64;
            match step["pattern"]["String"].as_str() {
                // A text of one length in the place of one of another.
                Some(pattern) if !pattern.is_empty() => (content / pattern.len() as f64).max(1.0),
                // An expression may fit between any two letters.
                _ => content + 1.0,
            }
        }
        Some("Prepend") => 1.0 + step["prepend"].as_str().unwrap_or_default().len() as f64,
        Some("Metaspace") => {
            1.0 + step["replacement"].as_str().unwrap_or_default().len() as f64 / 4.0
        }
        _ => 1.0,
    }
}

/// How many pieces a post-processor makes of a text.
fn pieces(processor: &Value) -> f64 {
    if let Some(processors) = processor["processors"].as_array() {
        return processors.iter().map(pieces).product();
    }
    let longest = ["single", "pair"]
        .into_iter()
        .filter_map(|template| Some(processor[template].as_array()?.len()))
        .max()
        .unwrap_or(1);
    let special = processor["special_tokens"]
        .as_object()
        .into_iter()
        .flat_map(|tokens| tokens.values())
        .filter_map(|token| Some(token["ids"].as_array()?.len()))
        .max()
        .unwrap_or(1);
    longest.max(1) as f64 * special.max(1) as f64
}

#[cfg(test)]
mod tests {
    use patchbay::serde_json::json;

    use super::*;

    fn verdict(root: &Value) -> Result<(), String> {
        check(root.to_string().as_bytes())
    }

    fn replace(from: &str, to: &str) -> Value {
        json!({"type": "Replace", "pattern": {"String": from}, "content": to})
    }

    #[test]
    fn bombs_are_refused() {
        let doubling: Vec<Value> = (0..40).map(|_| replace("a", "aa")).collect();
        let nested = json!({"type": "Sequence", "normalizers": [
            {"type": "Sequence", "normalizers": [replace("a", &"a".repeat(20))]},
            {"type": "Sequence", "normalizers": [replace("a", &"a".repeat(20))]},
        ]});
        let expression =
            json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "x".repeat(100)});
        for normalizer in [
            json!({"type": "Sequence", "normalizers": doubling}),
            nested,
            expression,
            json!({"type": "Prepend", "prepend": "x".repeat(1 << 20)}),
        ] {
            let error = verdict(&json!({"normalizer": normalizer})).unwrap_err();
            assert!(error.contains("times as long"), "{error}");
        }
        let error =
            verdict(&json!({"model": {"max_input_chars_per_word": 1u64 << 40}})).unwrap_err();
        assert!(error.contains("max_input_chars_per_word"), "{error}");
        let template: Vec<Value> = (0..5000)
            .map(|_| json!({"Sequence": {"id": "A"}}))
            .collect();
        let error = verdict(&json!({"post_processor": {"single": template}})).unwrap_err();
        assert!(error.contains("post_processor"), "{error}");
    }

    #[test]
    fn published_tokenizers_pass() {
        for root in [
            json!({"normalizer": {"type": "BertNormalizer"}, "model": {"max_input_chars_per_word": 100}}),
            json!({"normalizer": {"type": "Sequence", "normalizers": [
                replace("``", "\""), replace("''", "\""), {"type": "NFKD"}, {"type": "StripAccents"},
                {"type": "Lowercase"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ]}}),
            json!({"normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"),
            ]}}),
            json!({"normalizer": null, "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}},
            ], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [101], "tokens": ["[CLS]"]}}}}),
        ] {
            verdict(&root).unwrap();
        }
    }
}
