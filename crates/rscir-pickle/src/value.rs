use std::borrow::Cow;
use std::fmt;

/// Index of a node in the arena of its [`Pickle`].
pub(crate) type Id = u32;

/// One value, with its children by index: sharing is free, and dropping never recurses.
pub(crate) enum Node<'i> {
    None,
    Bool(bool),
    Int(i64),
    Long(&'i [u8]),
    Float(f64),
    Str(Cow<'i, str>),
    Bytes(Cow<'i, [u8]>),
    Tuple(Box<[Id]>),
    List(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Box<GlobalNode<'i>>),
    Object(Box<ObjectNode>),
    Persistent(Id),
}

pub(crate) struct GlobalNode<'i> {
    pub(crate) module: Cow<'i, str>,
    pub(crate) name: Cow<'i, str>,
}

pub(crate) struct ObjectNode {
    pub(crate) callable: Id,
    pub(crate) args: Id,
    pub(crate) state: Option<Id>,
    pub(crate) items: Vec<Id>,
    pub(crate) entries: Vec<(Id, Id)>,
}

impl<'i> Node<'i> {
    /// Makes an `int` of little-endian bytes in two's complement.
    pub(crate) fn integer(bytes: &'i [u8]) -> Self {
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut value = [fill; 8];
        for (index, &byte) in bytes.iter().enumerate() {
            match value.get_mut(index) {
                Some(slot) => *slot = byte,
                None if byte == fill => {}
                None => return Node::Long(bytes),
            }
        }
        let value = i64::from_le_bytes(value);
        // The sign must be the same after the bytes were cut.
        if (value < 0) == (fill != 0) { Node::Int(value) } else { Node::Long(bytes) }
    }

    /// Returns Python's name of the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Node::None => "None",
            Node::Bool(_) => "bool",
            Node::Int(_) | Node::Long(_) => "int",
            Node::Float(_) => "float",
            Node::Str(_) => "str",
            Node::Bytes(_) => "bytes",
            Node::Tuple(_) => "tuple",
            Node::List(_) => "list",
            Node::Set(_) => "set",
            Node::Dict(_) => "dict",
            Node::Global(_) => "global",
            Node::Object(_) => "object",
            Node::Persistent(_) => "persistent id",
        }
    }
}

/// A pickle that was read: an arena of values, whose strings and bytes are borrowed from the input.
pub struct Pickle<'i> {
    pub(crate) nodes: Vec<Node<'i>>,
    pub(crate) root: Id,
    pub(crate) consumed: usize,
}

impl<'i> Pickle<'i> {
    /// Returns the value that `pickle.load` would return.
    pub fn root(&self) -> Value<'_> {
        Value { nodes: &self.nodes, id: self.root }
    }

    /// Returns the persistent ids of the whole pickle (torch's storages), each as often as it was written.
    pub fn persistent_ids(&self) -> impl Iterator<Item = Value<'_>> {
        let ids = (0..).zip(&self.nodes).filter(|(_, node)| matches!(node, Node::Persistent(_)));
        ids.map(|(id, _)| Value { nodes: &self.nodes, id })
    }

    /// Returns the length of the pickle in bytes, including `STOP`. The input after it was not read.
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

impl fmt::Debug for Pickle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pickle").field("root", &self.root()).field("values", &self.nodes.len()).finish()
    }
}

/// A view of one value of a [`Pickle`]. A copy of the view copies two words.
#[derive(Clone, Copy)]
pub struct Value<'p> {
    nodes: &'p [Node<'p>],
    id: Id,
}

