// Binding of checkpoint tensors to networks.
//
// A network's constructor takes its tensors from a WeightLoader by name and extents. The constructor runs twice: first
// against a metering arena, which collects every declaration and compares all of them with the source at once (missing,
// surplus and misshapen tensors are one error that lists them), then against real memory of exactly the measured size.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "parallel/parallel_for.h"
#include "runtime/queue.h"
#include "weights/quantise.h"
#include "weights/safetensors.h"
#include "weights/tensor_move.h"

namespace espalier {

// Of how many rows a layer's products are: those of few gain nothing from float8.
enum class LayerRows : std::uint8_t { many, few };

// How the file's elements are ordered in memory.
enum class Order : std::uint8_t {
  as_stored,
  channels_last,  // [out, in, k, k, k] -> [out, k, k, k, in]
};

struct Declaration {
  std::string name;
  std::vector<std::int64_t> extents;  // as in the file
};

// Throws format listing every declaration that `source` does not satisfy and every tensor nobody declared, but for
// those in `ignored`.
void check_declarations(const TensorSource& source, const std::vector<Declaration>& declared,
                        const std::vector<std::string>& ignored);

// Elements of `entry` as T, converted on the host and reordered; returns entry.data itself when nothing has to change.
// `staging` is the memory for the result otherwise.
template <class T>
const T* convert_tensor(const std::string& label, const std::string& name, const TensorEntry& entry, Order order,
                        std::vector<std::byte>& staging);

// How `entry` gets to `to` with elements of the type `held`. Throws format for tensors of integers.
[[nodiscard]] TensorMove plan_move(const std::string& label, const std::string& name, const TensorEntry& entry, Order order,
                                   void* to, DType held);

// What take() returns has its values once finish() was called.
template <class Dev>
class WeightLoader {
 public:
  WeightLoader(Queue<Dev>& queue, Arena<Dev>& arena, const TensorSource& source, MatrixFormat format = MatrixFormat::plain)
      : queue_(queue), arena_(arena), source_(source), format_(format) {}

  // The tensor `name`, which must have exactly these extents, as T on the device. Floating-point tensors of any width
  // convert, and so do those of I8 with scales; others are refused.
  template <class T, int Rank>
  [[nodiscard]] View<Dev, const T, Rank> take(const std::string& name, const Extents<Rank>& extents,
                                              Order order = Order::as_stored) {
    Extents<Rank> held = extents;
    if (order == Order::channels_last) {
      for (std::size_t i = 1; i + 1 < Rank; ++i) held[i] = extents[i + 1];
      held[Rank - 1] = extents[1];
    }
    View<Dev, T, Rank> view = arena_.template take<T, Rank>(held);
    if (arena_.metering()) {
      declared_.push_back({name, {extents.begin(), extents.end()}});
      return view;
    }
    fill<T>(name, order, view.data(), view.size());
    return view;
  }

  // The matrix of a linear layer [out, in]: in the loader's format where may_be_quantised() lets it, else as T.
  template <class T>
  [[nodiscard]] WeightMatrix<Dev, T> take_matrix(const std::string& name, const Extents<2>& extents, LayerRows rows) {
    if (may_be_quantised(name, extents)) {
      if (format_ == MatrixFormat::int8) return take_scaled<std::int8_t>(name, extents);
      if constexpr (std::is_constructible_v<WeightMatrix<Dev, T>, Float8Matrix<Dev>>) {
        if (format_ == MatrixFormat::float8 && rows == LayerRows::many) return take_scaled<float8>(name, extents);
      }
    }
    return take<T, 2>(name, extents);
  }

