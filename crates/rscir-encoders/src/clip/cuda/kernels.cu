// The operations of towers between two matrix products, on a GPU. Every kernel has a twin in the tensor library's operations
// (`nn.rs`, `towers.rs`), and tests compare the two. All sums are f32; values between kernels have the type T.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

#define WARP 32
#define ALL_LANES 0xffffffffu

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void set(float &out, float x) { out = x; }
__device__ inline void set(__half &out, float x) { out = __float2half(x); }
__device__ inline void set(__nv_bfloat16 &out, float x) { out = __float2bfloat16(x); }

// The largest piece that a thread moves at once: 16 bytes. The callers check that rows are whole numbers of pieces.
template <typename T> struct alignas(16) Pack {
    static constexpr int SIZE = 16 / sizeof(T);
    T values[SIZE];
};

__device__ inline float warp_sum(float x) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL_LANES, x, distance);
    return x;
}

// ---- Layer normalization of rows[count][width], a warp to a row (Ba, Kiros, Hinton 2016). ----

template <typename T>
__device__ void layer_norm(const T *rows, const T *weight, const T *bias, T *out, int count, int width, float epsilon) {
    const int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (row >= count) return;
    const int packs = width / Pack<T>::SIZE;
    const auto *x = reinterpret_cast<const Pack<T> *>(rows + (size_t)row * width);
    float sum = 0;
    for (int i = lane; i < packs; i += WARP) {
        const Pack<T> pack = x[i];
        for (int j = 0; j < Pack<T>::SIZE; j++) sum += to_float(pack.values[j]);
    }
    const float mean = warp_sum(sum) / width;
    float squares = 0;
    for (int i = lane; i < packs; i += WARP) {
        const Pack<T> pack = x[i];
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            const float centered = to_float(pack.values[j]) - mean;
            squares += centered * centered;
        }
    }
    const float inverse = rsqrtf(warp_sum(squares) / width + epsilon);
    auto *y = reinterpret_cast<Pack<T> *>(out + (size_t)row * width);
    for (int i = lane; i < packs; i += WARP) {
        const Pack<T> pack = x[i];
        const Pack<T> w = reinterpret_cast<const Pack<T> *>(weight)[i];
        const Pack<T> b = reinterpret_cast<const Pack<T> *>(bias)[i];
        Pack<T> result;
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            const float normed = (to_float(pack.values[j]) - mean) * inverse;
            set(result.values[j], normed * to_float(w.values[j]) + to_float(b.values[j]));
        }
        y[i] = result;
    }
}

// ---- x[packs] = f(x + bias), or += x + bias; bias repeats every `width` values. ----

enum Activation { NONE = 0, GELU = 1, QUICK_GELU = 2, GELU_TANH = 3 };

__device__ inline float activate(float x, int activation) {
    switch (activation) {
    // Hendrycks, Gimpel 2016: x times the normal distribution function, or times a logistic function or a tanh in its place.
    case GELU: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case QUICK_GELU: return x / (1.0f + expf(-1.702f * x));
    case GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    default: return x;
    }
}

template <typename T> __device__ void bias_activate(T *x, const T *bias, size_t packs, int width, int activation) {
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    Pack<T> pack = reinterpret_cast<Pack<T> *>(x)[i];
    const Pack<T> b = reinterpret_cast<const Pack<T> *>(bias)[i % (width / Pack<T>::SIZE)];
    for (int j = 0; j < Pack<T>::SIZE; j++) {
        set(pack.values[j], activate(to_float(pack.values[j]) + to_float(b.values[j]), activation));
    }
    reinterpret_cast<Pack<T> *>(x)[i] = pack;
}

template <typename T> __device__ void add_biased(T *sum, const T *x, const T *bias, size_t packs, int width) {
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    Pack<T> pack = reinterpret_cast<Pack<T> *>(sum)[i];
    const Pack<T> more = reinterpret_cast<const Pack<T> *>(x)[i];
    const Pack<T> b = reinterpret_cast<const Pack<T> *>(bias)[i % (width / Pack<T>::SIZE)];
    for (int j = 0; j < Pack<T>::SIZE; j++) {
        set(pack.values[j], to_float(pack.values[j]) + (to_float(more.values[j]) + to_float(b.values[j])));
    }
    reinterpret_cast<Pack<T> *>(sum)[i] = pack;
}

// ---- The windows of pixels[images][size][size][3] as rows, see `pixels.rs`; table[3][256] has the value of each byte.
// A thread to a pixel of a window. ----

