#include "models/trellis/sparse_structure_vae.h"

#include "nn/backends.h"
#include "ops/convolution.h"
#include "ops/elementwise.h"
#include "ops/volume.h"

namespace espalier {
namespace {

constexpr int kOutputGroups = 32;  // of norm_type group

SparseStructureVaeConfig common(Arguments& args, const char* outer) {
  SparseStructureVaeConfig c;
  c.in_channels = args.integer(outer, 1, 4096);
  c.latent_channels = args.integer("latent_channels", 1, 4096);
  c.res_blocks = static_cast<int>(args.integer("num_res_blocks", 0, 64));
  c.middle_blocks = static_cast<int>(args.integer_or("num_res_blocks_middle", 2, 0, 64));
  c.channels = args.integers("channels", 1, 65536);
  if (c.channels.size() > 8) fail(ErrorCode::unsupported, args.where(), ": more than 8 entries in channels");
  const std::string norm = args.text_or("norm_type", "layer");
  if (norm != "layer" && norm != "group")
    fail(ErrorCode::unsupported, args.where(), ": norm_type ", norm, hint("layer and group are known"));
  c.group_norm = norm == "group";
  args.ignore("use_fp16");
  args.finish();
  if (c.group_norm && c.channels.back() % kOutputGroups != 0) {
    fail(ErrorCode::format, args.where(), ": norm_type group needs the last of channels divisible by ", kOutputGroups);
  }
  return c;
}

template <class V>
auto rows_of(V x) {
  const std::int64_t c = x.extent(4);
  return x.template reshape<2>({x.size() / c, c});
}
template <class V>
auto flat(V x) {
  return x.template reshape<1>({x.size()});
}

// The first convolution, in float32, of a channels-first volume.
template <class Dev, class T>
void first_layer(Queue<Dev>& queue, View<Dev, const float, 5> x, const Conv3d<Dev, float>& layer, View<Dev, T, 5> out,
                 Probe<Dev>* probe) {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  auto last = arena.template take<float, 5>({x.extent(0), x.extent(2), x.extent(3), x.extent(4), x.extent(1)});
  auto wide = arena.template take<float, 5>(out.extents());
  to_channels_last<Dev, float>(queue, x, last);
  conv3d<Dev, float>(queue, last, layer.w, layer.b, {}, wide);
  show(probe, "input_layer", queue, rows_of(wide));
  cast<Dev, float, T>(queue, View<Dev, const float, 1>(flat(wide)), flat(out));
}

}  // namespace

SparseStructureVaeConfig SparseStructureVaeConfig::from_decoder(Arguments args) { return common(args, "out_channels"); }
SparseStructureVaeConfig SparseStructureVaeConfig::from_encoder(Arguments args) { return common(args, "in_channels"); }

template <class Dev, class T>
void VolumeResBlock<Dev, T>::operator()(Queue<Dev>& queue, View<Dev, T, 5> x) const {
  const Frame<Dev> frame(queue.scratch());
  auto a = queue.scratch().template take<T, 5>(x.extents());
  auto b = queue.scratch().template take<T, 5>(x.extents());
  layer_norm<Dev, T, T>(queue, rows_of(x), norm1.template tail<T>(Activation::silu), kPlainEpsilon, rows_of(a));
  conv3d<Dev, T>(queue, a, conv1.w, conv1.b, {}, b);
  layer_norm<Dev, T, T>(queue, rows_of(b), norm2.template tail<T>(Activation::silu), kPlainEpsilon, rows_of(a));
  conv3d<Dev, T>(queue, a, conv2.w, conv2.b, x, x);
}

template <class Dev>
template <class T>
void VolumeHead<Dev>::operator()(Queue<Dev>& queue, View<Dev, const T, 5> x, View<Dev, float, 5> out) const {
  const Frame<Dev> frame(queue.scratch());
  auto a = queue.scratch().template take<float, 5>(x.extents());
  if (group_norm) {
    auto wide = queue.scratch().template take<float, 5>(x.extents());
    cast<Dev, T, float>(queue, flat(x), flat(wide));
    std::vector<std::int64_t> begin;
    const std::int64_t per = x.size() / x.extent(0) / x.extent(4);
    for (std::int64_t b = 0; b <= x.extent(0); ++b) begin.push_back(b * per);
    const View<Cpu, const std::int64_t, 1> rows(begin.data(), {static_cast<std::int64_t>(begin.size())});
    espalier::group_norm<Dev, float, float>(queue, rows_of(View<Dev, const float, 5>(wide)), rows, kOutputGroups, norm.gain,
                                            norm.bias, kPlainEpsilon, Activation::silu, rows_of(a));
  } else {
    layer_norm<Dev, T, float>(queue, rows_of(x), norm.template tail<T>(Activation::silu), kPlainEpsilon, rows_of(a));
  }
  conv3d<Dev, float>(queue, a, conv.w, conv.b, {}, out);
}

template <class Dev, class T>
SparseStructureDecoder<Dev, T>::SparseStructureDecoder(const SparseStructureVaeConfig& config, WeightLoader<Dev>& load)
    : config_(config),
      input_(load, "input_layer", config.latent_channels, config.channels[0]),
      head_(load, config.channels.back(), config.in_channels, config.group_norm) {
  for (int i = 0; i < config.middle_blocks; ++i)
    middle_.emplace_back(load, "middle_block." + std::to_string(i), config.channels[0]);
  int index = 0;
  for (std::size_t s = 0; s < config.channels.size(); ++s) {
    Stage& stage = stages_.emplace_back();
    for (int i = 0; i < config.res_blocks; ++i) {
      stage.blocks.emplace_back(load, "blocks." + std::to_string(index++), config.channels[s]);
    }
    if (s + 1 < config.channels.size()) {
      stage.up =
          Conv3d<Dev, T>(load, "blocks." + std::to_string(index++) + ".conv", config.channels[s], 8 * config.channels[s + 1]);
    }
  }
}

template <class Dev, class T>
void SparseStructureDecoder<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 5> z, View<Dev, float, 5> out,
                                             Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t batch = z.extent(0);
  std::int64_t side = z.extent(2);
  const auto volume = [&](std::int64_t s, std::int64_t c) { return Extents<5>{batch, s, s, s, c}; };
  auto h = arena.template take<T, 5>(volume(side, config_.channels[0]));
  first_layer<Dev, T>(queue, z, input_, h, probe);
  for (const auto& block : middle_) {
    queue.check();
    block(queue, h);
  }
  show(probe, "middle", queue, rows_of(h));
  int index = 0;
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    for (const auto& block : stages_[s].blocks) {
      queue.check();
      block(queue, h);
      show(probe, "block" + std::to_string(index++), queue, rows_of(h));
    }
    if (s + 1 == stages_.size()) break;
    auto next = arena.template take<T, 5>(volume(2 * side, config_.channels[s + 1]));
    const Frame<Dev> up_frame(arena);
    auto wide = arena.template take<T, 5>(volume(side, 8 * config_.channels[s + 1]));
    conv3d<Dev, T>(queue, h, stages_[s].up.w, stages_[s].up.b, {}, wide);
    pixel_shuffle<Dev, T>(queue, wide, next);
    h = next;
    side *= 2;
    show(probe, "block" + std::to_string(index++), queue, rows_of(h));
  }
  head_(queue, View<Dev, const T, 5>(h), out);
}