  // A tensor that stays on the host as float32, for values that are resampled or read by host code.
  [[nodiscard]] std::vector<float> take_host(const std::string& name, std::vector<std::int64_t> extents) {
    if (arena_.metering()) {
      const auto n = static_cast<std::size_t>(checked_size(extents));
      declared_.push_back({name, std::move(extents)});
      return std::vector<float>(n);
    }
    std::vector<std::byte> staging;
    const TensorEntry entry = source_.read(name);
    const float* values = convert_tensor<float>(source_.label(), name, entry, Order::as_stored, staging);
    return {values, values + checked_size(entry.extents)};
  }

  // Values made by host code, placed like a weight.
  template <class T, int Rank>
  [[nodiscard]] View<Dev, const T, Rank> place_values(const std::vector<T>& values, const Extents<Rank>& extents) {
    View<Dev, T, Rank> view = arena_.template take<T, Rank>(extents);
    require(static_cast<std::int64_t>(values.size()) == view.size(), "WeightLoader::place_values", values.size(), " values");
    if (arena_.metering()) return view;
    if constexpr (std::is_same_v<Dev, Cuda>) {
      const TensorMove move{reinterpret_cast<const std::byte*>(values.data()),
                            dtype_of<T>::value,
                            view.size(),
                            1,
                            1,
                            view.data(),
                            dtype_of<T>::value};
      move_tensors(queue_, std::span(&move, 1));
    } else {
      upload_bytes(queue_, values.data(), view.data(), values.size() * sizeof(T));
    }
    return view;
  }

  // A tensor that is stored but that this network never reads (training leftovers of the published file).
  void declare_unused(const std::string& name, std::vector<std::int64_t> extents) {
    if (arena_.metering()) declared_.push_back({name, std::move(extents)});
  }
  [[nodiscard]] bool source_has(const std::string& name) const { return source_.entries().count(name) != 0; }
  [[nodiscard]] const std::vector<Declaration>& declared() const { return declared_; }
  [[nodiscard]] Queue<Dev>& queue() const { return queue_; }

  // Brings everything that was taken to the device; waits for it. Throws io when the file was changed meanwhile.
  void finish() {
    if constexpr (std::is_same_v<Dev, Cuda>) {
      move_tensors(queue_, std::span<const TensorMove>(moves_));
      moves_.clear();
    } else {
      queue_.synchronize();
    }
    source_.check_intact();
  }

 private:
  template <class T>
  void fill(const std::string& name, Order order, T* to, std::int64_t elements) {
    if constexpr (std::is_same_v<Dev, Cuda>) {
      const auto [entry, lasting] = entry_of(name);
      if (entry.scales != nullptr) {
        std::vector<std::byte> staging;
        const T* host = convert_tensor<T>(source_.label(), name, entry, order, staging);
        constexpr DType kType = dtype_of<T>::value;
        send({reinterpret_cast<const std::byte*>(host), kType, elements, 1, 1, to, kType}, false);
      } else {
        send(plan_move(source_.label(), name, entry, order, to, dtype_of<T>::value), lasting);
      }
    } else {
      std::vector<std::byte> staging;
      const T* host = convert_tensor<T>(source_.label(), name, source_.read(name), order, staging);
      upload_bytes(queue_, host, to, static_cast<std::size_t>(elements) * sizeof(T));
    }
  }

  // A tensor's bytes, and whether they stay where they are until finish().
  [[nodiscard]] std::pair<TensorEntry, bool> entry_of(const std::string& name) const {
    const TensorEntry entry = source_.entries().at(name);
    return entry.data != nullptr ? std::pair{entry, true} : std::pair{source_.read(name), false};
  }
  // What lasts waits for the others, so that all are moved at once.
  void send(const TensorMove& move, bool lasting) {
    if (lasting) {
      moves_.push_back(move);
    } else {
      move_tensors(queue_, std::span(&move, 1));
    }
  }

