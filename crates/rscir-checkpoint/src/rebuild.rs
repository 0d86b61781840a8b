//! Tensors in a pickle: calls of torch's rebuild functions on persistent storages.

use rscir_pickle::{Global, Items, Kind, Value};

use crate::dtype::Dtype;
use crate::tensors::MAX_DIMENSIONS;

/// Tells whether a value is a tensor or a parameter.
pub(crate) fn is_tensor(value: Value<'_>) -> bool {
    rebuild_args(value).is_some()
}

/// The arguments of `_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad,
/// backward_hooks)`.
pub(crate) struct Call<'p> {
    pub(crate) dtype: Dtype,
    pub(crate) key: &'p str,
    /// Number of elements that the storage declares.
    pub(crate) declared: usize,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

impl<'p> Call<'p> {
    pub(crate) fn of(args: Items<'p>) -> std::result::Result<Self, &'static str> {
        let arg = |index| args.get(index).ok_or("is made with too few arguments");
        let (dtype, key, declared) = storage_id(arg(0)?)?;
        let offset = arg(1)?.as_usize().ok_or("has a negative or malformed offset")?;
        let shape = sizes(arg(2)?).ok_or("has a negative or malformed shape")?;
        let strides = sizes(arg(3)?).ok_or("has negative or malformed strides")?;
        Ok(Self { dtype, key, declared, offset, shape, strides })
    }
}

/// Returns the arguments of the call that makes a tensor or parameter, or `None` if the value is neither.
/// Attributes of a tensor or parameter are ignored.
pub(crate) fn rebuild_args(value: Value<'_>) -> Option<Items<'_>> {
    let mut object = value.as_object()?;
    let is_rebuild = |name: Global<'_>| {
        name.is("torch._utils", "_rebuild_tensor_v2") || name.is("torch._utils", "_rebuild_tensor")
    };
    // The arguments are `(data, requires_grad, hooks)`, and the attributes.
    let name = object.name();
    if name.is("torch._utils", "_rebuild_parameter")
        || name.is("torch._utils", "_rebuild_parameter_with_state")
    {
        object = object.args().get(0)?.as_object()?;
    }
    // The arguments are `(function, type, its arguments, attributes)`: a tensor with attributes.
    if object.name().is("torch._tensor", "_rebuild_from_type_v2") {
        let args = object.args();
        return is_rebuild(args.get(0)?.as_global()?).then(|| args.get(2)?.as_items()).flatten();
    }
    is_rebuild(object.name()).then(|| object.args())
}

/// Reads the persistent id of a storage: `("storage", type, key, location, elements)`. In the legacy format
/// it can also name another storage that it is a view of, which no writer has done since PyTorch 0.4.
pub(crate) fn storage_id<'p>(value: Value<'p>) -> std::result::Result<(Dtype, &'p str, usize), &'static str> {
    const MALFORMED: &str = "has a malformed storage";
    let Kind::Persistent(id) = value.kind() else { return Err(MALFORMED) };
    let id = id.as_items().ok_or(MALFORMED)?;
    let field = |index| id.get(index).ok_or(MALFORMED);
    if field(0)?.as_str() != Some("storage")
        || !id.get(5).is_none_or(|view| matches!(view.kind(), Kind::None))
    {
        return Err(MALFORMED);
    }
    let class = field(1)?.as_global().filter(|class| class.module == "torch").ok_or(MALFORMED)?;
    let dtype = match class.name {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return Err("has a storage of unknown type"),
    };
    let key = field(2)?.as_str().ok_or(MALFORMED)?;
    let elements = field(4)?.as_usize().ok_or("has a storage of malformed size")?;
    Ok((dtype, key, elements))
}

fn sizes(value: Value<'_>) -> Option<Vec<usize>> {
    let sizes = value.as_items().filter(|sizes| sizes.len() <= MAX_DIMENSIONS)?;
    sizes.iter().map(Value::as_usize).collect()
}
