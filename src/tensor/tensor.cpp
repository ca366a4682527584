#include "tensor/tensor.h"

#include <cstring>

namespace espalier {

std::int64_t checked_size(const std::vector<std::int64_t>& extents) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  std::int64_t n = 1;
  for (const std::int64_t e : extents) {
    if (e < 0 || (e > 0 && n > kLimit / e)) {
      fail(ErrorCode::invalid_argument, "tensor extents ", to_string(extents), " are negative or too large");
    }
    n *= e;
  }
  return n;
}

std::string to_string(const std::vector<std::int64_t>& extents) {
  std::string s = "[";
  for (std::size_t i = 0; i < extents.size(); ++i) s += (i == 0 ? "" : ", ") + std::to_string(extents[i]);
  return s + "]";
}

HostTensor::HostTensor(DType type, std::vector<std::int64_t> extents)
    : type_(type), extents_(std::move(extents)), size_(checked_size(extents_)) {
  const auto width = static_cast<std::int64_t>(size_of(type));
  bytes_.resize(static_cast<std::size_t>(checked_size({size_, width})));
}

void HostTensor::check(const std::string& name, DType wanted, const std::vector<std::int64_t>& extents) const {
  bool same = wanted == type_ && extents.size() == extents_.size();
  for (std::size_t i = 0; same && i < extents.size(); ++i) same = extents[i] == -1 || extents[i] == extents_[i];
  if (!same) {
    fail(ErrorCode::format, "tensor ", name, ": expected ", name_of(wanted), " ", to_string(extents), ", found ",
         name_of(type_), " ", to_string(extents_));
  }
}

void HostTensor::assign(const void* source) {
  if (!bytes_.empty()) std::memcpy(bytes_.data(), source, bytes_.size());
}

namespace {

template <class T, class Convert>
std::vector<double> convert_all(const std::byte* bytes, std::int64_t n, Convert convert) {
  std::vector<double> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
  return out;
}

}  // namespace

std::vector<double> HostTensor::to_doubles() const {
  const auto plain = [](auto v) { return static_cast<double>(v); };
  const auto widen = [](auto v) { return static_cast<double>(to_float(v)); };
  const std::byte* p = bytes_.data();
  switch (type_) {
    case DType::f64: return convert_all<double>(p, size_, plain);
    case DType::f32: return convert_all<float>(p, size_, plain);
    case DType::f16: return convert_all<half>(p, size_, widen);
    case DType::bf16: return convert_all<bfloat16>(p, size_, widen);
    case DType::i64: return convert_all<std::int64_t>(p, size_, plain);
    case DType::i32: return convert_all<std::int32_t>(p, size_, plain);
    case DType::i16: return convert_all<std::int16_t>(p, size_, plain);
    case DType::i8: return convert_all<std::int8_t>(p, size_, plain);
    case DType::u8:
    case DType::boolean: return convert_all<std::uint8_t>(p, size_, plain);
  }
  return {};
}

}  // namespace espalier
