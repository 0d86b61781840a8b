#![allow(unsafe_code, reason = "a kernel's launch cannot be checked by the compiler")]

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaStream, CudaView, CudaViewMut, DeviceRepr, LaunchArgs, LaunchConfig, PinnedHostSlice,
    PushKernelArg,
};
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaDevice, CudaStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor, bail,
};
use half::{bf16, f16};
use rscir_core::PixelBatch;

use crate::Result;
use crate::clip::config::Activation;
use crate::clip::pixels::{Normalization, Windows};

/// The compiled kernels, which the build script makes of `kernels.cu`.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// Name under which the device keeps the compiled kernels.
const MODULE: &str = "rscir-clip";

/// Number of threads in a block whose threads do not cooperate.
const THREADS: u32 = 256;

/// Number of threads that run in step.
const WARP: u32 = 32;

/// Number of threads in a block of attention, and number of queries that they take, as in `kernels.cu`.
const ATTENTION: (u32, u32) = (128, 64);

/// Sizes of heads for which attention is compiled. A smaller head uses the next size.
const HEADS: [usize; 4] = [64, 80, 96, 112];

/// Largest number of images in a batch on the device. More images do not make it faster.
const MAX_IMAGES: usize = 512;

/// Share of the free memory that a batch may fill. The rest is for the workspace of products and for other programs.
const SHARE: f64 = 0.5;

/// Calls a function with the Rust type of a tensor's elements.
macro_rules! by_type {
    ($out:ident, $call:ident($($argument:expr),*)) => {
        match $out.0.dtype() {
            DType::F32 => $call::<f32>($($argument),*),
            DType::BF16 => $call::<bf16>($($argument),*),
            DType::F16 => $call::<f16>($($argument),*),
            other => bail!("no kernel computes in {other:?}"),
        }
    };
}

/// The kernels of `kernels.cu` on one device. Each takes contiguous tensors on that device. A function that returns
/// `false` has no kernel for the type or width of its operands, and has done nothing.
#[derive(Clone)]
pub(crate) struct Kernels {
    device: CudaDevice,
    /// Value of each byte in each channel, `[3, 256]`.
    table: Tensor,
    staging: Arc<Mutex<Staging>>,
}

/// Page-locked memory, from which the device copies by itself. One of two buffers is filled while the other is copied.
#[derive(Default)]
struct Staging {
    buffers: [Option<PinnedHostSlice<u8>>; 2],
    last: usize,
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kernels").field(&self.device).finish()
    }
}

impl Kernels {
    /// Returns the kernels of a GPU, or `None` for another device.
    pub(crate) fn new(device: &Device, normalization: &Normalization) -> Result<Option<Self>> {
        let Device::Cuda(cuda) = device else { return Ok(None) };
        // SAFETY: all work on this device goes through its one stream.
        unsafe { cuda.disable_event_tracking() };
        let table = Tensor::from_vec(normalization.values(), (3, 256), device)?;
        Ok(Some(Self { device: cuda.clone(), table, staging: Arc::default() }))
    }

    /// Computes `out = (x - mean) / sqrt(variance + epsilon) * weight + bias` over the last dimension.
    pub(crate) fn layer_norm(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        epsilon: f32,
        out: &Tensor,
    ) -> Result<bool> {
        let width = weight.elem_count();
        if !packs(x, width) {
            return Ok(false);
        }
        let rows = x.elem_count() / width;
        self.run("layer_norm", out, [x, weight, bias], |function, out, [x, weight, bias]| {
            by_type!(out, layer_norm(function, out, x, weight, bias, rows, width, epsilon))
        })?;
        Ok(true)
    }

    /// Computes `x = f(x + bias)`, with the bias along the last dimension. Without `activation`, `f` is the identity.
    pub(crate) fn bias_activate(
        &self,
        x: &Tensor,
        bias: &Tensor,
        activation: Option<Activation>,
    ) -> Result<bool> {
        let width = bias.elem_count();
        if !packs(x, width) {
            return Ok(false);
        }
        // These numbers stand for the same activations in `kernels.cu`.
        let activation = match activation {
            None => 0,
            Some(Activation::Gelu) => 1,
            Some(Activation::QuickGelu) => 2,
            Some(Activation::GeluTanh) => 3,
        };
        self.run("bias_activate", x, [bias], |function, x, [bias]| {
            by_type!(x, bias_activate(function, x, bias, width, activation))
        })?;
        Ok(true)
    }

