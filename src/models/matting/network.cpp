#include "models/matting/network.h"

#include <cmath>

#include "nn/backends.h"
#include "ops/elementwise.h"

namespace espalier {
namespace {

// [rows of `width`] transposed: from [n, width] to [width, n].
std::vector<float> transposed(const std::vector<float>& values, std::int64_t width) {
  const auto w = static_cast<std::size_t>(width);
  const std::size_t n = values.size() / w;
  if (w == 1 || n == 1) return values;
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < w; ++j) out[j * n + i] = values[i * w + j];
  }
  return out;
}

// The factor and the addend of a batch norm by channel.
struct Normalisation {
  std::vector<double> scale, shift;
};

Normalisation normalisation(const std::string& label, const BatchNorm& norm) {
  const auto scale = onnx_floats(label, *norm.scale), shift = onnx_floats(label, *norm.shift);
  const auto mean = onnx_floats(label, *norm.mean), variance = onnx_floats(label, *norm.variance);
  Normalisation result;
  for (std::size_t c = 0; c < scale.size(); ++c) {
    const double factor = scale[c] / std::sqrt(static_cast<double>(variance[c]) + static_cast<double>(norm.epsilon));
    result.scale.push_back(factor);
    result.shift.push_back(shift[c] - mean[c] * factor);
  }
  return result;
}

}  // namespace

template <class Dev, class T>
MattingNetwork<Dev, T>::MattingNetwork(Queue<Dev>& queue, const std::string& label, const MattingPlan& plan, Measured)
    : queue_(queue) {
  shapes_.push_back(plan.maps[static_cast<std::size_t>(plan.input)]);
  for (const int map : plan.outputs) shapes_.push_back(plan.maps[static_cast<std::size_t>(map)]);
  Arena<Dev> meter, working;
  load(label, plan, meter);
  queue_.use(&working);
  forward({});
  queue_.use(nullptr);
  planned_ = {static_cast<std::size_t>(plan.elements) * sizeof(T), std::max<std::size_t>(meter.peak(), 1),
              std::max<std::size_t>(working.peak(), 1)};
}

template <class Dev, class T>
MattingNetwork<Dev, T>::MattingNetwork(Queue<Dev>& queue, const std::string& label, const MattingPlan& plan)
    : MattingNetwork(queue, label, plan, Measured()) {
  maps_ = Buffer<Dev>(planned_.maps, queue.ordinal(), "feature maps of " + label);
  weights_ = Arena<Dev>(planned_.weights, queue.ordinal(), "weights of " + label);
  load(label, plan, weights_);
  scratch_ = Arena<Dev>(planned_.working, queue.ordinal(), "working memory of " + label);
  queue_.synchronize();
}

