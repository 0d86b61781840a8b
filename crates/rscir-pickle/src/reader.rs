use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;

use crate::error::{Error, Result};
use crate::opcode as op;
use crate::text;
use crate::value::{GlobalNode, Id, Node, ObjectNode, Pickle};

/// Bytes of memory that every pickle may use beside its input: enough for the names of a million tiles, and
/// little compared with a model.
const BASE_MEMORY: usize = 64 << 20;

/// Divisor of the input's length that gives the memory on top of [`BASE_MEMORY`]. Vectors grow by doubling,
/// so that the memory in use may for a moment be three times the memory that is counted.
const INPUT_SHARE: usize = 3;

/// Bytes that an allocation takes beside its content: the allocator's bookkeeping and the unused capacity of
/// a vector.
const ALLOCATION: usize = 32;

/// Highest protocol that is read.
const HIGHEST_PROTOCOL: u8 = 5;

/// Indices of the values that every arena begins with, so that opcodes of one byte without content allocate
/// nothing.
const NONE: Id = 0;
const FALSE: Id = 1;
const TRUE: Id = 2;
const EMPTY_TUPLE: Id = 3;

/// Reads pickles. Only globals on the allow-list may occur in them.
#[derive(Clone, Debug, Default)]
pub struct Reader<'a> {
    allowed: Vec<&'a [&'a str]>,
    memory: Option<usize>,
}

impl<'a> Reader<'a> {
    /// Makes a reader that allows no globals, for plain data only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows globals by dotted name, such as `collections.OrderedDict`. A name that ends in `.*` allows
    /// everything below that module. An allowed global is only named in the result; it is never imported or
    /// called.
    #[must_use]
    pub fn allow(mut self, names: &'a [&'a str]) -> Self {
        self.allowed.push(names);
        self
    }

    /// Sets the limit of the memory that is allocated beside the input, in bytes as counted. The memory in
    /// use may for a moment be three times the limit. Default: 64 MiB and a third of the input's length.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Reads the pickle at the beginning of `input`. [`Pickle::consumed`] tells where it ends.
    ///
    /// # Errors
    /// [`Error::ForbiddenGlobal`] for a global that is not allowed; [`Error::Unsupported`] and
    /// [`Error::Protocol`] for opcodes that are not read; [`Error::TooMuchMemory`] beyond the limit; every
    /// other variant for damage.
    pub fn read<'i>(&self, input: &'i [u8]) -> Result<Pickle<'i>> {
        let machine = Machine {
            reader: self,
            limit: self.memory.unwrap_or_else(|| BASE_MEMORY.saturating_add(input.len() / INPUT_SHARE)),
            spent: 0,
            input,
            position: 0,
            offset: 0,
            opcode: "PROTO",
            nodes: vec![Node::None, Node::Bool(false), Node::Bool(true), Node::Tuple(Box::default())],
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        machine.run()
    }

    fn allows(&self, module: &str, name: &str) -> bool {
        self.allowed.iter().copied().flatten().any(|rule| match rule.strip_suffix('*') {
            // "a.b.*" without the star is "a.b.", which must be a prefix of "module.".
            Some(below) => match below.strip_suffix('.') {
                Some(parent) => module == parent || module.starts_with(below),
                None => false,
            },
            None => {
                rule.len() == module.len() + 1 + name.len()
                    && rule.starts_with(module)
                    && rule.ends_with(name)
                    && rule.as_bytes().get(module.len()) == Some(&b'.')
            }
        })
    }
}