    /// Computes `sum += x + bias`, with the bias along the last dimension.
    pub(crate) fn add_biased(&self, sum: &Tensor, x: &Tensor, bias: &Tensor) -> Result<bool> {
        let width = bias.elem_count();
        if !packs(sum, width) {
            return Ok(false);
        }
        self.run("add_biased", sum, [x, bias], |function, sum, [x, bias]| {
            by_type!(sum, add_biased(function, sum, x, bias, width))
        })?;
        Ok(true)
    }

    /// Computes the self-attention of `qkv[batch, tokens, 3 width]` into `out[batch, tokens, width]`, in bf16 and f16.
    pub(crate) fn self_attention(
        &self,
        qkv: &Tensor,
        heads: usize,
        causal: bool,
        out: &Tensor,
    ) -> Result<bool> {
        let (batch, tokens, width) = out.dims3()?;
        let head = width / heads.max(1);
        let size = HEADS.into_iter().find(|size| head <= *size);
        // Heads are read 8 values at a time; a grid has at most 65,535 blocks in its later dimensions.
        let (Some(size), true) = (size, head.is_multiple_of(8) && batch.max(heads) < 1 << 16) else {
            return Ok(false);
        };
        if !matches!(qkv.dtype(), DType::BF16 | DType::F16) || batch * tokens == 0 || !is_aligned(qkv) {
            return Ok(false);
        }
        let shape = Attention { batch, tokens, heads, head, causal };
        self.run_named(
            format!("attention_{}_{size}", qkv.dtype().as_str()),
            out,
            [qkv],
            |function, out, [qkv]| by_type!(out, attention(function, out, qkv, &shape)),
        )?;
        Ok(true)
    }

    /// Writes the normalized windows of images to the contiguous `rows`.
    pub(crate) fn unfold(&self, batch: PixelBatch<'_>, windows: Windows, rows: &Tensor) -> Result<()> {
        let pixels = self.upload(batch.data())?;
        let size = batch.size();
        self.run("unfold", rows, [&pixels, &self.table], |function, rows, [pixels, table]| {
            by_type!(rows, unfold(function, rows, pixels, table, size, windows))
        })
    }

    /// Copies bytes to the device, without waiting for the work that the device has still to do.
    fn upload(&self, bytes: &[u8]) -> Result<Tensor> {
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let next = 1 - staging.last;
        staging.last = next;
        let held = match staging.buffers[next].take().filter(|buffer| buffer.len() >= bytes.len()) {
            Some(buffer) => buffer,
            // SAFETY: the memory is written before it is read, except for a rest that no kernel reads.
            None => unsafe { self.device.cuda_stream().context().alloc_pinned(bytes.len()) }.w()?,
        };
        let slice = staging.buffers[next].insert(held);
        // This waits until the copy before the last one has ended.
        let start = slice.as_mut_ptr().w()?;
        // SAFETY: the buffer is at least as long as `bytes`, is not read meanwhile, and does not overlap it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        let on_device = self.device.clone_htod(&*slice)?;
        let length = on_device.len();
        let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(on_device, self.device.clone()));
        Ok(Tensor::from_storage(storage, length, BackpropOp::none(), false))
    }

    /// Returns the number of images that the free memory of the device has room for, 1 to [`MAX_IMAGES`]. Each takes
    /// `bytes` bytes while it is encoded.
    pub(crate) fn images(&self, bytes: usize) -> Result<usize> {
        let (free, _) = self.device.cuda_stream().context().mem_get_info().w()?;
        Ok(((free as f64 * SHARE) as usize / bytes.max(1)).clamp(1, MAX_IMAGES))
    }

    /// Runs the kernel of this name for the type of `out`, which the kernel writes to.
    fn run<const N: usize>(
        &self,
        name: &str,
        out: &Tensor,
        inputs: [&Tensor; N],
        launch: impl Fn(&Function, Out<'_>, [In<'_>; N]) -> candle_core::Result<()>,
    ) -> Result<()> {
        self.run_named(format!("{name}_{}", out.dtype().as_str()), out, inputs, launch)
    }

    fn run_named<const N: usize>(
        &self,
        name: String,
        out: &Tensor,
        inputs: [&Tensor; N],
        launch: impl Fn(&Function, Out<'_>, [In<'_>; N]) -> candle_core::Result<()>,
    ) -> Result<()> {
        let function = self.device.get_or_load_custom_func(&name, MODULE, PTX)?.into_cuda_function();
        let function = Function { function, stream: self.device.cuda_stream() };
        let memory = |tensor: &Tensor| std::ptr::from_ref::<Storage>(&tensor.storage_and_layout().0);
        // The lock of one memory cannot be taken for reading and for writing: the wait would not end.
        if inputs.iter().any(|input| memory(input) == memory(out)) {
            return Err(
                candle_core::Error::Msg(format!("{name}: the result lies in an operand's memory")).into()
            );
        }
        let locked = inputs.map(Tensor::storage_and_layout);
        let launch = |storage: &mut CudaStorage, layout: &Layout| {
            let mut operands = Vec::with_capacity(N);
            for (storage, layout) in &locked {
                match &**storage {
                    Storage::Cuda(storage) => operands.push((storage, *layout)),
                    _ => bail!("a kernel's operand must lie on the GPU"),
                }
            }
            match operands.try_into() {
                Ok(operands) => launch(&function, (storage, layout), operands),
                Err(_) => bail!("a kernel has another number of operands"),
            }
        };
        Ok(out.inplace_op1(&Kernel { launch })?)
    }
}