template <class Dev, class T>
typename MattingNetwork<Dev, T>::Map MattingNetwork<Dev, T>::map_of(const MattingPlan& plan, int map) const {
  const MapShape& shape = plan.maps[static_cast<std::size_t>(map)];
  // Without memory, addresses that must not be read, as a metering arena has them.
  auto* const nowhere = reinterpret_cast<T*>(kAlignment);  // NOLINT(performance-no-int-to-ptr)
  T* const base = maps_.data() == nullptr ? nowhere : reinterpret_cast<T*>(maps_.data());
  return {base + plan.offsets[static_cast<std::size_t>(map)], {1, shape.height, shape.width, shape.channels}};
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::load(const std::string& label, const MattingPlan& plan, Arena<Dev>& arena) {
  layers_.clear();
  outputs_.clear();
  input_ = map_of(plan, plan.input);
  for (const int map : plan.outputs) outputs_.push_back(map_of(plan, map));
  for (const MattingStep& step : plan.steps) {
    Layer layer{step.kind, {}, map_of(plan, step.output), step.window, step.rows, step.columns, step.activation, {}, {}, {}};
    for (const int map : step.inputs) layer.inputs.push_back(map_of(plan, map));
    if (step.kind == StepKind::convolution) load_convolution(label, step, arena, layer);
    if (step.kind == StepKind::batch_norm) load_norm(label, step, arena, layer);
    layers_.push_back(std::move(layer));
  }
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::load_convolution(const std::string& label, const MattingStep& step, Arena<Dev>& arena,
                                              Layer& layer) {
  const auto& e = step.weight->extents;  // [out, in, height, width]
  const Extents<4> held{e[0], e[2], e[3], e[1]};
  if (arena.metering()) {
    layer.weight = arena.template take<T, 4>(held);
    layer.bias = arena.template take<T, 1>({e[0]});
    return;
  }
  std::vector<float> weight = onnx_floats(label, *step.weight);
  std::vector<float> bias =
      step.bias == nullptr ? std::vector<float>(static_cast<std::size_t>(e[0])) : onnx_floats(label, *step.bias);
  const auto filter = static_cast<std::ptrdiff_t>(e[1] * e[2] * e[3]);
  const bool normalised = step.norm.scale != nullptr;
  const Normalisation norm = normalised ? normalisation(label, step.norm) : Normalisation{};
  for (std::size_t o = 0; o < bias.size(); ++o) {
    const auto begin = weight.begin() + static_cast<std::ptrdiff_t>(o) * filter;
    std::vector<float> own(begin, begin + filter);
    if (normalised) {
      for (float& w : own) w = static_cast<float>(w * norm.scale[o]);
      bias[o] = static_cast<float>(bias[o] * norm.scale[o] + norm.shift[o]);
    }
    const std::vector<float> last = transposed(own, e[2] * e[3]);
    std::copy(last.begin(), last.end(), begin);
  }
  layer.weight = place<4>(weight, held, arena);
  layer.bias = place<1>(bias, {e[0]}, arena);
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::load_norm(const std::string& label, const MattingStep& step, Arena<Dev>& arena, Layer& layer) {
  const Extents<1> channels{step.norm.scale->size};
  if (arena.metering()) {
    layer.scale = arena.template take<T, 1>(channels);
    layer.bias = arena.template take<T, 1>(channels);
    return;
  }
  const Normalisation norm = normalisation(label, step.norm);
  layer.scale = place<1>({norm.scale.begin(), norm.scale.end()}, channels, arena);
  layer.bias = place<1>({norm.shift.begin(), norm.shift.end()}, channels, arena);
}

template <class Dev, class T>
template <int Rank>
View<Dev, const T, Rank> MattingNetwork<Dev, T>::place(const std::vector<float>& values, const Extents<Rank>& extents,
                                                       Arena<Dev>& arena) {
  const View<Dev, T, Rank> view = arena.template take<T, Rank>(extents);
  if constexpr (std::is_same_v<T, float>) {
    upload_bytes(queue_, values.data(), view.data(), values.size() * sizeof(float));
  } else {
    std::vector<T> narrow(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) narrow[i] = to_half(values[i]);
    upload_bytes(queue_, narrow.data(), view.data(), narrow.size() * sizeof(T));
  }
  return view;
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::concat(const Layer& layer) {
  const std::int64_t pixels = layer.output.extent(1) * layer.output.extent(2);
  const View<Dev, T, 2> out = layer.output.template reshape<2>({pixels, layer.output.extent(3)});
  std::int64_t channel = 0;
  for (const Map& input : layer.inputs) {
    const std::int64_t width = input.extent(3);
    scale_columns<Dev, T>(queue_, input.template reshape<2>({pixels, width}), {}, {}, columns(out, channel, width));
    channel += width;
  }
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::round_to_half(const Map& x, const Map& out) {
  const auto from = x.template reshape<1>({x.size()}), to = out.template reshape<1>({out.size()});
  if constexpr (std::is_same_v<T, half>) {
    if (to.data() != from.data()) copy<Dev, T, 1>(queue_, from, to);
  } else {
    const Frame<Dev> frame(queue_.scratch());
    const auto rounded = queue_.scratch().template take<half, 1>({x.size()});
    cast<Dev, T, half>(queue_, from, rounded);
    cast<Dev, half, T>(queue_, rounded, to);
  }
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::step(const Layer& layer) {
  const Map& x = layer.inputs[0];
  const auto flat = [](const Map& map) { return map.template reshape<1>({map.size()}); };
  const auto rows = [](const Map& map) { return map.template reshape<2>({map.extent(1) * map.extent(2), map.extent(3)}); };
  switch (layer.kind) {
    case StepKind::convolution:
      return conv2d<Dev, T>(queue_, x, layer.weight, layer.bias, layer.window, layer.activation, layer.output);
    case StepKind::max_pool: return max_pool2d<Dev, T>(queue_, x, layer.window, layer.output);
    case StepKind::resize: return resize_bilinear<Dev, T>(queue_, x, layer.rows, layer.columns, layer.output);
    case StepKind::concat: return concat(layer);
    case StepKind::add: return combine<Dev, T>(queue_, 1.0F, flat(x), 1.0F, flat(layer.inputs[1]), flat(layer.output));
    case StepKind::batch_norm: return scale_columns<Dev, T>(queue_, rows(x), layer.scale, layer.bias, rows(layer.output));
    case StepKind::round: return round_to_half(x, layer.output);
    case StepKind::activate: return activate<Dev, T>(queue_, flat(x), layer.activation, flat(layer.output));
  }
}

template <class Dev, class T>
void MattingNetwork<Dev, T>::forward(const std::vector<float>& input) {
  {
    const Frame<Dev> frame(queue_.scratch());
    const auto staging = queue_.scratch().template take<float, 1>({input_.size()});
    const std::vector<float> last = queue_.metering() ? input : transposed(input, input_.extent(1) * input_.extent(2));
    if (!queue_.metering()) upload_bytes(queue_, last.data(), staging.data(), last.size() * sizeof(float));
    cast<Dev, float, T>(queue_, staging, input_.template reshape<1>({input_.size()}));
  }
  for (const Layer& layer : layers_) {
    queue_.check();
    step(layer);
  }
}

template <class Dev, class T>
std::vector<float> MattingNetwork<Dev, T>::fetch(Map map) {
  std::vector<T> values(static_cast<std::size_t>(map.size()));
  download_bytes(queue_, map.data(), values.data(), values.size() * sizeof(T));
  if constexpr (std::is_same_v<T, float>) {
    return transposed(values, map.extent(3));
  } else {
    std::vector<float> wide(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) wide[i] = to_float(values[i]);
    return transposed(wide, map.extent(3));
  }
}

template <class Dev, class T>
std::vector<std::vector<float>> MattingNetwork<Dev, T>::run(const std::vector<float>& input) {
  require(static_cast<std::int64_t>(input.size()) == input_.size(), "MattingNetwork::run", input.size(), " values for ",
          input_.size());
  queue_.use(&scratch_);
  forward(input);
  std::vector<std::vector<float>> results;
  for (const Map& map : outputs_) results.push_back(fetch(map));
  queue_.use(nullptr);
  return results;
}

#define ESPALIER_INSTANTIATE(Dev, T) template class MattingNetwork<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
