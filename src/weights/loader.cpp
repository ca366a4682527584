#include "weights/loader.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::size_t kMaxListed = 8;  // mismatches an error spells out

}  // namespace

void check_declarations(const TensorSource& source, const std::vector<Declaration>& declared,
                        const std::vector<std::string>& ignored) {
  std::vector<std::string> wrong;
  std::set<std::string> known(ignored.begin(), ignored.end());
  for (const Declaration& d : declared) {
    if (!known.insert(d.name).second) wrong.push_back(d.name + " is taken twice by the network");
    const auto it = source.entries().find(d.name);
    if (it == source.entries().end()) {
      wrong.push_back(d.name + ": expected " + to_string(d.extents) + ", found nothing");
    } else if (it->second.extents != d.extents) {
      wrong.push_back(d.name + ": expected " + to_string(d.extents) + ", found " + to_string(it->second.extents));
    } else if (!holds_reals(it->second)) {
      wrong.push_back(d.name + ": expected a floating-point type, found " + name_of(it->second.dtype));
    } else if (it->second.scales != nullptr) {
      known.insert(d.name + kScaleEnding);
    }
  }
  for (const auto& [name, entry] : source.entries()) {
    if (known.count(name) == 0)
      wrong.push_back(name + ": expected nothing, found " + name_of(entry.dtype) + " " + to_string(entry.extents));
  }
  if (wrong.empty()) return;
  std::string text;
  for (std::size_t i = 0; i < std::min(wrong.size(), kMaxListed); ++i) text += (i == 0 ? "" : "; ") + wrong[i];
  if (wrong.size() > kMaxListed) text += "; and " + std::to_string(wrong.size() - kMaxListed) + " more";
  fail(ErrorCode::format, source.label(), ": ", wrong.size(), wrong.size() == 1 ? " tensor does" : " tensors do",
       " not match the configuration beside it: ", text);
}

namespace {

template <class From>
double widen(From v) {
  if constexpr (std::is_same_v<From, half> || std::is_same_v<From, bfloat16>) {
    return static_cast<double>(to_float(v));
  } else {
    return static_cast<double>(v);
  }
}

template <class To>
To narrow(double v) {
  if constexpr (std::is_same_v<To, half>) {
    return to_half(static_cast<float>(v));
  } else {
    return static_cast<To>(v);
  }
}

// dst[o, tap, i] = src[o, i, tap]
template <class From, class To>
void convert(const std::byte* from, To* to, std::int64_t outer, std::int64_t inner, std::int64_t taps) {
  parallel_for(outer, std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(1, inner * taps)), [&](std::int64_t o) {
    const std::byte* block = from + o * inner * taps * static_cast<std::int64_t>(sizeof(From));
    To* target = to + o * inner * taps;
    for (std::int64_t i = 0; i < inner; ++i) {
      for (std::int64_t t = 0; t < taps; ++t) {
        From value;
        std::memcpy(&value, block + (i * taps + t) * static_cast<std::int64_t>(sizeof(From)), sizeof(From));
        target[t * inner + i] = narrow<To>(widen(value));
      }
    }
  });
}

// values[o, i] * scales[o]
template <class To>
void convert_scaled(const TensorEntry& entry, To* to) {
  const std::int64_t width = entry.extents[1];
  parallel_for(entry.extents[0], grain_for(width), [&](std::int64_t o) {
    float scale = 0.0F;
    std::memcpy(&scale, entry.scales + static_cast<std::size_t>(o) * sizeof(float), sizeof(float));
    const auto* const row = reinterpret_cast<const std::int8_t*>(entry.data) + o * width;
    for (std::int64_t i = 0; i < width; ++i)
      to[o * width + i] = narrow<To>(static_cast<double>(static_cast<float>(row[i]) * scale));
  });
}

// How Order::channels_last sees a tensor; one row of all elements for other orders.
struct Shape {
  std::int64_t outer = 0, inner = 0, taps = 1;
};
Shape shape_of(const TensorEntry& entry, Order order) {
  const std::int64_t n = checked_size(entry.extents);
  Shape s;
  s.outer = n > 0 ? std::max<std::int64_t>(1, entry.extents.empty() ? 1 : entry.extents[0]) : 0;
  s.inner = s.outer > 0 ? n / s.outer : 0;
  if (order == Order::channels_last && n > 0) {
    s.inner = entry.extents[1];
    s.taps = n / s.outer / s.inner;
  }
  return s;
}

[[noreturn]] void refuse_type(const std::string& label, const std::string& name, DType type) {
  fail(ErrorCode::format, label, ": tensor ", name, ": expected a floating-point type, found ", name_of(type));
}

}  // namespace

TensorMove plan_move(const std::string& label, const std::string& name, const TensorEntry& entry, Order order, void* to,
                     DType held) {
  if (!is_floating(entry.dtype)) refuse_type(label, name, entry.dtype);
  const Shape shape = shape_of(entry, order);
  const bool transposed = shape.taps > 1 && shape.inner > 1;
  return {.from = entry.data,
          .stored = entry.dtype,
          .elements = checked_size(entry.extents),
          .inner = transposed ? shape.inner : 1,
          .taps = transposed ? shape.taps : 1,
          .to = to,
          .held = held};
}

template <class T>
const T* convert_tensor(const std::string& label, const std::string& name, const TensorEntry& entry, Order order,
                        std::vector<std::byte>& staging) {
  const std::int64_t n = checked_size(entry.extents);
  const bool aligned = reinterpret_cast<std::uintptr_t>(entry.data) % alignof(T) == 0;
  if (entry.dtype == dtype_of<T>::value && order == Order::as_stored && aligned) return reinterpret_cast<const T*>(entry.data);
  const auto [outer, inner, taps] = shape_of(entry, order);
  staging.resize(static_cast<std::size_t>(n) * sizeof(T));
  T* to = reinterpret_cast<T*>(staging.data());
  switch (entry.dtype) {
    case DType::f64: convert<double, T>(entry.data, to, outer, inner, taps); break;
    case DType::f32: convert<float, T>(entry.data, to, outer, inner, taps); break;
    case DType::f16: convert<half, T>(entry.data, to, outer, inner, taps); break;
    case DType::bf16: convert<bfloat16, T>(entry.data, to, outer, inner, taps); break;
    default:
      if (entry.scales == nullptr) refuse_type(label, name, entry.dtype);
      convert_scaled(entry, to);
  }
  return to;
}

template const float* convert_tensor<float>(const std::string&, const std::string&, const TensorEntry&, Order,
                                            std::vector<std::byte>&);
template const half* convert_tensor<half>(const std::string&, const std::string&, const TensorEntry&, Order,
                                          std::vector<std::byte>&);

}  // namespace espalier
