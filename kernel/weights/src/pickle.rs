//! Pickles, read without running them.
//!
//! The operations are those of Python's `pickletools`, protocols 2 to 5, as far as checkpoints use them. `GLOBAL`
//! names a function and `REDUCE` would call it: here the name and the arguments are kept side by side,
//! and whoever reads the value decides by the name.

use std::collections::HashMap;

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// Pairs, in the order in which they were set.
    Dict(Vec<(Value, Value)>),
    /// `module name`, a function or class.
    Global(String),
    /// A persistent id: PyTorch's storages.
    Persistent(Box<Value>),
    /// A call that was not made: what, with which arguments.
    Call(String, Vec<Value>),
    /// What an integer does not fit into 64 bits, or bytes: nothing that a checkpoint's tensors need.
    Other,
}

/// Values may nest this deep; each level is a copy, so a small file could otherwise fill the memory.
const MOST_VALUES: usize = 1 << 20;

/// Reads one pickle and returns its value and the number of bytes that it takes.
///
/// # Errors
///
/// Says at which byte what was not understood.
pub fn parse(bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
    };
    loop {
        let at = machine.at;
        let operation = machine.byte()?;
        if operation == b'.' {
            let value = machine.pop()?;
            return Ok((value, machine.at));
        }
        machine
            .step(operation)
            .map_err(|error| format!("pickle, byte {at}, operation {operation:#04x}: {error}"))?;
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    /// Values copied out of the memo so far.
    copied: usize,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            format!(
                "the file ends {count} bytes after byte {} too early",
                self.at
            )
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or("a line does not end")?;
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.at += 1;
        Ok(line)
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("nothing is on the stack".to_owned());
        }
        self.stack
            .pop()
            .ok_or_else(|| "nothing is on the stack".to_owned())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or("no mark was set")?;
        Ok(self.stack.split_off(mark))
    }

    fn last(&mut self) -> Result<&mut Value, String> {
        self.stack
            .last_mut()
            .ok_or_else(|| "nothing is on the stack".to_owned())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let value = self
            .memo
            .get(&key)
            .ok_or("nothing was stored there")?
            .clone();
        self.count(&value)?;
        self.stack.push(value);
        Ok(())
    }

    fn count(&mut self, value: &Value) -> Result<(), String> {
        self.copied += size(value);
        match self.copied > MOST_VALUES {
            true => Err("more values than a file of weights has".to_owned()),
            false => Ok(()),
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let value = self.last()?.clone();
        self.count(&value)?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn step(&mut self, operation: u8) -> Result<(), String> {
        match operation {
            0x80 => {
                let protocol = self.byte()?;
                if protocol > 5 {
                    return Err(format!(
                        "protocol {protocol}; PyTorch writes 2, the newest is 5"
                    ));
                }
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => {
                let value = self.byte()?;
                self.stack.push(Value::Integer(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Integer(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Integer(value.into()));
            }
            0x8a => {
                let length = self.byte()?;
                let bytes = self.take(length.into())?;
                self.stack.push(long(bytes));
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.stack.push(Value::Float(value));
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            // Bytes: seeds and states of random generators, nothing that a tensor needs.
            b'B' => {
                let length = u32::from_le_bytes(self.array()?);
                self.take(length as usize)?;
                self.stack.push(Value::Other);
            }
            b'C' => {
                let length = self.byte()?;
                self.take(length.into())?;
                self.stack.push(Value::Other);
            }
            // The length of a frame: only a hint for reading ahead.
            0x95 => drop(self.array::<8>()?),
            0x94 => {
                let key = u32::try_from(self.memo.len()).map_err(|_| "too many values")?;
                self.remember(key)?;
            }
            0x8f => self.stack.push(Value::List(Vec::new())),
            0x90 => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let value = self.last()?.clone();
                self.count(&value)?;
                self.stack.push(value);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err("a function whose name is no text".to_owned());
                };
                self.stack.push(Value::Global(format!("{module} {name}")));
            }
            b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(format!("{module} {name}")));
            }
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            b']' => self.stack.push(Value::List(Vec::new())),
            b'}' => self.stack.push(Value::Dict(Vec::new())),
            b't' => {
                let values = self.pop_to_mark()?;
                self.stack.push(Value::Tuple(values));
            }
            0x85..=0x87 => {
                let mut values = Vec::new();
                for _ in 0x84..operation {
                    values.insert(0, self.pop()?);
                }
                self.stack.push(Value::Tuple(values));
            }
            b'q' => {
                let key = self.byte()?;
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            b'h' => {
                let key = self.byte()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(vec![key, value])?;
            }
            b'u' => {
                let values = self.pop_to_mark()?;
                self.set(values)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.stack.push(Value::Persistent(Box::new(id)));
            }
            // A call of a function, or of a class to make an object.
            b'R' | 0x81 => {
                let (arguments, called) = (self.pop()?, self.pop()?);
                let (Value::Tuple(arguments), Value::Global(name)) = (arguments, called) else {
                    return Err("a call of something that is no function".to_owned());
                };
                self.stack.push(match name.as_str() {
                    "collections OrderedDict" | "collections defaultdict" | "builtins dict" => {
                        Value::Dict(Vec::new())
                    }
                    _ => Value::Call(name, arguments),
                });
            }
            // An object's state: of an ordered dictionary PyTorch's metadata, which is not needed.
            b'b' => drop(self.pop()?),
            _ => return Err("not an operation of a file of weights".to_owned()),
        }
        Ok(())
    }

    fn append(&mut self, values: Vec<Value>) -> Result<(), String> {
        match self.last()? {
            Value::List(list) => list.extend(values),
            // An object of a class that was not made: what goes into it is not needed.
            Value::Call(..) => {}
            _ => return Err("items for something that is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, values: Vec<Value>) -> Result<(), String> {
        let pairs = match self.last()? {
            Value::Dict(pairs) => pairs,
            Value::Call(..) => return Ok(()),
            _ => return Err("items for something that is no dictionary".to_owned()),
        };
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            pairs.push((key, value));
        }
        Ok(())
    }
}

/// A little-endian integer of any length in two's complement.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut all = [if is_negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Integer(i64::from_le_bytes(all))
}

/// How many values a value is made of.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Tuple(values) | Value::List(values) | Value::Call(_, values) => {
            values.iter().map(size).sum::<usize>()
        }
        Value::Dict(pairs) => pairs
            .iter()
            .map(|(key, value)| size(key) + size(value))
            .sum(),
        Value::Persistent(id) => size(id),
        _ => 0,
    }
}