template <typename T>
__device__ void unfold(const uint8_t *pixels, const float *table, T *rows, size_t count, int size, int along, int side,
                       int stride, int padding) {
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const int in_window = i % (side * side);
    const size_t window = i / (side * side);
    const int in_image = window % (along * along);
    const size_t image = window / (along * along);
    const int y = in_image / along * stride + in_window / side - padding;
    const int x = in_image % along * stride + in_window % side - padding;
    const bool inside = y >= 0 && y < size && x >= 0 && x < size;
    const uint8_t *pixel = pixels + ((image * size + (inside ? y : 0)) * size + (inside ? x : 0)) * 3;
    for (int channel = 0; channel < 3; channel++) {
        set(rows[i * 3 + channel], inside ? table[channel * 256 + pixel[channel]] : 0.0f);
    }
}

// ---- Self-attention on the tensor cores. ----
//
// qkv[batch][tokens][3][heads][head] to out[batch][tokens][heads][head]. A block has four warps, each with 16 queries of
// one head, and passes over the keys 64 at a time; the softmax is kept up as they come (Milakov, Gimelshein 2018; Dao et
// al. 2022). D is the size of a head rounded up to 16: what is beyond it is zero and not stored.
//
// Fragments are those of PTX's mma.m16n8k16: with g = lane / 4 and t = lane % 4, a lane has of the left matrix rows g and
// g + 8, columns 2t, 2t + 1 and these + 8; of the right one rows 2t, 2t + 1 and these + 8 of column g; of the result rows
// g and g + 8, columns 2t and 2t + 1.

constexpr int QUERIES = 16, WARPS = 4, KEYS = 64;

#ifndef RSCIR_EMULATED
// c += a b
__device__ inline void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], __nv_bfloat16) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], __half) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Four 8 by 8 matrices, each transposed: lane l names row l % 8 of matrix l / 8.
template <typename T> __device__ inline void load_transposed(uint32_t (&m)[4], const T *row) {
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(address)
                 : "memory");
}
#endif

template <typename T> __device__ inline uint32_t pair(float low, float high) {
    union { T values[2]; uint32_t bits; } both;
    set(both.values[0], low);
    set(both.values[1], high);
    return both.bits;
}

__device__ inline float max_of_four(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}
__device__ inline float sum_of_four(float x) {
    x += __shfl_xor_sync(ALL_LANES, x, 1);
    return x + __shfl_xor_sync(ALL_LANES, x, 2);
}

template <typename T, int D>
__device__ void attention(const T *qkv, T *out, int tokens, int heads, int head, int causal) {
    // Rows of these lengths put what a warp reads at once into different banks.
    __shared__ __align__(16) T keys[KEYS][D + 8];
    __shared__ __align__(16) T values[KEYS][D + 8];

    const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const int first = blockIdx.x * WARPS * QUERIES, query = first + warp * QUERIES + g;
    const int width = heads * head;
    const T *image = qkv + (size_t)blockIdx.z * tokens * 3 * width + blockIdx.y * head;
    // Scores are kept times log2(e), so that the exponential is exp2.
    const float scale = 1.44269504f * rsqrtf((float)head);

    uint32_t q[D / 16][4];
    for (int step = 0; step < D / 16; step++) {
        for (int part = 0; part < 4; part++) {
            const int row = query + part % 2 * 8, column = step * 16 + part / 2 * 8 + t * 2;
            const bool inside = row < tokens && column < head;
            q[step][part] = inside ? *reinterpret_cast<const uint32_t *>(image + (size_t)row * 3 * width + column) : 0;
        }
    }
    float sums[D / 8][4] = {}, greatest[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};

    const int end = causal ? min(tokens, first + WARPS * QUERIES) : tokens;
    for (int start = 0; start < end; start += KEYS) {
        __syncthreads();
        for (int i = threadIdx.x; i < KEYS * (D / 8); i += WARPS * WARP) {
            const int row = i / (D / 8), column = i % (D / 8) * 8;
            Pack<T> key = {}, value = {};
            if (start + row < tokens && column < head) {
                const T *source = image + (size_t)(start + row) * 3 * width + width + column;
                key = *reinterpret_cast<const Pack<T> *>(source);
                value = *reinterpret_cast<const Pack<T> *>(source + width);
            }
            *reinterpret_cast<Pack<T> *>(&keys[row][column]) = key;
            *reinterpret_cast<Pack<T> *>(&values[row][column]) = value;
        }
        __syncthreads();
        // Blocks of keys that are all beyond the end are passed over.
        const int left = end - start;

        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int block = 0; block < KEYS / 8; block++) {
            if (block * 8 >= left) continue;
#pragma unroll
            for (int step = 0; step < D / 16; step++) {
                const T *key = &keys[block * 8 + g][step * 16 + t * 2];
                const uint32_t b[2] = {*reinterpret_cast<const uint32_t *>(key),
                                       *reinterpret_cast<const uint32_t *>(key + 8)};
                mma(scores[block], q[step], b, T());
            }
        }
        float highest[2] = {greatest[0], greatest[1]};
#pragma unroll
        for (int block = 0; block < KEYS / 8; block++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int key = start + block * 8 + t * 2 + i % 2, row = query + i / 2 * 8;
                const bool seen = key < tokens && (!causal || key <= row);
                scores[block][i] = seen ? scores[block][i] * scale : -INFINITY;
                highest[i / 2] = fmaxf(highest[i / 2], scores[block][i]);
            }
        }
        // The first keys include one that every query sees, so the greatest score that is subtracted is finite.
        float correction[2];
        for (int half = 0; half < 2; half++) {
            highest[half] = max_of_four(highest[half]);
            correction[half] = exp2f(greatest[half] - highest[half]);
            greatest[half] = highest[half];
            total[half] *= correction[half];
        }
