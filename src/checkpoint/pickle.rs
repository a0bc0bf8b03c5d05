//! Python pickles read as plain data. Nothing in a pickle is ever called: a call that it asks for is kept as a record of
//! what would be called with what, and only for names of what is data itself.

use std::rc::Rc;

/// Index of an object in its [`Pickle`]: objects that Python would share are shared, and no depth of nesting can overflow
/// the stack.
pub(super) type Ref = usize;

/// One object.
#[derive(Debug)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Str(String),
    /// A float, bytes, a set: something that no tensor is made of.
    Other,
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    /// "module name"
    Global(Rc<str>),
    /// What `callable(*arguments)` would be.
    Call {
        callable: Rc<str>,
        arguments: Ref,
    },
    /// An object kept outside the pickle, known by this.
    Persistent(Ref),
}

/// The objects of one pickle.
pub(super) struct Pickle {
    objects: Vec<Object>,
    pub root: Ref,
    /// Bytes the pickle takes; others may follow.
    pub length: usize,
}

impl Pickle {
    /// Reads the pickle that `bytes` begin with; it may name what `is_data` alone, which is told module and name.
    ///
    /// # Errors
    /// What is wrong with it: cut short, an opcode that weights have no need of, the name of something that is no data.
    pub fn parse(bytes: &[u8], is_data: fn(&str, &str) -> bool) -> Result<Self, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            is_data,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
        };
        let root = machine.run()?;
        Ok(Pickle {
            objects: machine.objects,
            root,
            length: machine.at,
        })
    }

    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    pub fn get(&self, object: Ref) -> &Object {
        &self.objects[object]
    }

    pub fn int(&self, object: Ref) -> Option<i64> {
        match self.get(object) {
            Object::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn str(&self, object: Ref) -> Option<&str> {
        match self.get(object) {
            Object::Str(text) => Some(text),
            _ => None,
        }
    }

    pub fn tuple(&self, object: Ref) -> Option<&[Ref]> {
        match self.get(object) {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }
}

/// Calls of this give an empty dict, which the pickle then fills.
const ORDERED_DICT: &str = "collections OrderedDict";

const CORRUPT: &str = "its pickle is corrupt: fetch the file again";

/// The stack machine that pickles are programs of.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    is_data: fn(&str, &str) -> bool,
    objects: Vec<Object>,
    stack: Vec<Ref>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Option<Ref>>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Ref, String> {
        loop {
            let start = self.at;
            let opcode = self.byte()?;
            match opcode {
                // PROTO, FRAME: of no consequence.
                0x80 => self.skip(1)?,
                0x95 => self.skip(8)?,
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.pop_mark()?;
                }
                b'N' => self.push(Object::None),
                0x88 => self.push(Object::Bool(true)),
                0x89 => self.push(Object::Bool(false)),
                b'K' => {
                    let value = self.unsigned(1)?;
                    self.push(Object::Int(value as i64));
                }
                b'M' => {
                    let value = self.unsigned(2)?;
                    self.push(Object::Int(value as i64));
                }
                b'J' => {
                    let value = self.unsigned(4)? as u32 as i32;
                    self.push(Object::Int(value.into()));
                }
                0x8a => {
                    let size = self.unsigned(1)?;
                    self.long(size)?;
                }
                0x8b => {
                    let size = self.unsigned(4)?;
                    self.long(size)?;
                }
                b'G' => {
                    self.skip(8)?;
                    self.push(Object::Other);
                }
                // BINUNICODE and its shorter and longer kin; BINSTRING of Python 2.
                b'X' | b'T' => self.text(4)?,
                0x8c | b'U' => self.text(1)?,
                0x8d => self.text(8)?,
                // BINBYTES and its kin, BYTEARRAY8.
                b'B' => self.binary(4)?,
                b'C' => self.binary(1)?,
                0x8e | 0x96 => self.binary(8)?,
                b')' => self.push(Object::Tuple(Vec::new())),
                0x85..=0x87 => {
                    let count = usize::from(opcode - 0x84);
                    let floor = self.floor();
                    let from = self.stack.len().checked_sub(count);
                    let from = from.filter(|&from| from >= floor).ok_or(CORRUPT)?;
                    let items = self.stack.split_off(from);
                    self.push(Object::Tuple(items));
                }
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Object::Tuple(items));
                }
                b']' => self.push(Object::List(Vec::new())),
                b'}' => self.push(Object::Dict(Vec::new())),
                // EMPTY_SET, ADDITEMS, FROZENSET.
                0x8f => self.push(Object::Other),
                0x90 => {
                    self.pop_mark()?;
                    self.top()?;
                }
                0x91 => {
                    self.pop_mark()?;
                    self.push(Object::Other);
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.extend(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.extend(items)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.global(&module, &name)?;
                }
                // REDUCE, NEWOBJ; NEWOBJ_EX, whose keywords no tensor has.
                b'R' | 0x81 => self.reduce()?,
                0x92 => {
                    self.pop()?;
                    self.reduce()?;
                }
                // BUILD sets attributes, such as a state dict's metadata, which no tensor depends on.
                b'b' => {
                    self.pop()?;
                    self.top()?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Object::Persistent(id));
                }
                b'q' => {
                    let slot = self.unsigned(1)?;
                    self.memoize(slot)?;
                }
                b'r' => {
                    let slot = self.unsigned(4)?;
                    self.memoize(slot)?;
                }
                0x94 => self.memoize(self.memo.len() as u64)?,
                b'h' => {
                    let slot = self.unsigned(1)?;
                    self.recall(slot)?;
                }
                b'j' => {
                    let slot = self.unsigned(4)?;
                    self.recall(slot)?;
                }
                other => {
                    return Err(format!(
                        "its pickle has opcode {other:#04x} at byte {start}, which weights do not need"
                    ));
                }
            }
        }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(count).ok().and_then(|n| rest.get(..n));
        let taken = taken.ok_or("its pickle is cut short: fetch the file again")?;
        self.at += taken.len();
        Ok(taken)
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        self.take(count).map(|_| ())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to eight bytes.
    fn unsigned(&mut self, size: u64) -> Result<u64, String> {
        let bytes = self.take(size)?;
        Ok(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// LONG1, LONG4. Nothing is known of a number that does not fit 64 bits but that it is there.
    fn long(&mut self, size: u64) -> Result<(), String> {
        let bytes = self.take(size)?;
        if bytes.len() > 8 {
            self.push(Object::Other);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|&b| b >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Object::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn text(&mut self, size: u64) -> Result<(), String> {
        let length = self.unsigned(size)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Object::Str(text));
        Ok(())
    }

    fn binary(&mut self, size: u64) -> Result<(), String> {
        let length = self.unsigned(size)?;
        self.skip(length)?;
        self.push(Object::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n');
        let line = self.take(end.unwrap_or(rest.len()) as u64)?;
        self.skip(1)?;
        std::str::from_utf8(line).map_err(|_| "its pickle has a name that is not text".into())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    /// Height of the stack below which the innermost mark hides it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Ref, String> {
        let top = self
            .stack
            .last()
            .filter(|_| self.stack.len() > self.floor());
        Ok(*top.ok_or(CORRUPT)?)
    }

    fn pop(&mut self) -> Result<Ref, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Ref>, String> {
        let mark = self.marks.pop().ok_or(CORRUPT)?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_text(&mut self) -> Result<String, String> {
        let object = self.pop()?;
        match &self.objects[object] {
            Object::Str(text) => Ok(text.clone()),
            _ => Err("its pickle has a name that is not text".into()),
        }
    }

    /// Adds to the list or dict on top of the stack.
    fn extend(&mut self, items: Vec<Ref>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.objects[top] {
            Object::List(list) => list.extend(items),
            Object::Dict(dict) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            // Another kind of list or dict, made by a call.
            Object::Call { .. } => {}
            _ => return Err("its pickle adds items to what is no list or dict".into()),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        if !(self.is_data)(module, name) {
            return Err(format!(
                "its pickle names {module}.{name}, which is no part of weights and is not run"
            ));
        }
        self.push(Object::Global(format!("{module} {name}").into()));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let Object::Global(callable) = &self.objects[callable] else {
            return Err("its pickle calls what is no name".into());
        };
        let is_empty = matches!(&self.objects[arguments], Object::Tuple(items) if items.is_empty());
        self.push(if is_empty && **callable == *ORDERED_DICT {
            Object::Dict(Vec::new())
        } else {
            Object::Call {
                callable: callable.clone(),
                arguments,
            }
        });
        Ok(())
    }

    fn memoize(&mut self, slot: u64) -> Result<(), String> {
        let top = self.top()?;
        // Writers number the slots one by one: a slot far beyond is no honest file's, and would take memory to honour.
        let slot = usize::try_from(slot).ok().filter(|&slot| slot < self.at);
        let slot = slot.ok_or(CORRUPT)?;
        if slot >= self.memo.len() {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(top);
        Ok(())
    }

    fn recall(&mut self, slot: u64) -> Result<(), String> {
        let known = self.memo.get(slot as usize).copied().flatten();
        let known = known.ok_or(CORRUPT)?;
        self.stack.push(known);
        Ok(())
    }
}