/// The pickle machine: a stack with marks, and a memo.
struct Machine<'r, 'i> {
    reader: &'r Reader<'r>,
    limit: usize,
    spent: usize,
    input: &'i [u8],
    position: usize,
    /// Offset of the current opcode. Errors name it together with the opcode.
    offset: usize,
    opcode: &'static str,
    nodes: Vec<Node<'i>>,
    stack: Vec<Id>,
    /// Height of the stack at each `MARK`. Opcodes cannot reach values below the last mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'i> Machine<'_, 'i> {
    fn run(mut self) -> Result<Pickle<'i>> {
        loop {
            self.offset = self.position;
            let [code] = self.array()?;
            self.opcode = op::name(code).ok_or(Error::UnknownOpcode { offset: self.offset, code })?;
            if code == op::STOP {
                break;
            }
            self.step(code)?;
        }
        match self.stack[..] {
            [root] if self.marks.is_empty() => {
                Ok(Pickle { nodes: self.nodes, root, consumed: self.position })
            }
            _ => Err(Error::Unfinished { offset: self.offset, values: self.stack.len() }),
        }
    }

    fn step(&mut self, code: u8) -> Result<()> {
        match code {
            op::PROTO => match self.array()? {
                [version] if version > HIGHEST_PROTOCOL => Err(Error::Protocol { version }),
                _ => Ok(()),
            },
            // A frame only tells how much may be read at once.
            op::FRAME => self.array::<8>().map(|_| ()),

            op::NONE => self.push(NONE),
            op::NEWTRUE => self.push(TRUE),
            op::NEWFALSE => self.push(FALSE),
            op::EMPTY_TUPLE => self.push(EMPTY_TUPLE),
            op::INT => self.int_line(),
            op::LONG => self.long_line(),
            op::FLOAT => self.float_line(),
            op::BININT1 => {
                let [value] = self.array()?;
                self.make(Node::Int(value.into()))
            }
            op::BININT2 => {
                let value = u16::from_le_bytes(self.array()?);
                self.make(Node::Int(value.into()))
            }
            op::BININT => {
                let value = i32::from_le_bytes(self.array()?);
                self.make(Node::Int(value.into()))
            }
            op::LONG1 | op::LONG4 => {
                let length = if code == op::LONG1 { self.length1()? } else { self.length4()? };
                let bytes = self.take(length)?;
                self.make(Node::integer(bytes))
            }
            op::BINFLOAT => {
                let value = f64::from_be_bytes(self.array()?);
                self.make(Node::Float(value))
            }

            op::UNICODE => {
                let line = self.line()?;
                // Latin-1 takes up to twice its length in UTF-8.
                self.spend(2 * line.len())?;
                let text = text::raw_unicode(line).ok_or_else(|| self.malformed())?;
                self.make(Node::Str(Cow::Owned(text)))
            }
            op::SHORT_BINUNICODE => self.length1().and_then(|length| self.unicode(length)),
            op::BINUNICODE => self.length4().and_then(|length| self.unicode(length)),
            op::BINUNICODE8 => self.length8().and_then(|length| self.unicode(length)),
            op::STRING => {
                let line = self.line()?;
                self.spend(line.len())?;
                let bytes = text::quoted(line).ok_or_else(|| self.malformed())?;
                self.make(match String::from_utf8(bytes) {
                    Ok(text) => Node::Str(text.into()),
                    Err(error) => Node::Bytes(error.into_bytes().into()),
                })
            }
            op::SHORT_BINSTRING => self.length1().and_then(|length| self.python2_string(length)),
            op::BINSTRING => self.length4().and_then(|length| self.python2_string(length)),
            op::SHORT_BINBYTES => self.length1().and_then(|length| self.bytes(length)),
            op::BINBYTES => self.length4().and_then(|length| self.bytes(length)),
            op::BINBYTES8 | op::BYTEARRAY8 => self.length8().and_then(|length| self.bytes(length)),

            op::MARK => {
                self.spend(mem::size_of::<usize>())?;
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => match self.stack.len() == self.fence() {
                // A POP directly after MARK drops the mark, as in CPython.
                true => self.marks.pop().map(|_| ()).ok_or_else(|| self.underflow()),
                false => self.pop().map(|_| ()),
            },
            op::POP_MARK => self.pop_mark().map(|start| self.stack.truncate(start)),
            op::DUP => self.top().and_then(|id| self.push(id)),

            op::TUPLE => {
                let start = self.pop_mark()?;
                self.tuple(start)
            }
            op::TUPLE1 => self.tuple_of(1),
            op::TUPLE2 => self.tuple_of(2),
            op::TUPLE3 => self.tuple_of(3),
            op::EMPTY_LIST => self.make(Node::List(Vec::new())),
            op::LIST => {
                let items = self.items()?;
                self.make(Node::List(items))
            }
            op::APPEND => {
                let item = self.pop()?;
                self.append(&[item])
            }
            op::APPENDS => {
                let items = self.items()?;
                self.append(&items)
            }
            op::EMPTY_DICT => self.make(Node::Dict(Vec::new())),
            op::DICT => {
                let pairs = self.pairs()?;
                self.make(Node::Dict(pairs))
            }
            op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[(key, value)])
            }
            op::SETITEMS => {
                let pairs = self.pairs()?;
                self.set(&pairs)
            }
            op::EMPTY_SET => self.make(Node::Set(Vec::new())),
            op::FROZENSET => {
                let items = self.items()?;
                self.make(Node::Set(items))
            }
            op::ADDITEMS => {
                let items = self.items()?;
                let got = match self.top_node()? {
                    Node::Set(set) => {
                        set.extend(items);
                        return Ok(());
                    }
                    other => other.type_name(),
                };
                Err(self.operand("a set", got))
            }

            op::GET => self.memo_line().and_then(|index| self.recall(index)),
            op::BINGET => {
                let [index] = self.array()?;
                self.recall(index.into())
            }
            op::LONG_BINGET => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)
            }
            op::PUT => self.memo_line().and_then(|index| self.memorize(index)),
            op::BINPUT => {
                let [index] = self.array()?;
                self.memorize(index.into())
            }
            op::LONG_BINPUT => {
                let index = u32::from_le_bytes(self.array()?);
                self.memorize(index)
            }
            // The memory limit keeps the memo far below 2^32 entries.
            op::MEMOIZE => self.memorize(self.memo.len() as u32),

            op::GLOBAL => {
                let module = self.utf8_line()?;
                let name = self.utf8_line()?;
                self.global(module.into(), name.into())
            }
            op::STACK_GLOBAL => {
                let name = self.pop()?;
                let module = self.pop()?;
                let (module, name) = (self.string(module)?, self.string(name)?);
                self.global(module, name)
            }
            op::REDUCE | op::NEWOBJ => {
                let args = self.pop()?;
                let callable = self.pop()?;
                self.object(callable, args)
            }
            op::BUILD => {
                let state = self.pop()?;
                let got = match self.top_node()? {
                    Node::Object(object) => {
                        object.state = Some(state);
                        return Ok(());
                    }
                    other => other.type_name(),
                };
                Err(self.operand("an object", got))
            }
            op::PERSID => {
                let name = self.utf8_line()?;
                self.make(Node::Str(name.into()))?;
                let id = self.pop()?;
                self.make(Node::Persistent(id))
            }
            op::BINPERSID => {
                let id = self.pop()?;
                self.make(Node::Persistent(id))
            }
            _ => Err(Error::Unsupported { offset: self.offset, opcode: self.opcode }),
        }
    }

    // --- the input

    fn take(&mut self, length: u64) -> Result<&'i [u8]> {
        let rest = self.input.get(self.position..).unwrap_or_default();
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or(Error::Truncated {
            offset: self.offset,
            opcode: self.opcode,
            needed: length,
            left: rest.len(),
        })?;
        self.position += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn length1(&mut self) -> Result<u64> {
        self.array().map(|[length]| length.into())
    }

    fn length4(&mut self) -> Result<u64> {
        self.array().map(|bytes| u32::from_le_bytes(bytes).into())
    }

    fn length8(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads the bytes up to the next line feed, which is skipped.
    fn line(&mut self) -> Result<&'i [u8]> {
        let rest = self.input.get(self.position..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = self.take(length as u64)?;
        self.take(1)?;
        Ok(line)
    }

    fn utf8_line(&mut self) -> Result<&'i str> {
        let line = self.line()?;
        str::from_utf8(line).map_err(|_| Error::Utf8 { offset: self.offset, opcode: self.opcode })
    }

    fn int_line(&mut self) -> Result<()> {
        match self.utf8_line()? {
            "00" => self.push(FALSE),
            "01" => self.push(TRUE),
            text => {
                let value = text.parse().map_err(|_| self.malformed())?;
                self.make(Node::Int(value))
            }
        }
    }

    fn long_line(&mut self) -> Result<()> {
        let text = self.utf8_line()?;
        let value = text.strip_suffix('L').unwrap_or(text).parse().map_err(|_| self.malformed())?;
        self.make(Node::Int(value))
    }

    fn float_line(&mut self) -> Result<()> {
        let value = self.utf8_line()?.parse().map_err(|_| self.malformed())?;
        self.make(Node::Float(value))
    }

    fn memo_line(&mut self) -> Result<u32> {
        self.utf8_line()?.parse().map_err(|_| self.malformed())
    }

    fn unicode(&mut self, length: u64) -> Result<()> {
        let bytes = self.take(length)?;
        let text =
            str::from_utf8(bytes).map_err(|_| Error::Utf8 { offset: self.offset, opcode: self.opcode })?;
        self.make(Node::Str(text.into()))
    }

    /// Reads a string of Python 2, which had one type for text and bytes.
    fn python2_string(&mut self, length: u64) -> Result<()> {
        let bytes = self.take(length)?;
        self.make(match str::from_utf8(bytes) {
            Ok(text) => Node::Str(text.into()),
            Err(_) => Node::Bytes(bytes.into()),
        })
    }

    fn bytes(&mut self, length: u64) -> Result<()> {
        let bytes = self.take(length)?;
        self.make(Node::Bytes(bytes.into()))
    }

    // --- the stack

    fn push(&mut self, id: Id) -> Result<()> {
        self.spend(mem::size_of::<Id>())?;
        self.stack.push(id);
        Ok(())
    }

    /// Stores a new value and pushes it.
    fn make(&mut self, node: Node<'i>) -> Result<()> {
        self.spend(mem::size_of::<Node<'_>>())?;
        let id = Id::try_from(self.nodes.len())
            .map_err(|_| Error::TooMuchMemory { offset: self.offset, limit: self.limit })?;
        self.nodes.push(node);
        self.push(id)
    }

    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id> {
        let popped = if self.stack.len() > self.fence() { self.stack.pop() } else { None };
        popped.ok_or_else(|| self.underflow())
    }

    fn top(&self) -> Result<Id> {
        let above = self.stack.get(self.fence()..).unwrap_or_default();
        above.last().copied().ok_or_else(|| self.underflow())
    }

    #[expect(clippy::indexing_slicing, reason = "ids are made by this machine, of nodes that it has stored")]
    fn top_node(&mut self) -> Result<&mut Node<'i>> {
        let id = self.top()?;
        Ok(&mut self.nodes[id as usize])
    }

    fn pop_mark(&mut self) -> Result<usize> {
        self.marks.pop().ok_or(Error::MissingMark { offset: self.offset, opcode: self.opcode })
    }

    /// Takes the values above the last mark off the stack.
    fn items(&mut self) -> Result<Vec<Id>> {
        let start = self.pop_mark()?;
        self.spend((self.stack.len() - start) * mem::size_of::<Id>())?;
        Ok(self.stack.split_off(start))
    }

    fn pairs(&mut self) -> Result<Vec<(Id, Id)>> {
        let items = self.items()?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.operand("pairs of key and value", "a key without a value"));
        }
        self.spend(mem::size_of_val(pairs))?;
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn tuple(&mut self, start: usize) -> Result<()> {
        self.spend(ALLOCATION + (self.stack.len() - start) * mem::size_of::<Id>())?;
        let items: Box<[Id]> = self.stack.drain(start..).collect();
        self.make(Node::Tuple(items))
    }

    fn tuple_of(&mut self, length: usize) -> Result<()> {
        match self.stack.len().checked_sub(length) {
            Some(start) if start >= self.fence() => self.tuple(start),
            _ => Err(self.underflow()),
        }
    }

    fn append(&mut self, items: &[Id]) -> Result<()> {
        self.spend(ALLOCATION + mem::size_of_val(items))?;
        let list = match self.top_node()? {
            Node::List(list) => list,
            Node::Object(object) => &mut object.items,
            other => {
                let got = other.type_name();
                return Err(self.operand("a list", got));
            }
        };
        list.extend_from_slice(items);
        Ok(())
    }

    fn set(&mut self, pairs: &[(Id, Id)]) -> Result<()> {
        self.spend(ALLOCATION + mem::size_of_val(pairs))?;
        let dict = match self.top_node()? {
            Node::Dict(dict) => dict,
            Node::Object(object) => &mut object.entries,
            other => {
                let got = other.type_name();
                return Err(self.operand("a dict", got));
            }
        };
        dict.extend_from_slice(pairs);
        Ok(())
    }

    // --- the memo

    fn recall(&mut self, index: u32) -> Result<()> {
        let id = self.memo.get(&index).copied();
        self.push(id.ok_or(Error::Memo { offset: self.offset, opcode: self.opcode, index })?)
    }

    fn memorize(&mut self, index: u32) -> Result<()> {
        let id = self.top()?;
        if self.memo.insert(index, id).is_none() {
            // A hash table of pairs is at most half empty after it has grown.
            self.spend(2 * mem::size_of::<(u32, Id)>())?;
        }
        Ok(())
    }

    // --- globals and objects

    #[expect(clippy::indexing_slicing, reason = "ids are made by this machine, of nodes that it has stored")]
    fn string(&self, id: Id) -> Result<Cow<'i, str>> {
        match &self.nodes[id as usize] {
            Node::Str(text) => Ok(text.clone()),
            other => Err(self.operand("two strings", other.type_name())),
        }
    }

    fn global(&mut self, module: Cow<'i, str>, name: Cow<'i, str>) -> Result<()> {
        if !self.reader.allows(&module, &name) {
            return Err(Error::ForbiddenGlobal { offset: self.offset, name: shorten(&module, &name) });
        }
        self.spend(ALLOCATION + mem::size_of::<GlobalNode<'_>>())?;
        self.make(Node::Global(Box::new(GlobalNode { module, name })))
    }

    #[expect(clippy::indexing_slicing, reason = "ids are made by this machine, of nodes that it has stored")]
    fn object(&mut self, callable: Id, args: Id) -> Result<()> {
        for (id, expected) in [(callable, "global"), (args, "tuple")] {
            let got = self.nodes[id as usize].type_name();
            if got != expected {
                return Err(self.operand("a global and a tuple of arguments", got));
            }
        }
        self.spend(ALLOCATION + mem::size_of::<ObjectNode>())?;
        let object = ObjectNode { callable, args, state: None, items: Vec::new(), entries: Vec::new() };
        self.make(Node::Object(Box::new(object)))
    }

    // --- accounting and errors

    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent > self.limit {
            return Err(Error::TooMuchMemory { offset: self.offset, limit: self.limit });
        }
        Ok(())
    }

    fn underflow(&self) -> Error {
        Error::StackUnderflow { offset: self.offset, opcode: self.opcode }
    }

    fn malformed(&self) -> Error {
        Error::Literal { offset: self.offset, opcode: self.opcode }
    }

    fn operand(&self, expected: &'static str, got: &'static str) -> Error {
        Error::Operand { offset: self.offset, opcode: self.opcode, expected, got }
    }
}

/// Shortens a name for an error message: escaped, and at most a line long.
fn shorten(module: &str, name: &str) -> String {
    const LONGEST: usize = 120;
    module.chars().chain(['.']).chain(name.chars()).flat_map(char::escape_default).take(LONGEST).collect()
}