/// A kernel, and the stream that it runs on.
struct Function {
    function: CudaFunction,
    stream: Arc<CudaStream>,
}

impl Function {
    fn builder(&self) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.function)
    }
}

/// Tells whether there is a kernel for the type, and rows of `width` values are whole packs of 16 bytes.
fn packs(x: &Tensor, width: usize) -> bool {
    let fits = matches!(x.dtype(), DType::F32 | DType::BF16 | DType::F16) && width > 0;
    fits && width.is_multiple_of(16 / x.dtype().size_in_bytes()) && x.elem_count() > 0 && is_aligned(x)
}

/// Tells whether the first element of a tensor lies at a multiple of 16 bytes, as allocations do.
fn is_aligned(x: &Tensor) -> bool {
    (x.layout().start_offset() * x.dtype().size_in_bytes()).is_multiple_of(16)
}

type Out<'a> = (&'a mut CudaStorage, &'a Layout);
type In<'a> = (&'a CudaStorage, &'a Layout);

/// The launch of a kernel as an operation on tensors.
struct Kernel<L> {
    launch: L,
}

impl<L> InplaceOp1 for Kernel<L>
where
    L: Fn(&mut CudaStorage, &Layout) -> candle_core::Result<()>,
{
    fn name(&self) -> &'static str {
        MODULE
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> candle_core::Result<()> {
        bail!("a GPU's kernel on the CPU")
    }

    fn cuda_fwd(&self, out: &mut CudaStorage, layout: &Layout) -> candle_core::Result<()> {
        (self.launch)(out, layout)
    }
}

fn view<'s, T: CudaDType>((storage, layout): In<'s>) -> candle_core::Result<CudaView<'s, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice::<T>()?.slice(start..end)),
        None => bail!("a kernel's operand must be contiguous"),
    }
}

fn view_mut<'s, T: CudaDType>((storage, layout): Out<'s>) -> candle_core::Result<CudaViewMut<'s, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice_mut::<T>()?.slice_mut(start..end)),
        None => bail!("a kernel's result must be contiguous"),
    }
}

/// Converts a size to a C `int`.
fn int(size: usize) -> candle_core::Result<i32> {
    i32::try_from(size).map_err(candle_core::Error::wrap)
}

/// Returns a grid of blocks of `threads` threads, as many as `count` pieces of work need if each block does `each` of
/// them.
fn blocks(count: usize, each: u32, threads: u32) -> candle_core::Result<LaunchConfig> {
    let blocks = int(count.div_ceil(each as usize))? as u32;
    Ok(LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 })
}

