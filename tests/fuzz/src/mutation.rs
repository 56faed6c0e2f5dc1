//! Mutations of seeds, drawn from a seed of their own.

use crate::Target;

/// The longest input.
const MOST_BYTES: usize = 1 << 20;

/// Numbers at which things break.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff0,
    u64::MAX,
];

/// Makes inputs for a target from others.
pub struct Mutator {
    state: u64,
    inputs: Vec<Vec<u8>>,
    words: &'static [&'static [u8]],
}

impl Mutator {
    /// One that begins with these inputs; the same seed gives the same inputs.
    pub fn new(target: &Target, inputs: Vec<Vec<u8>>, seed: u64) -> Mutator {
        Mutator {
            state: seed,
            inputs,
            words: target.words,
        }
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let chosen = self.below(self.inputs.len());
        let mut input = self.inputs.get(chosen).cloned().unwrap_or_default();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input.truncate(MOST_BYTES);
        // What was made is changed further, sometimes.
        if self.below(64) == 0 && !self.inputs.is_empty() && input.len() < 1 << 14 {
            self.inputs.push(input.clone());
            if self.inputs.len() > 512 {
                let at = self.below(512);
                self.inputs.swap_remove(at);
            }
        }
        input
    }

    /// Changes an input in one place.
    pub fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let length = match self.below(4) {
            0 => self.below(input.len() - at + 1),
            _ => self.below(16).min(input.len() - at),
        };
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.next() as u8,
            2 => drop(input.drain(at..at + length)),
            // A piece again, many times for what nests.
            3 => {
                let piece = input[at..at + length].to_vec();
                let times = match self.below(16) {
                    0 => 4096,
                    1 => 64,
                    _ => 1,
                };
                let times = times.min(1 + MOST_BYTES / (8 * piece.len().max(1)));
                input.splice(at..at, piece.repeat(times));
            }
            4 | 5 if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())];
                let end = if self.below(2) == 0 { at } else { at + length };
                input.splice(at..end, word.iter().copied());
            }
            6 => {
                let number = NUMBERS[self.below(NUMBERS.len())];
                let width = 1 << self.below(4);
                let bytes = match self.below(3) {
                    0 => number.to_string().into_bytes(),
                    1 => number.to_le_bytes()[..width].to_vec(),
                    _ => number.to_be_bytes()[8 - width..].to_vec(),
                };
                let end = input.len().min(at + bytes.len());
                input.splice(at..end, bytes);
            }
            7 => {
                let other = self.below(self.inputs.len());
                if let Some(other) = self.inputs.get(other).cloned() {
                    let from = self.below(other.len() + 1);
                    input.splice(at.., other[from..].iter().copied());
                }
            }
            8 => {
                let to = self.below(input.len() + 1);
                let piece = input[at..at + length].to_vec();
                input.splice(to..to, piece);
            }
            _ => {}
        }
    }
}