template <class Dev, class T>
SparseStructureEncoder<Dev, T>::SparseStructureEncoder(const SparseStructureVaeConfig& config, WeightLoader<Dev>& load)
    : config_(config),
      input_(load, "input_layer", config.in_channels, config.channels[0]),
      head_(load, config.channels.back(), 2 * config.latent_channels, config.group_norm) {
  int index = 0;
  for (std::size_t s = 0; s < config.channels.size(); ++s) {
    Stage& stage = stages_.emplace_back();
    const std::int64_t c = config.channels[s];
    for (int i = 0; i < config.res_blocks; ++i) stage.blocks.emplace_back(load, "blocks." + std::to_string(index++), c);
    if (s + 1 < config.channels.size()) {
      const std::string p = "blocks." + std::to_string(index++) + ".conv";
      const std::int64_t out = config.channels[s + 1];
      stage.down_w =
          load.template take<T, 5>(p + ".weight", {out, c, 2, 2, 2}, Order::channels_last).template reshape<2>({out, 8 * c});
      stage.down_b = load.template take<T, 1>(p + ".bias", {out});
    }
  }
  for (int i = 0; i < config.middle_blocks; ++i)
    middle_.emplace_back(load, "middle_block." + std::to_string(i), config.channels.back());
}

template <class Dev, class T>
void SparseStructureEncoder<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 5> x, View<Dev, float, 5> out,
                                             Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t batch = x.extent(0);
  std::int64_t side = x.extent(2);
  const auto volume = [&](std::int64_t s, std::int64_t c) { return Extents<5>{batch, s, s, s, c}; };
  auto h = arena.template take<T, 5>(volume(side, config_.channels[0]));
  first_layer<Dev, T>(queue, x, input_, h, nullptr);
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    for (const auto& block : stages_[s].blocks) {
      queue.check();
      block(queue, h);
    }
    if (s + 1 == stages_.size()) break;
    auto next = arena.template take<T, 5>(volume(side / 2, config_.channels[s + 1]));
    const Frame<Dev> down_frame(arena);
    auto blocks = arena.template take<T, 5>(volume(side / 2, 8 * config_.channels[s]));
    space_to_depth<Dev, T>(queue, h, blocks);
    linear<Dev, T>(queue, rows_of(View<Dev, const T, 5>(blocks)), stages_[s].down_w, stages_[s].down_b, Activation::none,
                   rows_of(next));
    h = next;
    side /= 2;
  }
  for (const auto& block : middle_) {
    queue.check();
    block(queue, h);
  }
  show(probe, "middle", queue, rows_of(h));
  head_(queue, View<Dev, const T, 5>(h), out);
}

#define ESPALIER_INSTANTIATE(Dev, T)             \
  template class SparseStructureDecoder<Dev, T>; \
  template class SparseStructureEncoder<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