fn same_length(expected: usize, got: usize) -> candle_core::Result<()> {
    if expected != got {
        bail!("a kernel's operand has {got} elements in place of {expected}");
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the kernel has these arguments")]
fn layer_norm<T: CudaDType + DeviceRepr>(
    function: &Function,
    out: Out<'_>,
    x: In<'_>,
    weight: In<'_>,
    bias: In<'_>,
    rows: usize,
    width: usize,
    epsilon: f32,
) -> candle_core::Result<()> {
    let (x, weight, bias) = (view::<T>(x)?, view::<T>(weight)?, view::<T>(bias)?);
    let mut out = view_mut::<T>(out)?;
    for (expected, got) in
        [(rows * width, x.len()), (x.len(), out.len()), (width, weight.len()), (width, bias.len())]
    {
        same_length(expected, got)?;
    }
    let (count, width) = (int(rows)?, int(width)?);
    let mut launch = function.builder();
    launch.arg(&x).arg(&weight).arg(&bias).arg(&mut out).arg(&count).arg(&width).arg(&epsilon);
    // SAFETY: the arguments are those of the kernel, in its order; each row has a warp, no warp goes beyond the last
    // row, and the lengths were compared above.
    unsafe { launch.launch(blocks(rows, THREADS / WARP, THREADS)?) }.w()?;
    Ok(())
}

fn bias_activate<T: CudaDType + DeviceRepr>(
    function: &Function,
    x: Out<'_>,
    bias: In<'_>,
    width: usize,
    activation: i32,
) -> candle_core::Result<()> {
    let bias = view::<T>(bias)?;
    let mut x = view_mut::<T>(x)?;
    same_length(width, bias.len())?;
    let packs = x.len() / (16 / size_of::<T>());
    let width = int(width)?;
    let mut launch = function.builder();
    launch.arg(&mut x).arg(&bias).arg(&packs).arg(&width).arg(&activation);
    // SAFETY: the arguments are those of the kernel, in its order; no thread goes beyond `packs`, nor beyond the bias.
    unsafe { launch.launch(blocks(packs, THREADS, THREADS)?) }.w()?;
    Ok(())
}

fn add_biased<T: CudaDType + DeviceRepr>(
    function: &Function,
    sum: Out<'_>,
    x: In<'_>,
    bias: In<'_>,
    width: usize,
) -> candle_core::Result<()> {
    let (x, bias) = (view::<T>(x)?, view::<T>(bias)?);
    let mut sum = view_mut::<T>(sum)?;
    same_length(sum.len(), x.len())?;
    same_length(width, bias.len())?;
    let packs = sum.len() / (16 / size_of::<T>());
    let width = int(width)?;
    let mut launch = function.builder();
    launch.arg(&mut sum).arg(&x).arg(&bias).arg(&packs).arg(&width);
    // SAFETY: the arguments are those of the kernel, in its order; no thread goes beyond `packs`, nor beyond the
    // bias, and `x` is as long as `sum`.
    unsafe { launch.launch(blocks(packs, THREADS, THREADS)?) }.w()?;
    Ok(())
}

fn unfold<T: CudaDType + DeviceRepr>(
    function: &Function,
    rows: Out<'_>,
    pixels: In<'_>,
    table: In<'_>,
    size: usize,
    windows: Windows,
) -> candle_core::Result<()> {
    let (pixels, table) = (view::<u8>(pixels)?, view::<f32>(table)?);
    let mut rows = view_mut::<T>(rows)?;
    let along = windows.along(size);
    let image = along * along * windows.values();
    if !rows.len().is_multiple_of(image.max(1)) || rows.len() / image.max(1) * size * size * 3 > pixels.len()
    {
        bail!("{} bytes are not the images of {} window values", pixels.len(), rows.len());
    }
    let count = rows.len() / 3;
    let [size, along, side, stride, padding] =
        [size, along, windows.side, windows.stride, windows.padding].map(int);
    let (size, along, side, stride, padding) = (size?, along?, side?, stride?, padding?);
    let mut launch = function.builder();
    launch.arg(&pixels).arg(&table).arg(&mut rows).arg(&count);
    launch.arg(&size).arg(&along).arg(&side).arg(&stride).arg(&padding);
    // SAFETY: the arguments are those of the kernel, in its order; no thread goes beyond `count`, and the pixels of
    // all images are there.
    unsafe { launch.launch(blocks(count, THREADS, THREADS)?) }.w()?;
    Ok(())
}

struct Attention {
    batch: usize,
    tokens: usize,
    heads: usize,
    head: usize,
    causal: bool,
}

fn attention<T: CudaDType + DeviceRepr>(
    function: &Function,
    out: Out<'_>,
    qkv: In<'_>,
    shape: &Attention,
) -> candle_core::Result<()> {
    let qkv = view::<T>(qkv)?;
    let mut out = view_mut::<T>(out)?;
    same_length(shape.batch * shape.tokens * shape.heads * shape.head, out.len())?;
    same_length(3 * out.len(), qkv.len())?;
    let (threads, queries) = ATTENTION;
    let mut config = blocks(shape.tokens, queries, threads)?;
    config.grid_dim.1 = int(shape.heads)? as u32;
    config.grid_dim.2 = int(shape.batch)? as u32;
    let [tokens, heads, head] = [shape.tokens, shape.heads, shape.head].map(int);
    let (tokens, heads, head, causal) = (tokens?, heads?, head?, i32::from(shape.causal));
    let mut launch = function.builder();
    launch.arg(&qkv).arg(&mut out).arg(&tokens).arg(&heads).arg(&head).arg(&causal);
    // SAFETY: the arguments are those of the kernel, in its order; each block has a head of an image and 64 of its
    // queries, the kernel leaves out queries beyond the last, and the lengths were compared above.
    unsafe { launch.launch(config) }.w()?;
    Ok(())
}