  template <class Q>
  [[nodiscard]] ScaledMatrix<Dev, Q> take_scaled(const std::string& name, const Extents<2>& extents) {
    const auto values = arena_.template take<Q, 2>(extents);
    const auto scales = arena_.template take<float, 1>({extents[0]});
    if (arena_.metering()) {
      declared_.push_back({name, {extents.begin(), extents.end()}});
    } else {
      fill_scaled<Q>(name, values, scales);
    }
    return {values, scales};
  }
  template <class Q>
  void fill_scaled(const std::string& name, View<Dev, Q, 2> values, View<Dev, float, 1> scales) {
    const auto [entry, lasting] = entry_of(name);
    if (std::is_same_v<Q, std::int8_t> && entry.scales != nullptr) return copy_scaled(entry, values.data(), scales);
    std::vector<std::byte> staging;
    if constexpr (std::is_same_v<Dev, Cuda>) {
      TensorMove move{entry.data, entry.dtype, values.size(), values.extent(1), 1, values.data()};
      move.format = std::is_same_v<Q, float8> ? MatrixFormat::float8 : MatrixFormat::int8;
      move.scales = scales.data();
      if (entry.scales != nullptr) {
        move.from =
            reinterpret_cast<const std::byte*>(convert_tensor<float>(source_.label(), name, entry, Order::as_stored, staging));
        move.stored = DType::f32;
      }
      send(move, lasting && staging.empty());
    } else {
      const float* const from = convert_tensor<float>(source_.label(), name, entry, Order::as_stored, staging);
      const std::int64_t columns = values.extent(1);
      parallel_for(values.extent(0), grain_for(columns),
                   [&](std::int64_t r) { scales(r) = quantise_row(from + r * columns, columns, &values(r, 0)); });
    }
  }
  // Quantised tensors of a file as they are; their bytes last.
  void copy_scaled(const TensorEntry& entry, void* values, View<Dev, float, 1> scales) {
    if constexpr (std::is_same_v<Dev, Cuda>) {
      send({entry.data, DType::i8, static_cast<std::int64_t>(entry.bytes), 1, 1, values, DType::i8}, true);
      send({entry.scales, DType::f32, scales.size(), 1, 1, scales.data(), DType::f32}, true);
    } else {
      std::memcpy(values, entry.data, entry.bytes);
      std::memcpy(scales.data(), entry.scales, static_cast<std::size_t>(scales.size()) * sizeof(float));
    }
  }

  Queue<Dev>& queue_;
  Arena<Dev>& arena_;
  const TensorSource& source_;
  MatrixFormat format_;
  std::vector<Declaration> declared_;
  std::vector<TensorMove> moves_;
};

// A network with the memory of its weights.
template <class Model, class Dev>
struct Loaded {
  Arena<Dev> weights;
  std::unique_ptr<Model> model;
};

// Bytes that the weights of Model(config) take on the device, its matrices in `format`; checks every declaration against the
// source.
template <class Model, class Dev, class Config>
[[nodiscard]] std::size_t measure_weights(Queue<Dev>& queue, const TensorSource& source, const Config& config,
                                          MatrixFormat format = MatrixFormat::plain) {
  Arena<Dev> meter;
  WeightLoader<Dev> loader(queue, meter, source, format);
  const Model probe(config, loader);
  check_declarations(source, loader.declared(), {});
  return meter.peak();
}

template <class Model, class Dev, class Config>
[[nodiscard]] std::unique_ptr<Loaded<Model, Dev>> load_model(Queue<Dev>& queue, const TensorSource& source,
                                                             const Config& config, MatrixFormat format = MatrixFormat::plain) {
  const std::size_t bytes = measure_weights<Model>(queue, source, config, format);
  auto loaded = std::make_unique<Loaded<Model, Dev>>();
  loaded->weights = Arena<Dev>(std::max<std::size_t>(bytes, 1), queue.ordinal(), "weights of " + source.label());
  WeightLoader<Dev> loader(queue, loaded->weights, source, format);
  loaded->model = std::make_unique<Model>(config, loader);
  loader.finish();
  return loaded;
}

}  // namespace espalier
