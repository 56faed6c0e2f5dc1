//! Pickles, read without running them.
//!
//! The operations are those of Python's `pickletools`, protocols 2 to 5, as far as checkpoints use them. `GLOBAL`
//! names a function and `REDUCE` would call it: here the name and the arguments are kept side by side,
//! and whoever reads the value decides by the name.

use std::collections::HashMap;

/// Where a value is among those of its pickle.
pub type Id = u32;

/// A value of a pickle. Values that it is made of are named by their place, so that a container that was put into two
/// others is the same in both, and no depth of nesting costs any stack.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Pairs, in the order in which they were set.
    Dict(Vec<(Id, Id)>),
    /// `module name`, a function or class.
    Global(String),
    /// A persistent id: PyTorch's storages.
    Persistent(Id),
    /// A call that was not made: a [`Value::Global`], and a [`Value::Tuple`] of arguments.
    Call(Id, Id),
    /// What an integer does not fit into 64 bits, or bytes: nothing that a checkpoint's tensors need.
    Other,
}

/// A pickle that was read.
pub struct Pickle {
    /// All values, in the order in which they were made.
    pub values: Vec<Value>,
    pub root: Id,
    /// Of the objects that were not made ([`Value::Call`]) those that were given a state, with it.
    pub states: HashMap<Id, Id>,
    /// How many bytes it takes.
    pub length: usize,
}

impl Pickle {
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members of a tuple; none for anything else.
    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(members) => Some(members),
            _ => None,
        }
    }
}

/// A value takes up to 64 bytes of memory, and one byte of a file can make one: without a bound, a small file could
/// fill the memory.
const MOST_VALUES: usize = 1 << 22;

/// The most operations that are done. A value takes a few of them at most; what only moves values about makes none and could
/// go on for the length of the file.
const MOST_OPERATIONS: usize = 4 * MOST_VALUES;

/// Of a function with its module.
const LONGEST_NAME: usize = 1 << 10;

