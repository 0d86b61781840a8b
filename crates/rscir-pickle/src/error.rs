use std::io;

/// Everything that can be wrong with a pickle: where, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input ends inside an opcode's argument, or before `STOP`.
    #[error(
        "pickle ends too early: {opcode} at byte {offset} needs {needed} more bytes, {left} are left; \
         the file is cut off: fetch it again or save it anew"
    )]
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
    /// A byte is not an opcode of protocols 0 to 5.
    #[error("byte {offset} of the pickle, {code:#04x}, is no opcode: the file is damaged or not a pickle")]
    UnknownOpcode {
        /// Byte offset of the byte.
        offset: usize,
        /// The byte.
        code: u8,
    },
    /// An opcode is valid, but deliberately not supported.
    #[error("{opcode} at byte {offset} is not supported: neither torch nor numpy write it into files")]
    Unsupported {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// The pickle declares a protocol above 5.
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
    /// An opcode ends a group that no `MARK` began.
    #[error("{opcode} at byte {offset} has no matching MARK: the pickle is damaged")]
    MissingMark {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// The stack holds no value, or more than one, at `STOP`.
    #[error(
        "the pickle ends at byte {offset} with {values} values where one is expected: the pickle is damaged"
    )]
    Unfinished {
        /// Byte offset of `STOP`.
        offset: usize,
        /// Number of values on the stack.
        values: usize,
    },
    /// An opcode was applied to a value of the wrong type.
    #[error("{opcode} at byte {offset} expects {expected}, got {got}: the pickle is damaged")]
    Operand {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
        /// What the opcode works on.
        expected: &'static str,
        /// What the opcode was given.
        got: &'static str,
    },
    /// An opcode reads a memo entry that was never stored.
    #[error(
        "{opcode} at byte {offset} reads memo entry {index}, which was never stored: the pickle is damaged"
    )]
    Memo {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
        /// Index of the entry.
        index: u32,
    },
    /// A textual number, string or memo index is malformed.
    #[error("the text of {opcode} at byte {offset} is malformed: the pickle is damaged")]
    Literal {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// A string is not UTF-8.
    #[error("the string of {opcode} at byte {offset} is not valid UTF-8: the pickle is damaged")]
    Utf8 {
        /// Byte offset of the opcode.
        offset: usize,
        /// The opcode's name.
        opcode: &'static str,
    },
    /// The pickle names a global that is not on the caller's allow-list. Nothing was executed.
    #[error(
        "the pickle names {name} at byte {offset}, which is not on the allow-list; nothing was executed, the file is refused"
    )]
    ForbiddenGlobal {
        /// Byte offset of the opcode.
        offset: usize,
        /// Name of the global, `module.name`, shortened and escaped.
        name: String,
    },
    /// The pickle needs more memory than its length justifies.
    #[error(
        "the pickle needs more than {limit} bytes of memory at byte {offset}: it is refused as too large"
    )]
    TooMuchMemory {
        /// Byte offset of the opcode.
        offset: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value is not the expected numpy array or list of strings.
    #[error("expected {expected}, got {got}")]
    NotAnArray {
        /// The kind of array or list that was expected.
        expected: &'static str,
        /// The type that was found.
        got: &'static str,
    },
    /// The element type of an array cannot be read as the requested type.
    #[error(
        "an array of dtype {dtype} cannot be read as {wanted}; convert it with numpy's astype and save again"
    )]
    ArrayDtype {
        /// numpy's name of the element type, such as `>f8`.
        dtype: String,
        /// The requested type.
        wanted: &'static str,
    },
    /// The shape and the data of an array do not fit together.
    #[error("an array of shape {shape:?} needs {expected} elements, its data has {got}")]
    ArrayShape {
        /// Shape of the array.
        shape: Vec<usize>,
        /// Number of elements in the shape. [`usize::MAX`] if the product overflows.
        expected: usize,
        /// Number of elements in the data.
        got: usize,
    },
    /// A string of an array is not valid Unicode.
    #[error("string {index} is not valid Unicode")]
    ArrayText {
        /// Index of the string.
        index: usize,
    },
    /// Writing failed.
    #[error("cannot write the pickle")]
    Write(#[from] io::Error),
}

/// Result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;
