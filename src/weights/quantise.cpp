#include "weights/quantise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/printable.h"
#include "parallel/parallel_for.h"
#include "weights/loader.h"

namespace espalier {
namespace {

constexpr std::int64_t kShortestRow = 64;  // below it scales cost as much as is saved

}  // namespace

bool may_be_quantised(const std::string& name, std::span<const std::int64_t> extents) {
  const bool inside = name.starts_with("blocks.") || name.find(".layers.") != std::string::npos;
  return inside && name.ends_with(".weight") && extents.size() == 2 && extents[0] >= kShortestRow &&
         extents[1] >= kShortestRow && extents[1] <= kLongestQuantisedRow;
}

template <class Q>
float quantise_row(const float* from, std::int64_t columns, Q* to) {
  float largest = 0.0F;
  for (std::int64_t c = 0; c < columns; ++c)
    largest = std::max(largest, std::isfinite(from[c]) ? std::fabs(from[c]) : HUGE_VALF);
  const float scale = scale_for<Q>(largest);
  for (std::int64_t c = 0; c < columns; ++c) {
    const float value = over_scale(from[c], scale);
    if constexpr (std::is_same_v<Q, float8>) {
      to[c] = to_float8(value);
    } else {
      // A scale that is hardly a float is rounded so much that its row may pass it.
      to[c] = static_cast<Q>(std::clamp(std::nearbyint(value), -kLargest<Q>, kLargest<Q>));
    }
  }
  return scale;
}
template float quantise_row<std::int8_t>(const float*, std::int64_t, std::int8_t*);
template float quantise_row<float8>(const float*, std::int64_t, float8*);

namespace {

class ScaledTensors final : public TensorSource {
 public:
  explicit ScaledTensors(std::unique_ptr<const TensorSource> file) : file_(std::move(file)), entries_(file_->entries()) {
    metadata_ = file_->metadata();
    for (auto& [name, entry] : entries_) {
      if (entry.dtype == DType::i8) entry.scales = scales_of(name, entry);
    }
  }
  [[nodiscard]] const std::string& label() const override { return file_->label(); }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override {
    const auto found = entries_.find(name);
    return found == entries_.end() || found->second.scales == nullptr ? file_->read(name) : found->second;
  }
  void check_intact() const override { file_->check_intact(); }

 private:
  [[nodiscard]] const std::byte* scales_of(const std::string& name, const TensorEntry& entry) const {
    const std::string beside = name + kScaleEnding;
    const auto found = entries_.find(beside);
    const auto refuse = [&](const auto&... what) {
      fail(ErrorCode::format, label(), ": tensor ", printable(name), ": ", what...,
           hint("fetch the file again, or make it anew: espalier convert --int8"));
    };
    if (entry.extents.size() != 2) refuse("I8 ", to_string(entry.extents), ", but only matrices are stored so");
    if (found == entries_.end()) refuse("I8 without ", printable(beside), ", which holds the scales of its rows");
    const TensorEntry& scales = found->second;
    const std::vector<std::int64_t> wanted{entry.extents[0]};
    if (scales.dtype != DType::f32 || scales.extents != wanted) {
      refuse(printable(beside), ": expected F32 ", to_string(wanted), ", found ", name_of(scales.dtype), " ",
             to_string(scales.extents));
    }
    for (std::int64_t r = 0; r < entry.extents[0]; ++r) {
      float scale = 0.0F;
      std::memcpy(&scale, scales.data + static_cast<std::size_t>(r) * sizeof(float), sizeof(float));
      if (!(scale >= 0.0F && std::isfinite(scale))) refuse(printable(beside), ": the scale of row ", r, " is ", scale);
    }
    return scales.data;
  }

  std::unique_ptr<const TensorSource> file_;
  std::map<std::string, TensorEntry> entries_;
};

class Int8Tensors final : public TensorSource {
 public:
  explicit Int8Tensors(const TensorSource& source) : source_(source) {
    metadata_ = source.metadata();
    for (const auto& [name, entry] : source.entries()) {
      TensorEntry& held = entries_[name] = entry;
      if (!is_floating(entry.dtype) || !may_be_quantised(name, entry.extents)) continue;
      const std::string beside = name + kScaleEnding;
      if (source.entries().count(beside) != 0)
        fail(ErrorCode::format, label(), ": it has a tensor ", printable(beside), ", which is the name of the scales of ",
             name);
      held.dtype = DType::i8;
      held.bytes = static_cast<std::size_t>(checked_size(entry.extents));
      entries_[beside] = {.dtype = DType::f32,
                          .extents = {entry.extents[0]},
                          .bytes = static_cast<std::size_t>(entry.extents[0]) * sizeof(float)};
      matrix_of_[beside] = name;
    }
  }
  [[nodiscard]] const std::string& label() const override { return source_.label(); }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override {
    const auto scales = matrix_of_.find(name);
    if (scales == matrix_of_.end() && matrix_of_.count(name + kScaleEnding) == 0) return source_.read(name);
    quantise(scales == matrix_of_.end() ? name : scales->second);
    TensorEntry entry = entries_.at(name);
    entry.data = scales == matrix_of_.end() ? reinterpret_cast<const std::byte*>(values_.data())
                                            : reinterpret_cast<const std::byte*>(scales_.data());
    return entry;
  }
  void check_intact() const override { source_.check_intact(); }

 private:
  void quantise(const std::string& name) const {
    std::vector<std::byte> staging;
    const TensorEntry entry = source_.read(name);
    const float* const from = convert_tensor<float>(label(), name, entry, Order::as_stored, staging);
    const std::int64_t rows = entry.extents[0], columns = entry.extents[1];
    values_.resize(static_cast<std::size_t>(rows * columns));
    scales_.resize(static_cast<std::size_t>(rows));
    parallel_for(rows, grain_for(columns), [&](std::int64_t r) {
      scales_[static_cast<std::size_t>(r)] = quantise_row(from + r * columns, columns, values_.data() + r * columns);
    });
    for (const float scale : scales_) {
      if (!std::isfinite(scale))
        fail(ErrorCode::format, label(), ": tensor ", printable(name), ": it holds values that are not finite",
             hint("the file is damaged, fetch it again"));
    }
  }

  const TensorSource& source_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, std::string> matrix_of_;  // of a tensor of scales
  mutable std::vector<std::int8_t> values_;
  mutable std::vector<float> scales_;
};

}  // namespace

bool holds_scales(const TensorSource& source, const std::string& name) {
  constexpr std::string_view kEnding(kScaleEnding);
  if (!name.ends_with(kEnding)) return false;
  const auto matrix = source.entries().find(name.substr(0, name.size() - kEnding.size()));
  return matrix != source.entries().end() && matrix->second.dtype == DType::i8;
}

std::unique_ptr<const TensorSource> with_scales(std::unique_ptr<const TensorSource> file) {
  const auto& entries = file->entries();
  const bool any =
      std::any_of(entries.begin(), entries.end(), [](const auto& named) { return named.second.dtype == DType::i8; });
  if (!any) return file;
  return std::make_unique<ScaledTensors>(std::move(file));
}

std::unique_ptr<const TensorSource> quantised_to_int8(const TensorSource& source) {
  return std::make_unique<Int8Tensors>(source);
}

}  // namespace espalier
