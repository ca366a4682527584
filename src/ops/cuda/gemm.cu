// Matrix products through cuBLASLt. Row-major out = x w^T is, column-major, out^T = (w^T)^T x^T: "A" is w transposed,
// "B" is x, and the bias runs along the columns of out, which is where the library's epilogue adds it.
#include <algorithm>
#include <cstring>

#include "ops/cuda/activation.cuh"
#include "ops/cuda/gemm.h"
#include "ops/cuda/gemm_float8.h"
#include "ops/gemm.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

using cuda::GemmKey;
using cuda::GemmPlan;

template <class T>
inline constexpr cudaDataType_t kDataType = CUDA_R_32F;
template <>
inline constexpr cudaDataType_t kDataType<half> = CUDA_R_16F;

// One product as the library sees it. residual and bias may be null.
struct Product {
  cudaDataType_t type;  // of x and w
  std::int64_t rows, in, width;
  const void *x, *w, *residual, *bias;
  void* out;
  std::int64_t x_stride, w_stride, residual_stride, out_stride;
  // Several products of the same x: elements from a w and an out to the next.
  std::int64_t count = 1, w_step = 0, out_step = 0;
  // One for each row of x and of w, or none.
  const float *x_scales = nullptr, *w_scales = nullptr;
  bool fast_sums = false;

  [[nodiscard]] bool float8() const { return type == CUDA_R_8F_E4M3; }
  [[nodiscard]] bool scaled() const { return x_scales != nullptr; }
  [[nodiscard]] cudaDataType_t out_type() const { return float8() ? CUDA_R_16F : type; }
};

// Bytes that divide an address and the step to the next one in a batch, as far as kernels can profit from it.
std::uint32_t alignment_of(const void* address, std::int64_t step_bytes = 0) {
  const auto bits = reinterpret_cast<std::uintptr_t>(address) | static_cast<std::uintptr_t>(step_bytes) | std::uintptr_t{256};
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

GemmKey key_of(const Product& p, cublasLtEpilogue_t epilogue) {
  std::int64_t alignments = 0;
  for (const void* address : {p.x, p.w, p.residual, static_cast<const void*>(p.out), p.bias}) {
    alignments = alignments * 512 + alignment_of(address);
  }
  const std::int64_t kind = p.type + (p.scaled() ? 1000 : 0) + (p.fast_sums ? 2000 : 0);
  return {{kind, epilogue, p.residual != nullptr, p.rows, p.in, p.width, p.x_stride, p.w_stride, p.residual_stride,
           p.out_stride, p.count, p.w_step, p.out_step, alignments}};
}

template <class Value>
void set(GemmPlan& plan, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  ESPALIER_CHECK_CUDA(cublasLtMatmulDescSetAttribute(&plan.operation, attribute, &value, sizeof(value)));
}

// The search mask leaves out schemes that add partial sums in the output type: half sums would lose what float
// accumulation is for.
struct Preference {
  cublasLtMatmulPreferenceOpaque_t state{};

  explicit Preference(const Product& p) {
    ESPALIER_CHECK_CUDA(cublasLtMatmulPreferenceInit(&state));
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{cuda::kBlasWorkspace});
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    const std::int64_t element = p.out_type() == CUDA_R_16F ? 2 : 4;
    const std::int64_t out_step = p.out_step * element;
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.w, p.w_step * element));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.x));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.residual == nullptr ? p.out : p.residual, out_step));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.out, out_step));
  }
  template <class Value>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
    ESPALIER_CHECK_CUDA(cublasLtMatmulPreferenceSetAttribute(&state, attribute, &value, sizeof(value)));
  }
};

void describe_float8(GemmPlan& plan, const Product& p) {
  set(plan, CUBLASLT_MATMUL_DESC_FAST_ACCUM, static_cast<std::int8_t>(p.fast_sums ? 1 : 0));
  set(plan, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(p.out_type()));
  if (!p.scaled()) return;
  set(plan, CUBLASLT_MATMUL_DESC_A_SCALE_MODE, static_cast<std::int32_t>(CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F));
  set(plan, CUBLASLT_MATMUL_DESC_B_SCALE_MODE, static_cast<std::int32_t>(CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F));
}

// What belongs to one product and not to its plan.
void point(GemmPlan& plan, const Product& p, bool has_bias) {
  if (has_bias) set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  if (!p.scaled()) return;
  set(plan, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, p.w_scales);
  set(plan, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, p.x_scales);
}