#pragma unroll
        for (int block = 0; block < D / 8; block++) {
#pragma unroll
            for (int i = 0; i < 4; i++) sums[block][i] *= correction[i / 2];
        }
#pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            if (step * 16 >= left) continue;
            // The scores of 16 keys already lie in the registers in the layout of the left matrix of the next product.
            uint32_t a[4];
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const int half = part % 2;
                const float *score = &scores[step * 2 + part / 2][half * 2];
                const float low = exp2f(score[0] - greatest[half]), high = exp2f(score[1] - greatest[half]);
                total[half] += low + high;
                a[part] = pair<T>(low, high);
            }
#pragma unroll
            for (int block = 0; block < D / 8; block += 2) {
                uint32_t m[4];
                load_transposed(m, &values[step * 16 + lane % 16][(block + lane / 16) * 8]);
                const uint32_t left[2] = {m[0], m[1]}, right[2] = {m[2], m[3]};
                mma(sums[block], a, left, T());
                mma(sums[block + 1], a, right, T());
            }
        }
    }

    for (int half = 0; half < 2; half++) {
        const float inverse = 1.0f / sum_of_four(total[half]);
        const int row = query + half * 8;
        T *result = out + ((size_t)blockIdx.z * tokens + row) * width + blockIdx.y * head;
        for (int block = 0; block < D / 8; block++) {
            const int column = block * 8 + t * 2;
            if (row < tokens && column < head) {
                const float *sum = &sums[block][half * 2];
                *reinterpret_cast<uint32_t *>(result + column) = pair<T>(sum[0] * inverse, sum[1] * inverse);
            }
        }
    }
}

// ---- Entry points: name_type, name_type_D. ----

#define FOR_TYPE(T, type)                                                                                              \
    extern "C" __global__ void layer_norm_##type(const T *rows, const T *weight, const T *bias, T *out, int count,     \
                                                 int width, float epsilon) {                                           \
        layer_norm(rows, weight, bias, out, count, width, epsilon);                                                    \
    }                                                                                                                  \
    extern "C" __global__ void bias_activate_##type(T *x, const T *bias, size_t packs, int width, int activation) {    \
        bias_activate(x, bias, packs, width, activation);                                                              \
    }                                                                                                                  \
    extern "C" __global__ void add_biased_##type(T *sum, const T *x, const T *bias, size_t packs, int width) {         \
        add_biased(sum, x, bias, packs, width);                                                                        \
    }                                                                                                                  \
    extern "C" __global__ void unfold_##type(const uint8_t *pixels, const float *table, T *rows, size_t count,         \
                                             int size, int along, int side, int stride, int padding) {                 \
        unfold(pixels, table, rows, count, size, along, side, stride, padding);                                        \
    }

#define ATTENTION(T, type, D)                                                                                          \
    extern "C" __global__ void __launch_bounds__(WARPS *WARP)                                                          \
        attention_##type##_##D(const T *qkv, T *out, int tokens, int heads, int head, int causal) {                    \
        attention<T, D>(qkv, out, tokens, heads, head, causal);                                                        \
    }
#define ATTENTIONS(T, type)                                                                                            \
    ATTENTION(T, type, 64) ATTENTION(T, type, 80) ATTENTION(T, type, 96) ATTENTION(T, type, 112)

FOR_TYPE(float, f32)
FOR_TYPE(__half, f16)
FOR_TYPE(__nv_bfloat16, bf16)
ATTENTIONS(__half, f16)
ATTENTIONS(__nv_bfloat16, bf16)