/// Type and content of a [`Value`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind<'p> {
    /// `None`.
    None,
    /// A `bool`.
    Bool(bool),
    /// An `int` of at most 64 bits.
    Int(i64),
    /// A larger `int`, as little-endian bytes in two's complement.
    Long(&'p [u8]),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Str(&'p str),
    /// `bytes` or a `bytearray`.
    Bytes(&'p [u8]),
    /// A `tuple`.
    Tuple(Items<'p>),
    /// A `list`.
    List(Items<'p>),
    /// A `set` or `frozenset`, in stored order.
    Set(Items<'p>),
    /// A `dict`.
    Dict(Entries<'p>),
    /// A class or function, by its name.
    Global(Global<'p>),
    /// The object that a call would have made.
    Object(Object<'p>),
    /// A persistent id, such as the one that `torch.save` writes for a storage.
    Persistent(Value<'p>),
}

impl<'p> Value<'p> {
    #[expect(
        clippy::indexing_slicing,
        reason = "ids are made by the reader alone, which hands out only those of nodes it has stored"
    )]
    fn node(self) -> &'p Node<'p> {
        &self.nodes[self.id as usize]
    }

    fn at(self, id: Id) -> Value<'p> {
        Value { nodes: self.nodes, id }
    }

    fn items_of(self, ids: &'p [Id]) -> Items<'p> {
        Items { owner: self, ids }
    }

    fn entries_of(self, pairs: &'p [(Id, Id)]) -> Entries<'p> {
        Entries { owner: self, pairs }
    }

    /// Returns type and content of the value, to match on.
    pub fn kind(self) -> Kind<'p> {
        match self.node() {
            Node::None => Kind::None,
            Node::Bool(value) => Kind::Bool(*value),
            Node::Int(value) => Kind::Int(*value),
            Node::Long(bytes) => Kind::Long(bytes),
            Node::Float(value) => Kind::Float(*value),
            Node::Str(text) => Kind::Str(text),
            Node::Bytes(bytes) => Kind::Bytes(bytes),
            Node::Tuple(ids) => Kind::Tuple(self.items_of(ids)),
            Node::List(ids) => Kind::List(self.items_of(ids)),
            Node::Set(ids) => Kind::Set(self.items_of(ids)),
            Node::Dict(pairs) => Kind::Dict(self.entries_of(pairs)),
            Node::Global(global) => Kind::Global(Global { module: &global.module, name: &global.name }),
            Node::Object(object) => Kind::Object(Object { owner: self, node: object }),
            Node::Persistent(id) => Kind::Persistent(self.at(*id)),
        }
    }

    /// Returns Python's name of the type, or `global`, `object` or `persistent id`.
    pub fn type_name(self) -> &'static str {
        self.node().type_name()
    }

    /// Returns the text of a `str`, or `None` for another type.
    pub fn as_str(self) -> Option<&'p str> {
        match self.kind() {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the content of `bytes` or a `bytearray`, or `None` for another type.
    pub fn as_bytes(self) -> Option<&'p [u8]> {
        match self.kind() {
            Kind::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns an `int` of at most 64 bits, or `None` for another type.
    pub fn as_i64(self) -> Option<i64> {
        match self.kind() {
            Kind::Int(value) => Some(value),
            _ => None,
        }
    }

    /// Returns an `int` that is a size. `None` if it is negative or too large, or for another type.
    pub fn as_usize(self) -> Option<usize> {
        self.as_i64().and_then(|value| usize::try_from(value).ok())
    }

    /// Returns a `bool`, or `None` for another type.
    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the elements of a `tuple` or `list`, or `None` for another type.
    pub fn as_items(self) -> Option<Items<'p>> {
        match self.kind() {
            Kind::Tuple(items) | Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entries of a `dict`, or of an object that is filled as one (`OrderedDict`). `None` for
    /// another type.
    pub fn as_entries(self) -> Option<Entries<'p>> {
        match self.kind() {
            Kind::Dict(entries) => Some(entries),
            Kind::Object(object) if object.name().is("collections", "OrderedDict") => Some(object.entries()),
            _ => None,
        }
    }

    /// Returns a class or function by its name, or `None` for another type.
    pub fn as_global(self) -> Option<Global<'p>> {
        match self.kind() {
            Kind::Global(global) => Some(global),
            _ => None,
        }
    }

    /// Returns the object that a call would have made, or `None` for another type.
    pub fn as_object(self) -> Option<Object<'p>> {
        match self.kind() {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Returns the value under a string key of a `dict` or `OrderedDict`. If the key is repeated, the last
    /// value counts, as in Python.
    pub fn get(self, key: &str) -> Option<Value<'p>> {
        self.as_entries()?.get(key)
    }
}

impl fmt::Debug for Value<'_> {
    /// Writes the value without its children, because it may be deep or contain itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node() {
            Node::Bool(value) => write!(f, "{value}"),
            Node::Int(value) => write!(f, "{value}"),
            Node::Float(value) => write!(f, "{value}"),
            Node::Global(global) => write!(f, "{:?}", Global { module: &global.module, name: &global.name }),
            Node::Tuple(ids) => write!(f, "tuple of {}", ids.len()),
            Node::List(ids) | Node::Set(ids) => write!(f, "{} of {}", self.type_name(), ids.len()),
            Node::Dict(pairs) => write!(f, "dict of {}", pairs.len()),
            node => f.write_str(node.type_name()),
        }
    }
}

/// The elements of a `tuple`, `list` or `set`.
#[derive(Clone, Copy)]
pub struct Items<'p> {
    owner: Value<'p>,
    ids: &'p [Id],
}

impl<'p> Items<'p> {
    /// Returns the number of elements.
    pub fn len(self) -> usize {
        self.ids.len()
    }

    /// Tells whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.ids.is_empty()
    }

    /// Returns the element at an index, or `None` beyond the end.
    pub fn get(self, index: usize) -> Option<Value<'p>> {
        self.ids.get(index).map(|&id| self.owner.at(id))
    }

    /// Returns all elements in stored order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value<'p>> {
        self.ids.iter().map(move |&id| self.owner.at(id))
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The entries of a `dict`, in stored order.
#[derive(Clone, Copy)]
pub struct Entries<'p> {
    owner: Value<'p>,
    pairs: &'p [(Id, Id)],
}

