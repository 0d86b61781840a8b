//! Tokenizers: CLIP's byte-pair encoding, which is built in, and any other from a `tokenizer.json`.

mod bpe;
mod clean;
mod file;
mod html;
mod limits;
mod mojibake;
mod tables;

use std::path::Path;

use sha2::{Digest, Sha256};

pub(crate) use clean::Cleaning;

use crate::{Error, Result, reading};
use bpe::ClipBpe;
use file::FileTokenizer;

/// Turns texts into the token ids of one model, cut to its context.
///
/// ```
/// use rscir_encoders::Tokenizer;
///
/// let tokenizer = Tokenizer::clip(77)?;
/// assert_eq!(tokenizer.encode("swimming pool")?, [49406, 7411, 2831, 49407]);
/// # Ok::<(), rscir_encoders::Error>(())
/// ```
pub struct Tokenizer {
    model: Model,
    context: usize,
    identity: String,
}

#[expect(clippy::large_enum_variant, reason = "a tokenizer has one of them")]
enum Model {
    Clip(ClipBpe),
    File(FileTokenizer),
}

impl Tokenizer {
    /// Makes CLIP's own tokenizer, which gives at most `context` ids (77 in nearly every model).
    ///
    /// The ids equal those of open_clip 3.3.0's `SimpleTokenizer`, which repairs a text with ftfy before it splits
    /// the text.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] if `context` is less than 3: the start, one token and the end.
    pub fn clip(context: usize) -> Result<Self> {
        check_context(context)?;
        let model = ClipBpe::new().map_err(|source| Error::Tokenizer { path: "clip-bpe".into(), source })?;
        let identity = format!("clip-bpe(context={context},sha256={})", hex_sha256(bpe::MERGES.as_bytes()));
        Ok(Self { model: Model::Clip(model), context, identity })
    }

    /// Reads the tokenizer of a Hugging Face `tokenizer.json`, which gives at most `context` ids.
    ///
    /// The file says how a text is normalized and split, and which ids frame it. The padding id comes from the file,
    /// or else from a `tokenizer_config.json` beside it, or else is 0.
    ///
    /// A file that could take unbounded time or memory is refused. Such a file has patterns that look around (except
    /// those of published tokenizers), replacements that make a text much longer, deeply nested parts, very long
    /// tokens or dropout.
    ///
    /// # Errors
    /// With the path of the file, [`Error::Io`] if it cannot be read, [`Error::File`] if it is not a regular file or
    /// is too large, [`Error::Tokenizer`] if it is malformed or refused; [`Error::Config`] for a malformed
    /// `tokenizer_config.json`; [`Error::ConfigValue`] if `context` has no room for a text within its frame.
    pub fn from_file(path: impl AsRef<Path>, context: usize) -> Result<Self> {
        Self::from_file_cleaned(path.as_ref(), context, None)
    }

    /// Reads a tokenizer like [`Tokenizer::from_file`], for a model whose texts open_clip cleans first.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::from_file`].
    pub(crate) fn from_file_cleaned(path: &Path, context: usize, cleaning: Option<Cleaning>) -> Result<Self> {
        check_context(context)?;
        let bytes = reading::read(path, file::MAX_BYTES)?;
        let model = FileTokenizer::new(path, &bytes, context, cleaning)?;
        let clean = cleaning.map_or("none", Cleaning::name);
        let identity =
            format!("tokenizer.json(context={context},clean={clean},sha256={})", hex_sha256(&bytes));
        Ok(Self { model: Model::File(model), context, identity })
    }

    /// Turns `text` into ids with the frame of the model around them. There are at most [`Tokenizer::context`] ids; a
    /// longer text is cut, and the frame stays.
    ///
    /// Only the part of the text that decides the ids is read. The ids are the same as if the whole text were read. A
    /// tokenizer of a file that does not split at white space reads the whole text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer of a file cannot represent the text, or if the text is too long to be
    /// read in bounded time.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.model {
            Model::Clip(bpe) => {
                let inner = bpe
                    .encode(text, self.context - 2)
                    .map_err(|source| Error::Tokenizer { path: "clip-bpe".into(), source })?;
                Ok(std::iter::once(bpe.start()).chain(inner).chain([bpe.end()]).collect())
            }
            Model::File(file) => file.encode(text),
        }
    }

    /// Turns `text` into ids without the frame. This is how a marker is looked for in a prompt.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::encode`].
    pub(crate) fn encode_bare(&self, text: &str) -> Result<Vec<u32>> {
        match &self.model {
            Model::Clip(bpe) => bpe
                .encode(text, self.context)
                .map_err(|source| Error::Tokenizer { path: "clip-bpe".into(), source }),
            Model::File(file) => file.encode_bare(text),
        }
    }

    /// Returns the largest number of ids of a text.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Returns the id that fills the rest of the context. It is 0 if the tokenizer does not give it.
    pub fn padding(&self) -> u32 {
        match &self.model {
            Model::Clip(_) => 0,
            Model::File(file) => file.padding().unwrap_or(0),
        }
    }

    /// Tells whether the padding is known. A text tower that attends to the padding needs it.
    pub(crate) fn knows_padding(&self) -> bool {
        match &self.model {
            Model::Clip(_) => true,
            Model::File(file) => file.padding().is_some(),
        }
    }

    /// Returns one more than the largest id.
    pub fn vocabulary(&self) -> usize {
        match &self.model {
            Model::Clip(bpe) => bpe.vocabulary(),
            Model::File(file) => file.vocabulary(),
        }
    }

    /// Returns one line that names the tokenizer, its context and a hash of its merges or of its file.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

/// Checks that the start, one token and the end fit into `context` ids.
fn check_context(context: usize) -> Result<()> {
    if context < 3 {
        return Err(Error::ConfigValue {
            key: "context_length".into(),
            got: context.to_string(),
            expected: "at least 3",
        });
    }
    Ok(())
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
