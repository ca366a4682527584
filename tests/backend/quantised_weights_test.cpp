// Weights in 8 bits on their way from files to devices: quantised on loading or in the file, the same numbers either way.
#include <bit>
#include <limits>

#include "base/with_cuda.h"
#include "harness.h"
#include "support/errors.h"
#include "support/temporary_folder.h"
#include "weights/loader.h"
#include "weights/weight_file.h"

namespace espalier::test {
namespace {

constexpr const char* kMatrix = "blocks.0.mlp.mlp.0.weight";
constexpr const char* kScales = "blocks.0.mlp.mlp.0.weight_scale";
constexpr std::int64_t kRows = 96, kColumns = 136;

// Values of which one row is zeros, one has an outlier, one is tiny.
std::vector<float> example() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(kRows * kColumns));
  for (float& v : values) v = normal(random) * 0.05F;
  for (std::int64_t c = 0; c < kColumns; ++c) {
    values[static_cast<std::size_t>(3 * kColumns + c)] = 0.0F;
    values[static_cast<std::size_t>(5 * kColumns + c)] *= 1e-4F;
  }
  values[4 * kColumns + 7] = 9.0F;
  return values;
}

HostTensor stored_as(DType type, const std::vector<float>& values) {
  HostTensor tensor(type, {kRows, kColumns});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float v = values[i];
    const auto put = [&](auto held) { std::memcpy(tensor.data() + i * sizeof(held), &held, sizeof(held)); };
    switch (type) {
      case DType::f64: put(static_cast<double>(v)); break;
      case DType::f32: put(v); break;
      case DType::f16: put(to_half(v)); break;
      default: put(bfloat16{static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16U)});
    }
  }
  return tensor;
}

std::map<std::string, HostTensor> file_of(DType type) {
  std::map<std::string, HostTensor> tensors;
  tensors.emplace(kMatrix, stored_as(type, example()));
  tensors.emplace("blocks.0.mlp.mlp.0.bias", HostTensor::from(std::vector<float>(kRows, 0.25F), {kRows}));
  tensors.emplace("input_layer.weight", stored_as(type, example()));
  return tensors;
}

TEST(QuantisedNames, MatricesOfBlocksAlone) {
  const std::vector<std::int64_t> matrix{192, 64};
  for (const char* name : {"blocks.0.attn.qkv.weight", "blocks.1.3.mlp.fc1.weight", "blocks.23.adaLN_modulation.1.weight",
                           "text_model.encoder.layers.7.self_attn.q_proj.weight"}) {
    EXPECT_TRUE(may_be_quantised(name, matrix)) << name;
  }
  for (const char* name :
       {"input_layer.weight", "out_layer.weight", "t_embedder.mlp.0.weight", "input_blocks.0.emb_layers.1.weight",
        "blocks.0.attn.qkv.bias", "blocks.0.self_attn.q_rms_norm.gamma", "pos_embed",
        "text_model.embeddings.token_embedding.weight", "patch_embed.proj.weight"}) {
    EXPECT_FALSE(may_be_quantised(name, matrix)) << name;
  }
  using Extents = std::vector<std::int64_t>;
  for (const Extents& e : {Extents{192}, Extents{192, 63}, Extents{63, 192}, Extents{8, 64, 64}, Extents{64, 8193}})
    EXPECT_FALSE(may_be_quantised("blocks.0.x.weight", e)) << to_string(e);
}

TEST(QuantisedRow, ErrsByHalfAStepOfItsScale) {
  const std::vector<float> values = example();
  std::vector<std::int8_t> q(kColumns);
  for (std::int64_t r = 0; r < kRows; ++r) {
    const float* const row = values.data() + r * kColumns;
    const float scale = quantise_row(row, kColumns, q.data());
    float largest = 0;
    for (std::int64_t c = 0; c < kColumns; ++c) largest = std::max(largest, std::abs(row[c]));
    EXPECT_FLOAT_EQ(scale, largest / 127.0F);
    for (std::int64_t c = 0; c < kColumns; ++c)
      ASSERT_NEAR(q[static_cast<std::size_t>(c)] * static_cast<double>(scale), row[c], scale * 0.5001) << r << ", " << c;
  }
  for (const float broken : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> row(values.begin(), values.begin() + kColumns);
    row[17] = broken;
    EXPECT_TRUE(std::isnan(quantise_row(row.data(), kColumns, q.data())));
  }
}