void describe(GemmPlan& plan, const Product& p, cublasLtEpilogue_t epilogue) {
  ESPALIER_CHECK_CUDA(cublasLtMatmulDescInit(&plan.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  set(plan, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(plan, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  if (p.float8()) describe_float8(plan, p);
  const auto in = static_cast<std::uint64_t>(p.in);
  const auto rows = static_cast<std::uint64_t>(p.rows);
  const auto width = static_cast<std::uint64_t>(p.width);
  ESPALIER_CHECK_CUDA(cublasLtMatrixLayoutInit(&plan.w, p.type, in, width, p.w_stride));
  ESPALIER_CHECK_CUDA(cublasLtMatrixLayoutInit(&plan.x, p.type, in, rows, p.x_stride));
  ESPALIER_CHECK_CUDA(cublasLtMatrixLayoutInit(&plan.residual, p.out_type(), width, rows, p.residual_stride));
  ESPALIER_CHECK_CUDA(cublasLtMatrixLayoutInit(&plan.out, p.out_type(), width, rows, p.out_stride));
  if (p.count == 1) return;
  const auto repeat = [&](cublasLtMatrixLayoutOpaque_t& layout, std::int64_t step) {
    const auto count = static_cast<std::int32_t>(p.count);
    ESPALIER_CHECK_CUDA(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
    ESPALIER_CHECK_CUDA(
        cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof(step)));
  };
  repeat(plan.w, p.w_step);
  repeat(plan.x, 0);
  repeat(plan.residual, p.out_step);
  repeat(plan.out, p.out_step);
}

// The plan for a product, searched on first use. plan.found is false when the library has no kernel for it.
GemmPlan& plan_for(Queue<Cuda>& queue, const Product& p, cublasLtEpilogue_t epilogue, bool has_bias) {
  auto& native = queue.native();
  if (native.gemm_plans.size() >= cuda::kMostGemmPlans) native.gemm_plans.clear();
  const auto [entry, fresh] = native.gemm_plans.try_emplace(key_of(p, epilogue));
  GemmPlan& plan = entry->second;
  if (!fresh) return plan;
  describe(plan, p, epilogue);
  point(plan, p, has_bias);
  Preference preference(p);
  cublasLtMatmulHeuristicResult_t best{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(native.blas, &plan.operation, &plan.w, &plan.x, &plan.residual,
                                                               &plan.out, &preference.state, 1, &best, &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) ESPALIER_CHECK_CUDA(status);
  plan.found = status == CUBLAS_STATUS_SUCCESS && count > 0 && best.state == CUBLAS_STATUS_SUCCESS;
  plan.algorithm = best.algo;
  return plan;
}

// False when the library has no kernel for the product with this epilogue; nothing was queued then.
bool run(Queue<Cuda>& queue, const Product& p, cublasLtEpilogue_t epilogue, float factor = 1.0F) {
  const cudaStream_t stream = cuda::activate(queue);
  const bool has_bias = epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_GELU_BIAS;
  GemmPlan& plan = plan_for(queue, p, epilogue, has_bias);
  if (!plan.found) return false;
  point(plan, p, has_bias);
  auto& native = queue.native();
  const float beta = p.residual == nullptr ? 0.0F : 1.0F;
  const void* addend = p.residual == nullptr ? p.out : p.residual;
  ESPALIER_CHECK_CUDA(cublasLtMatmul(native.blas, &plan.operation, &factor, p.w, &plan.w, p.x, &plan.x, &beta, addend,
                                     &plan.residual, p.out, &plan.out, &plan.algorithm, native.workspace.data(),
                                     native.workspace.bytes(), stream));
  return true;
}

// out[r, c] = activation(out[r, c] + bias[c]); bias may be null.
template <class T>
struct FinishBody {
  T* out;
  const T* bias;
  std::int64_t stride;
  Activation activation;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    T* at = out + row * stride + column;
    float v[N];
    cuda::load_floats<N>(at, v);
    if (bias != nullptr) {
      float b[N];
      cuda::load_floats<N>(bias + column, b);
#pragma unroll
      for (int k = 0; k < N; ++k) v[k] += b[k];
    }
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = cuda::activate_value<T>(v[k], activation);
    cuda::store_floats<N>(at, v);
  }
};

template <class T>
void finish(Queue<Cuda>& queue, View<Cuda, T, 2> out, const T* bias, Activation activation) {
  constexpr int kPack = cuda::kPackOf<T>;
  const bool packed = cuda::fits_packs(out.data(), out.outer_stride(), kPack) && cuda::fits_packs(bias, 0, kPack);
  cuda::for_each_pack<kPack>(queue, "linear", out.extent(0), out.extent(1), packed,
                             FinishBody<T>{out.data(), bias, out.outer_stride(), activation});
}

// The library's GELU is the tanh form, computed to 5e-6: enough for a half, not for float32. Float32 products, the other
// functions and products that it offers no fused kernel for end with a pass of our own over the result.
template <class T>
void product(Queue<Cuda>& queue, const char* where, In<Cuda, T, 2> x, In<Cuda, T, 2> w, In<Cuda, T, 1> bias,
             Activation activation, In<Cuda, T, 2> residual, View<Cuda, T, 2> out) {
  const std::int64_t rows = out.extent(0);
  const std::int64_t width = out.extent(1);
  require(x.extent(0) == rows && x.extent(1) == w.extent(1) && w.extent(0) == width && (bias.empty() || bias.size() == width),
          where, "x [", x.extent(0), ", ", x.extent(1), "], w [", w.extent(0), ", ", w.extent(1), "], bias [", bias.size(),
          "], out [", rows, ", ", width, "]");
  if (queue.metering() || rows == 0 || width == 0) return;
  const std::int64_t in = x.extent(1);
  require(in > 0, where, "products over no channels");
  // The stride of a single row is arbitrary, but the library wants one that a matrix could have.
  const auto stride = [](const auto& view) { return std::max(view.outer_stride(), view.extent(1)); };
  Product p{kDataType<T>,
            rows,
            in,
            width,
            x.data(),
            w.data(),
            residual.data(),
            bias.empty() ? nullptr : bias.data(),
            out.data(),
            stride(x),
            stride(w),
            residual.data() == nullptr ? stride(out) : stride(residual),
            stride(out)};
  const bool gelu = activation == Activation::gelu_tanh && std::is_same_v<T, half>;
  const cublasLtEpilogue_t fused = p.bias != nullptr ? (gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                                     : (gelu ? CUBLASLT_EPILOGUE_GELU : CUBLASLT_EPILOGUE_DEFAULT);
  if (run(queue, p, fused)) {
    if (!gelu && activation != Activation::none) finish<T>(queue, out, nullptr, activation);
    return;
  }
  const T* const added = bias.empty() ? nullptr : bias.data();
  p.bias = nullptr;
  if (fused == CUBLASLT_EPILOGUE_DEFAULT || !run(queue, p, CUBLASLT_EPILOGUE_DEFAULT)) {
    fail(ErrorCode::device, where, ": cuBLASLt has no kernel for ", rows, " x ", in, " times ", in, " x ", width,
         " with row strides ", p.x_stride, ", ", p.w_stride, ", ", p.out_stride, hint("update the CUDA libraries"));
  }
  finish<T>(queue, out, added, activation);
}

constexpr float kUnscaled = 1.0F / (kLargest<float8> * kLargest<float8>);

// out[r, c] = activation(out[r, c] * x_scale[r] * w_scale[c] / kUnscaled + bias[c]); bias may be null.
struct ScaleBody {
  half* out;
  const float *x_scales, *w_scales;
  const half* bias;
  std::int64_t stride;
  Activation activation;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    half* at = out + row * stride + column;
    const float of_row = x_scales[row] / kUnscaled;
    float v[N], of_column[N];
    cuda::load_floats<N>(at, v);
    cuda::load_floats<N>(w_scales + column, of_column);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] *= of_row * of_column[k];
    if (bias != nullptr) {
      float b[N];
      cuda::load_floats<N>(bias + column, b);
#pragma unroll
      for (int k = 0; k < N; ++k) v[k] += b[k];
    }
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = cuda::activate_value<half>(v[k], activation);
    cuda::store_floats<N>(at, v);
  }
};

void scale_after(Queue<Cuda>& queue, const Product& p, View<Cuda, half, 2> out, const float* x_scales, const float* w_scales,
                 const half* bias, Activation activation) {
  constexpr int kPack = cuda::kPackOf<half>;
  const bool packed = cuda::fits_packs(out.data(), out.outer_stride(), kPack) && cuda::fits_packs(bias, 0, kPack) &&
                      cuda::fits_packs(w_scales, 0, kPack);
  cuda::for_each_pack<kPack>(queue, "linear_float8", p.rows, p.width, packed,
                             ScaleBody{out.data(), x_scales, w_scales, bias, out.outer_stride(), activation});
}

}  // namespace

namespace cuda {

Float8Way usual_way(const Queue<Cuda>& queue) {
  const cudaDeviceProp& gpu = queue.native().properties;
  return {.scaled_inside = gpu.major == 9 && gpu.minor == 0, .fast_sums = true};
}

bool float8_fits(std::int64_t in, View<Cuda, half, 2> out) {
  constexpr std::int64_t kStep = 16;     // of the library, in both sides of a product
  constexpr std::int64_t kMost = 65504;  // a sum of more could leave the range of float16
  return in % kStep == 0 && in <= kMost && out.extent(1) % kStep == 0 && out.outer_stride() % (kStep / 2) == 0 &&
         alignment_of(out.data()) >= kStep;
}

void linear_float8(Queue<Cuda>& queue, const Float8Matrix<Cuda>& x, const Float8Matrix<Cuda>& w, View<Cuda, const half, 1> bias,
                   Activation activation, View<Cuda, half, 2> out, Float8Way way) {
  constexpr const char* kName = "linear_float8";
  const std::int64_t rows = out.extent(0), width = out.extent(1), in = x.extent(1);
  require(x.extent(0) == rows && w.extent(1) == in && w.extent(0) == width && x.scales.size() == rows &&
              w.scales.size() == width && (bias.empty() || bias.size() == width) && float8_fits(in, out),
          kName, "x [", x.extent(0), ", ", in, "], w [", w.extent(0), ", ", w.extent(1), "], bias [", bias.size(), "], out [",
          rows, ", ", width, "]");
  if (queue.metering() || rows == 0 || width == 0) return;
  const half* const added = bias.empty() ? nullptr : bias.data();
  Product p{.type = CUDA_R_8F_E4M3,
            .rows = rows,
            .in = in,
            .width = width,
            .x = x.values.data(),
            .w = w.values.data(),
            .residual = nullptr,
            .bias = added,
            .out = out.data(),
            .x_stride = in,
            .w_stride = in,
            .residual_stride = out.outer_stride(),
            .out_stride = out.outer_stride(),
            .fast_sums = way.fast_sums};
  if (way.scaled_inside) {
    p.x_scales = x.scales.data();
    p.w_scales = w.scales.data();
    const bool gelu = activation == Activation::gelu_tanh;
    const cublasLtEpilogue_t fused = added != nullptr ? (gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                                      : (gelu ? CUBLASLT_EPILOGUE_GELU : CUBLASLT_EPILOGUE_DEFAULT);
    if (run(queue, p, fused)) {
      if (!gelu && activation != Activation::none) finish<half>(queue, out, nullptr, activation);
      return;
    }
    p.bias = nullptr;
    if (fused != CUBLASLT_EPILOGUE_DEFAULT && run(queue, p, CUBLASLT_EPILOGUE_DEFAULT)) {
      finish<half>(queue, out, added, activation);
      return;
    }
  }
  p.bias = nullptr;
  p.x_scales = p.w_scales = nullptr;
  if (!run(queue, p, CUBLASLT_EPILOGUE_DEFAULT, kUnscaled)) {
    fail(ErrorCode::device, kName, ": cuBLASLt has no kernel for ", rows, " x ", in, " times ", in, " x ", width,
         hint("update the CUDA libraries, or use --precision half"));
  }
  scale_after(queue, p, out, x.scales.data(), w.scales.data(), added, activation);
}

void linear_taps(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cuda, const half, 3> w, View<Cuda, half, 3> out) {
  constexpr const char* kName = "linear_taps";
  const std::int64_t rows = x.extent(0), in = x.extent(1), taps = w.extent(1), width = w.extent(0);
  require(w.extent(2) == in && w.contiguous() && out.extents() == Extents<3>{taps, rows, width}, kName, "x [", rows, ", ", in,
          "], w [", width, ", ", taps, ", ", w.extent(2), "], out [", out.extent(0), ", ", out.extent(1), ", ", out.extent(2),
          "]");
  if (queue.metering() || out.empty()) return;
  Product p{.type = kDataType<half>,
            .rows = rows,
            .in = in,
            .width = width,
            .x = x.data(),
            .w = w.data(),
            .residual = nullptr,
            .bias = nullptr,
            .out = out.data(),
            .x_stride = std::max(x.outer_stride(), in),
            .w_stride = taps * in,
            .residual_stride = width,
            .out_stride = width,
            .count = taps,
            .w_step = in,
            .out_step = rows * width};
  if (!run(queue, p, CUBLASLT_EPILOGUE_DEFAULT)) {
    fail(ErrorCode::device, kName, ": cuBLASLt has no kernel for ", taps, " times ", rows, " x ", in, " times ", in, " x ",
         width, hint("update the CUDA libraries"));
  }
}

}  // namespace cuda

template <class Dev, class T>
void linear(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 2> w, In<Dev, T, 1> bias, Activation activation,
            View<Dev, T, 2> out) {
  product<T>(queue, "linear", x, w, bias, activation, {}, out);
}
template void linear<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, float, 2>, In<Cuda, float, 1>, Activation,
                                  View<Cuda, float, 2>);
template void linear<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, half, 2>, In<Cuda, half, 1>, Activation,
                                 View<Cuda, half, 2>);

template <class Dev, class T>
void linear_add(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 2> w, In<Dev, T, 1> bias, In<Dev, T, 2> residual,
                View<Dev, T, 2> out) {
  product<T>(queue, "linear_add", x, w, bias, Activation::none, residual, out);
}
template void linear_add<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, float, 2>, In<Cuda, float, 1>,
                                      In<Cuda, float, 2>, View<Cuda, float, 2>);
template void linear_add<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, half, 2>, In<Cuda, half, 1>, In<Cuda, half, 2>,
                                     View<Cuda, half, 2>);

}  // namespace espalier