impl<'p> Entries<'p> {
    /// Returns the number of entries. Repeated keys count each time.
    pub fn len(self) -> usize {
        self.pairs.len()
    }

    /// Tells whether there are no entries.
    pub fn is_empty(self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns the value under a string key. If the key is repeated, the last value counts, as in Python.
    pub fn get(self, key: &str) -> Option<Value<'p>> {
        self.pairs
            .iter()
            .rev()
            .find(|pair| self.owner.at(pair.0).as_str() == Some(key))
            .map(|pair| self.owner.at(pair.1))
    }

    /// Returns all pairs of key and value in stored order, including repeated keys.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (Value<'p>, Value<'p>)> {
        self.pairs.iter().map(move |pair| (self.owner.at(pair.0), self.owner.at(pair.1)))
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A class or function that a pickle names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Global<'p> {
    /// Name of the module, such as `torch._utils`.
    pub module: &'p str,
    /// Name in the module, such as `_rebuild_tensor_v2`.
    pub name: &'p str,
}

impl Global<'_> {
    /// Tells whether this is `module.name`.
    pub fn is(self, module: &str, name: &str) -> bool {
        self.module == module && self.name == name
    }
}

impl fmt::Debug for Global<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// A call that the pickle asks for (`REDUCE`, `NEWOBJ`), kept as data.
#[derive(Clone, Copy)]
pub struct Object<'p> {
    owner: Value<'p>,
    node: &'p ObjectNode,
}

impl<'p> Object<'p> {
    /// Returns the class or function that would be called.
    pub fn name(self) -> Global<'p> {
        // The reader makes objects of globals only.
        self.owner.at(self.node.callable).as_global().unwrap_or(Global { module: "", name: "" })
    }

    /// Returns the arguments of the call.
    pub fn args(self) -> Items<'p> {
        self.owner.at(self.node.args).as_items().unwrap_or(self.owner.items_of(&[]))
    }

    /// Returns the state that `__setstate__` would be given, or that would update `__dict__`. `None` without
    /// a state.
    pub fn state(self) -> Option<Value<'p>> {
        self.node.state.map(|id| self.owner.at(id))
    }

    /// Returns the elements that are appended to the object (a subclass of `list`).
    pub fn items(self) -> Items<'p> {
        self.owner.items_of(&self.node.items)
    }

    /// Returns the entries that are set on the object (a subclass of `dict`).
    pub fn entries(self) -> Entries<'p> {
        self.owner.entries_of(&self.node.entries)
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}", self.name(), self.args())
    }
}
