//! Texts into token ids: CLIP's byte-pair encoding built in, any other from a `tokenizer.json`.

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

#[expect(clippy::large_enum_variant, reason = "there is one to a tokenizer")]
enum Model {
    Clip(ClipBpe),
    File(FileTokenizer),
}

impl Tokenizer {
    /// CLIP's own tokenizer, cut to `context` ids (77 in nearly every model).
    ///
    /// Ids equal those of open_clip 3.3.0's `SimpleTokenizer`, which repairs the text with ftfy before it splits it.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] for a context without room for a text between start and end.
    pub fn clip(context: usize) -> Result<Self> {
        check_context(context)?;
        let model = ClipBpe::new().map_err(|source| Error::Tokenizer { path: "clip-bpe".into(), source })?;
        let identity = format!("clip-bpe(context={context},sha256={})", hex_sha256(bpe::MERGES.as_bytes()));
        Ok(Self { model: Model::Clip(model), context, identity })
    }

    /// The tokenizer of a Hugging Face `tokenizer.json`, cut to `context` ids.
    ///
    /// The file says how a text is normalized and split and which ids frame it. The padding id comes from the file, or
    /// from a `tokenizer_config.json` beside it, and is 0 otherwise.
    ///
    /// What could take unbounded time or memory is refused: patterns that look around, but for those of published
    /// tokenizers, replacements that swell, deep nesting, tokens without end, dropout.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::File`] and [`Error::Tokenizer`] with the file's path; [`Error::ConfigValue`] as [`Tokenizer::clip`].
    pub fn from_file(path: impl AsRef<Path>, context: usize) -> Result<Self> {
        Self::from_file_cleaned(path.as_ref(), context, None)
    }

    /// As [`Tokenizer::from_file`], for a model whose texts open_clip cleans first.
    pub(crate) fn from_file_cleaned(path: &Path, context: usize, cleaning: Option<Cleaning>) -> Result<Self> {
        check_context(context)?;
        let bytes = reading::read(path, file::MAX_BYTES)?;
        let model = FileTokenizer::new(path, &bytes, context, cleaning)?;
        let clean = cleaning.map_or("none", Cleaning::name);
        let identity =
            format!("tokenizer.json(context={context},clean={clean},sha256={})", hex_sha256(&bytes));
        Ok(Self { model: Model::File(model), context, identity })
    }

    /// The ids of `text`, framed as the model wants it and at most [`Tokenizer::context`] of them; the last one kept
    /// is the end of the text.
    ///
    /// No more of the text is read than decides its ids, which are those of the whole text. A tokenizer of a file that does
    /// not split at white space reads it whole.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer of a file cannot represent the text, or if more of the text would have to be read
    /// than is in bounded time.
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

    /// The ids of `text` alone, without the frame: how a marker is looked for in a prompt.
    pub(crate) fn encode_bare(&self, text: &str) -> Result<Vec<u32>> {
        match &self.model {
            Model::Clip(bpe) => bpe
                .encode(text, self.context)
                .map_err(|source| Error::Tokenizer { path: "clip-bpe".into(), source }),
            Model::File(file) => file.encode_bare(text),
        }
    }

    /// The largest number of ids a text gets.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The id that fills the rest of the context.
    pub fn padding(&self) -> u32 {
        match &self.model {
            Model::Clip(_) => 0,
            Model::File(file) => file.padding().unwrap_or(0),
        }
    }

    /// False if the padding is not known, which a tower that looks at it cannot do without.
    pub(crate) fn knows_padding(&self) -> bool {
        match &self.model {
            Model::Clip(_) => true,
            Model::File(file) => file.padding().is_some(),
        }
    }

    /// One more than the largest id.
    pub fn vocabulary(&self) -> usize {
        match &self.model {
            Model::Clip(bpe) => bpe.vocabulary(),
            Model::File(file) => file.vocabulary(),
        }
    }

    /// One line that names the tokenizer, its context and a hash of its vocabulary.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

/// Start, one token and end must fit.
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
