use std::io;

/// What is wrong with a pickle, where, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input ends inside an opcode's argument, or before `STOP`.
    #[error("pickle ends too early: {opcode} at byte {offset} needs {needed} more bytes, {left} are left")]
    Truncated {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name in Python's `pickletools`.
        opcode: &'static str,
        /// Bytes that the argument takes.
        needed: u64,
        /// Bytes left in the input.
        left: usize,
    },
    /// A byte that is no opcode of protocols 0 to 5.
    #[error("byte {offset} of the pickle, {code:#04x}, is no opcode: the file is damaged or not a pickle")]
    UnknownOpcode {
        /// Byte offset.
        offset: usize,
        /// The byte.
        code: u8,
    },
    /// An opcode that is valid and deliberately not read.
    #[error("{opcode} at byte {offset} is not supported: neither torch nor numpy write it into files")]
    Unsupported {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// A protocol above 5.
    #[error("pickle protocol {version} is unknown; save with protocol 5 or lower")]
    Protocol {
        /// The version that the pickle declares.
        version: u8,
    },
    /// An opcode takes more values than the stack holds above the last mark.
    #[error("{opcode} at byte {offset} takes a value from an empty stack: the pickle is damaged")]
    StackUnderflow {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// An opcode that ends a group without one having begun.
    #[error("{opcode} at byte {offset} has no matching MARK: the pickle is damaged")]
    MissingMark {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// `STOP` with other than one value on the stack.
    #[error("the pickle ends at byte {offset} with {values} values where one is expected")]
    Unfinished {
        /// Byte offset of `STOP`.
        offset: usize,
        /// Values on the stack.
        values: usize,
    },
    /// An opcode was applied to a value of the wrong type.
    #[error("{opcode} at byte {offset} expects {expected}, got {got}")]
    Operand {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
        /// What it works on.
        expected: &'static str,
        /// What it was given.
        got: &'static str,
    },
    /// A memo entry that was never stored.
    #[error("{opcode} at byte {offset} reads memo entry {index}, which was never stored")]
    Memo {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
        /// The entry.
        index: u32,
    },
    /// A textual number, string or memo index that cannot be read.
    #[error("the text of {opcode} at byte {offset} is malformed")]
    Literal {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// A string that is not UTF-8.
    #[error("the string of {opcode} at byte {offset} is not valid UTF-8")]
    Utf8 {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// A global that the caller's allow-list does not name. Nothing was executed.
    #[error(
        "the pickle names {name} at byte {offset}, which is not on the allow-list; nothing was executed, the file is refused"
    )]
    ForbiddenGlobal {
        /// Byte offset of the opcode.
        offset: usize,
        /// `module.name`, shortened and escaped.
        name: String,
    },
    /// The pickle asks for more memory than its length justifies.
    #[error(
        "the pickle needs more than {limit} bytes of memory at byte {offset}: it is refused as too large"
    )]
    TooMuchMemory {
        /// Byte offset of the opcode.
        offset: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that should be a numpy array.
    #[error("expected {expected}, got {got}")]
    NotAnArray {
        /// The kind of array or list that was expected.
        expected: &'static str,
        /// The type that was found.
        got: &'static str,
    },
    /// An array whose element type cannot be read as what was asked for.
    #[error(
        "an array of dtype {dtype} cannot be read as {wanted}; convert it with numpy's astype and save again"
    )]
    ArrayDtype {
        /// numpy's name of the type, such as `>f8`.
        dtype: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// An array whose shape and data do not fit together.
    #[error("an array of shape {shape:?} needs {expected} elements, its data has {got}")]
    ArrayShape {
        /// The shape.
        shape: Vec<usize>,
        /// Elements that the shape asks for; [`usize::MAX`] when the product overflows.
        expected: usize,
        /// Elements that the data has.
        got: usize,
    },
    /// A string of an array that is not valid Unicode.
    #[error("string {index} is not valid Unicode")]
    ArrayText {
        /// The string's index.
        index: usize,
    },
    /// Writing failed.
    #[error("cannot write the pickle")]
    Write(#[from] io::Error),
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