template <class Backend>
class QuantisedWeights : public OpTest<Backend> {
 public:
  using Dev = typename Backend::Dev;
  using T = typename Backend::T;

 protected:
  struct Taken {
    std::vector<std::uint8_t> bytes;
    std::vector<float> scales;
    friend bool operator==(const Taken&, const Taken&) = default;
  };
  // The matrix as a loader of this format brings it to the device.
  template <class Q>
  Taken take(const TensorSource& source, MatrixFormat format) {
    const auto loaded = load(source, format);
    const auto& matrix = std::get<ScaledMatrix<Dev, Q>>(loaded.matrix);
    Taken taken{std::vector<std::uint8_t>(kRows * kColumns), std::vector<float>(kRows)};
    download_bytes(this->queue(), matrix.values.data(), taken.bytes.data(), taken.bytes.size());
    download_bytes(this->queue(), matrix.scales.data(), taken.scales.data(), taken.scales.size() * sizeof(float));
    this->queue().synchronize();
    return taken;
  }
  std::vector<double> take_plain(const TensorSource& source) {
    const auto loaded = load(source, MatrixFormat::plain);
    const auto& view = std::get<View<Dev, const T, 2>>(loaded.matrix);
    std::vector<T> held(kRows * kColumns);
    download_bytes(this->queue(), view.data(), held.data(), held.size() * sizeof(T));
    this->queue().synchronize();
    std::vector<double> out(held.size());
    std::transform(held.begin(), held.end(), out.begin(), [](T v) { return to_double(v); });
    return out;
  }
  std::unique_ptr<const TensorSource> file(DType type) {
    const auto path = folder_ / "plain.safetensors";
    save_safetensors(path, file_of(type));
    return open_weights(path);
  }
  std::unique_ptr<const TensorSource> converted(const TensorSource& plain) {
    const auto path = folder_ / "int8.safetensors";
    write_safetensors(path, *quantised_to_int8(plain));
    return open_weights(path);
  }

 private:
  struct Loaded {
    Arena<Dev> arena;
    WeightMatrix<Dev, T> matrix;
  };
  Loaded load(const TensorSource& source, MatrixFormat format) {
    const auto all = [&](WeightLoader<Dev>& loader) {
      (void)loader.template take<float, 1>("blocks.0.mlp.mlp.0.bias", {kRows});
      const auto outside = loader.template take_matrix<T>("input_layer.weight", {kRows, kColumns}, LayerRows::many);
      EXPECT_TRUE((std::holds_alternative<View<Dev, const T, 2>>(outside)));
      return loader.template take_matrix<T>(kMatrix, {kRows, kColumns}, LayerRows::many);
    };
    Arena<Dev> meter;
    WeightLoader<Dev> first(this->queue(), meter, source, format);
    (void)all(first);
    check_declarations(source, first.declared(), {});
    Loaded loaded{Arena<Dev>(meter.peak(), this->queue().ordinal(), "test weights"), {}};
    WeightLoader<Dev> second(this->queue(), loaded.arena, source, format);
    loaded.matrix = all(second);
    second.finish();
    return loaded;
  }

  const TemporaryFolder folder_;
};
TYPED_TEST_SUITE(QuantisedWeights, Backends, BackendNames);