/// Reads one pickle; bytes may follow it.
///
/// # Errors
///
/// Says at which byte what was not understood.
pub fn parse(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: Vec::new(),
        states: HashMap::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MOST_OPERATIONS {
        let at = machine.at;
        let operation = machine.byte()?;
        if operation == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle {
                values: machine.values,
                root,
                states: machine.states,
                length: machine.at,
            });
        }
        machine
            .step(operation)
            .map_err(|error| format!("pickle, byte {at}, operation {operation:#04x}: {error}"))?;
    }
    Err(format!(
        "a pickle of more than {MOST_OPERATIONS} operations ({} of {} bytes were read), which no file of weights needs: load \
         it in Python and torch.save its state_dict() alone",
        machine.at,
        bytes.len()
    ))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    states: HashMap<Id, Id>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            format!(
                "truncated: {count} bytes are to follow byte {}, the pickle has {}",
                self.at,
                self.bytes.len()
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
        self.make(Value::Text(text))
    }

    /// Adds a value and puts it on the stack.
    fn make(&mut self, value: Value) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES {
            return Err("more values than a file of weights has".to_owned());
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("nothing is on the stack".to_owned());
        }
        self.stack
            .pop()
            .ok_or_else(|| "nothing is on the stack".to_owned())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("no mark was set")?;
        if mark > self.stack.len() {
            return Err("a mark above the stack".to_owned());
        }
        Ok(self.stack.split_off(mark))
    }

    fn last(&self) -> Result<Id, String> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "nothing is on the stack".to_owned())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or("nothing was stored there")?;
        self.push(id)
    }

    /// Puts a value that is there already on the stack, which is bounded as the values are.
    fn push(&mut self, id: Id) -> Result<(), String> {
        if self.stack.len() >= MOST_VALUES {
            return Err("more values than a file of weights has".to_owned());
        }
        self.stack.push(id);
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let id = self.last()?;
        if self.memo.len() >= MOST_VALUES {
            return Err("more stored values than a file of weights has".to_owned());
        }
        self.memo.insert(key, id);
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
            b'(' => {
                if self.marks.len() >= MOST_VALUES {
                    return Err("more marks than a file of weights has".to_owned());
                }
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'N' => self.make(Value::None)?,
            0x88 => self.make(Value::Bool(true))?,
            0x89 => self.make(Value::Bool(false))?,
            b'K' => {
                let value = self.byte()?;
                self.make(Value::Integer(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.make(Value::Integer(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.make(Value::Integer(value.into()))?;
            }
            0x8a => {
                let length = self.byte()?;
                let bytes = self.take(length.into())?;
                self.make(long(bytes))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.make(Value::Float(value))?;
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
                self.make(Value::Other)?;
            }
            b'C' => {
                let length = self.byte()?;
                self.take(length.into())?;
                self.make(Value::Other)?;
            }
            // The length of a frame: only a hint for reading ahead.
            0x95 => drop(self.array::<8>()?),
            0x94 => {
                let key = u32::try_from(self.memo.len()).map_err(|_| "too many values")?;
                self.remember(key)?;
            }
            0x8f => self.make(Value::List(Vec::new()))?,
            0x90 => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let id = self.last()?;
                self.push(id)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) =
                    (&self.values[module as usize], &self.values[name as usize])
                else {
                    return Err("a function whose name is no text".to_owned());
                };
                // Texts may be used again, names of functions are copies of them.
                if module.len() + name.len() > LONGEST_NAME {
                    return Err(format!("a function's name of over {LONGEST_NAME} bytes"));
                }
                let name = format!("{module} {name}");
                self.make(Value::Global(name))?;
            }
            b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.make(Value::Global(format!("{module} {name}")))?;
            }
            b')' => self.make(Value::Tuple(Vec::new()))?,
            b']' => self.make(Value::List(Vec::new()))?,
            b'}' => self.make(Value::Dict(Vec::new()))?,
            b't' => {
                let values = self.pop_to_mark()?;
                self.make(Value::Tuple(values))?;
            }
            0x85..=0x87 => {
                let mut values = Vec::new();
                for _ in 0x84..operation {
                    values.insert(0, self.pop()?);
                }
                self.make(Value::Tuple(values))?;
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
                self.make(Value::Persistent(id))?;
            }
            // A call of a function, or of a class to make an object.
            b'R' | 0x81 => {
                let (arguments, called) = (self.pop()?, self.pop()?);
                let is_call = matches!(self.values[arguments as usize], Value::Tuple(_));
                let value = match &self.values[called as usize] {
                    Value::Global(name) if is_call => match name.as_str() {
                        "collections OrderedDict" | "collections defaultdict" | "builtins dict" => {
                            Value::Dict(Vec::new())
                        }
                        _ => Value::Call(called, arguments),
                    },
                    // In the old format a pickled network's class comes with its program.
                    Value::Persistent(_) if is_call => Value::Call(called, arguments),
                    _ => return Err("a call of something that is no function".to_owned()),
                };
                self.make(value)?;
            }
            // An object's state: a network's are its parameters; of an ordered dictionary it is PyTorch's metadata, which is
            // not needed.
            b'b' => {
                let state = self.pop()?;
                if let Some(&object) = self.stack.last()
                    && matches!(self.values[object as usize], Value::Call(..))
                {
                    self.states.insert(object, state);
                }
            }
            _ => return Err("not an operation of a file of weights".to_owned()),
        }
        Ok(())
    }

    fn append(&mut self, added: Vec<Id>) -> Result<(), String> {
        let target = self.last()?;
        match &mut self.values[target as usize] {
            Value::List(list) => list.extend(added),
            // An object of a class that was not made: what goes into it is not needed.
            Value::Call(..) => {}
            _ => return Err("items for something that is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, added: Vec<Id>) -> Result<(), String> {
        let target = self.last()?;
        match &mut self.values[target as usize] {
            Value::Dict(pairs) => {
                pairs.extend(added.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            Value::Call(..) => {}
            _ => return Err("items for something that is no dictionary".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails by an overflow of the stack, which ends the process, where anything goes down the levels by recursion.
    fn on_a_small_stack(program: Vec<u8>) -> Result<Pickle, String> {
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let parsed = thread.spawn(move || parse(&program)).unwrap();
        parsed.join().unwrap()
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let levels = 500_000;
        let tuples = [&b"\x80\x02N"[..], &vec![0x85; levels], b"."].concat();
        let lists = [&vec![b']'; levels][..], &vec![b'a'; levels - 1], b"."].concat();
        let dicts = [
            b"}K\x01".repeat(levels),
            b"N".to_vec(),
            vec![b's'; levels],
            b".".to_vec(),
        ];
        for program in [tuples, lists, dicts.concat()] {
            let pickle = on_a_small_stack(program).unwrap();
            assert!(pickle.values.len() >= levels);
        }
        let too_many = [&b"N"[..], &vec![0x85; MOST_VALUES], b"."].concat();
        let error = on_a_small_stack(too_many).err().unwrap();
        assert!(error.contains("more values than"), "{error}");
    }

    /// Each of these goes on for the length of the file and makes nothing.
    #[test]
    fn operations_without_end_are_given_up() {
        let repeated = |start: &[u8], part: &[u8]| {
            let count = (64 << 20) / part.len();
            [start, &part.repeat(count)[..], b"."].concat()
        };
        for (start, part) in [
            (&b"N"[..], &b"20"[..]),
            (b"N", b"(1"),
            (b"N", b"q\x00"),
            (b"Nq\x00", b"h\x000"),
            (b"", b"\x80\x02"),
            (b"", b"\x95\x00\x00\x00\x00\x00\x00\x00\x00"),
            (b"]", b"(e"),
            (b"}", b"(u"),
            (b"]q\x00", b"h\x00a"),
        ] {
            let error = parse(&repeated(start, part)).err();
            // Those whose parts are long end with the file.
            assert!(
                error.as_ref().is_none_or(|error| {
                    error.contains("operations")
                        || error.contains("more ")
                        || error.contains("stack")
                }),
                "{part:?}: {error:?}"
            );
        }
        let error = parse(&repeated(b"N", b"20")).err().unwrap();
        assert!(error.contains("state_dict()"), "{error}");
    }

    #[test]
    fn a_container_in_two_places_is_one() {
        // {"a": d, "b": d} where d is filled after it was stored under "a" in the memo.
        let pickle = parse(b"}(U\x01a}q\x00U\x01wK\x07sU\x01bh\x00u.").unwrap();
        let Value::Dict(pairs) = pickle.get(pickle.root) else {
            panic!("no dictionary");
        };
        assert_eq!(pairs[0].1, pairs[1].1);
        assert!(matches!(pickle.get(pairs[1].1), Value::Dict(inner) if inner.len() == 1));
        assert_eq!(pickle.text(pairs[1].0), Some("b"));
    }

    #[test]
    fn repeated_values_take_no_memory() {
        // A tuple of itself twice, 200 times: 2^200 members, if they were copies.
        let mut program = b"]".to_vec();
        for key in 0..200u8 {
            program.extend([b'q', key, b'h', key, 0x86]);
        }
        program.push(b'.');
        assert!(parse(&program).unwrap().values.len() < 300);
        // Functions' names are copies of texts, which may be long and used again.
        let mut program = b"X\x00\x00\x01\x00".to_vec();
        program.extend(vec![b'a'; 1 << 16]);
        program.extend(b"q\x00h\x00\x93.");
        assert!(parse(&program).err().unwrap().contains("a function's name"));
    }
}