TYPED_TEST(QuantisedWeights, TheSameFromEveryFile) {
  using E = typename TestFixture::Element;
  for (const DType type : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    SCOPED_TRACE(name_of(type));
    const auto plain = this->file(type);
    const auto int8 = this->converted(*plain);
    EXPECT_EQ(int8->entries().at(kMatrix).dtype, DType::i8);
    EXPECT_EQ(int8->entries().at("input_layer.weight").dtype, type);
    // What the host makes of the numbers in the file.
    std::vector<std::byte> staging;
    const float* const values = convert_tensor<float>("", kMatrix, plain->read(kMatrix), Order::as_stored, staging);
    typename TestFixture::Taken expected{std::vector<std::uint8_t>(kRows * kColumns), std::vector<float>(kRows)};
    for (std::int64_t r = 0; r < kRows; ++r) {
      expected.scales[static_cast<std::size_t>(r)] =
          quantise_row(values + r * kColumns, kColumns, reinterpret_cast<std::int8_t*>(expected.bytes.data()) + r * kColumns);
    }
    EXPECT_TRUE(this->template take<std::int8_t>(*plain, MatrixFormat::int8) == expected);
    EXPECT_TRUE(this->template take<std::int8_t>(*int8, MatrixFormat::int8) == expected);
    // Read as numbers of the torso's type.
    const std::vector<double> numbers = this->take_plain(*int8);
    for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
      const auto q = static_cast<std::int8_t>(expected.bytes[static_cast<std::size_t>(i)]);
      const float number = static_cast<float>(q) * expected.scales[static_cast<std::size_t>(i / kColumns)];
      ASSERT_EQ(numbers[static_cast<std::size_t>(i)], to_double(from_double<E>(number))) << i;
    }
  }
}

#if ESPALIER_WITH_CUDA
using HalfOnTheGpu = QuantisedWeights<On<Cuda, half>>;
TEST_F(HalfOnTheGpu, Float8AsTheHostRounds) {
  for (const DType type : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    SCOPED_TRACE(name_of(type));
    const auto plain = file(type);
    const auto int8 = converted(*plain);
    for (const TensorSource* source : {plain.get(), int8.get()}) {
      std::vector<std::byte> staging;
      const float* const values = convert_tensor<float>("", kMatrix, source->read(kMatrix), Order::as_stored, staging);
      Taken expected{std::vector<std::uint8_t>(kRows * kColumns), std::vector<float>(kRows)};
      for (std::int64_t r = 0; r < kRows; ++r) {
        expected.scales[static_cast<std::size_t>(r)] =
            quantise_row(values + r * kColumns, kColumns, reinterpret_cast<float8*>(expected.bytes.data()) + r * kColumns);
      }
      EXPECT_TRUE(take<float8>(*source, MatrixFormat::float8) == expected);
    }
  }
}
#endif

class QuantisedFiles : public ::testing::Test {
 protected:
  // A file with this matrix of I8 and this tensor of scales, if any.
  void expect_refused(const std::map<std::string, HostTensor>& tensors, std::initializer_list<const char*> words) {
    const auto path = folder_ / "a.safetensors";
    save_safetensors(path, tensors);
    expect_error(ErrorCode::format, words, [&] { (void)open_weights(path); });
  }
  const TemporaryFolder folder_;
};

TEST_F(QuantisedFiles, ScalesThatAreWrong) {
  const HostTensor matrix(DType::i8, {64, 70});
  const std::vector<float> good(64, 0.01F);
  expect_refused({{kMatrix, matrix}}, {kMatrix, kScales, "I8 without"});
  expect_refused({{kMatrix, matrix}, {kScales, HostTensor(DType::f16, {64})}}, {kScales, "expected F32 [64]", "F16 [64]"});
  expect_refused({{kMatrix, matrix}, {kScales, HostTensor::from(std::vector<float>(70, 1.0F), {70})}},
                 {kScales, "expected F32 [64]", "F32 [70]"});
  expect_refused({{kMatrix, matrix}, {kScales, HostTensor::from(good, {64, 1})}}, {kScales, "F32 [64, 1]"});
  for (const float wrong : {-1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> some = good;
    some[63] = wrong;
    expect_refused({{kMatrix, matrix}, {kScales, HostTensor::from(some, {64})}}, {kScales, "row 63"});
  }
  expect_refused({{"a", HostTensor(DType::i8, {64})}}, {"only matrices"});
}

TEST_F(QuantisedFiles, MatricesThatAreNotFiniteAreNotConverted) {
  std::vector<float> values = example();
  values[1000] = std::numeric_limits<float>::quiet_NaN();
  const auto path = folder_ / "a.safetensors";
  save_safetensors(path, {{kMatrix, stored_as(DType::f16, values)}});
  const auto plain = open_weights(path);
  expect_error(ErrorCode::format, {kMatrix, "not finite"},
               [&] { write_safetensors(folder_ / "b.safetensors", *quantised_to_int8(*plain)); });
  EXPECT_FALSE(std::filesystem::exists(folder_ / "b.safetensors"));
}

}  // namespace
}  // namespace espalier::test
