#include "models/dino/dino.h"

#include <algorithm>
#include <cmath>

#include "nn/backends.h"
#include "ops/elementwise.h"
#include "ops/volume.h"
#include "sparse/structure.h"

namespace espalier {
namespace {

std::int64_t swiglu_hidden(std::int64_t hidden) { return (hidden * 2 / 3 + 7) / 8 * 8; }

// The cubic of Keys 1981 with its free parameter.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

struct Tap {
  int from = 0;
  float weight = 0.0F;
};

// The taps of every output cell of one axis.
std::vector<std::vector<Tap>> antialiased_taps(int from, int to, double scale) {
  std::vector<std::vector<Tap>> all;
  const double stretch = std::max(scale, 1.0);
  const double support = 2.0 * stretch;
  for (int i = 0; i < to; ++i) {
    const double center = scale * (i + 0.5);
    // NOLINTBEGIN(bugprone-incorrect-roundings): PyTorch's rounding; below zero it is cut to zero anyway
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int last = std::min(from, static_cast<int>(center + support + 0.5));
    // NOLINTEND(bugprone-incorrect-roundings)
    double sum = 0.0;
    for (int j = first; j < last; ++j) sum += cubic((j - center + 0.5) / stretch, -0.5);
    std::vector<Tap>& taps = all.emplace_back();
    for (int j = first; j < last; ++j) taps.push_back({j, static_cast<float>(cubic((j - center + 0.5) / stretch, -0.5) / sum)});
  }
  return all;
}

std::vector<std::vector<Tap>> interpolation_taps(int from, int to, double scale) {
  std::vector<std::vector<Tap>> all;
  for (int i = 0; i < to; ++i) {
    const double center = scale * (i + 0.5) - 0.5;
    const int base = static_cast<int>(std::floor(center));
    std::vector<Tap>& taps = all.emplace_back();
    for (int j = base - 1; j <= base + 2; ++j)
      taps.push_back({std::clamp(j, 0, from - 1), static_cast<float>(cubic(center - j, -0.75))});
  }
  return all;
}

}  // namespace

std::vector<float> resample_grid(const std::vector<float>& grid, const GridResampling& how, std::int64_t channels) {
  const auto c = static_cast<std::size_t>(channels);
  const auto taps_of = [&](int from, int to) {
    const double scale = from / (to + how.offset);
    return how.antialias ? antialiased_taps(from, to, scale) : interpolation_taps(from, to, scale);
  };
  const auto index = [&](int row, int column, int width) {
    return (static_cast<std::size_t>(row) * static_cast<std::size_t>(width) + static_cast<std::size_t>(column)) * c;
  };
  const auto horizontal = taps_of(how.from_w, how.to_w);
  const auto vertical = taps_of(how.from_h, how.to_h);
  std::vector<float> rows(static_cast<std::size_t>(how.from_h) * static_cast<std::size_t>(how.to_w) * c, 0.0F);
  for (int y = 0; y < how.from_h; ++y) {
    for (int x = 0; x < how.to_w; ++x) {
      for (const Tap& t : horizontal[static_cast<std::size_t>(x)]) {
        const std::size_t source = index(y, t.from, how.from_w);
        for (std::size_t i = 0; i < c; ++i) rows[index(y, x, how.to_w) + i] += t.weight * grid[source + i];
      }
    }
  }
  std::vector<float> out(static_cast<std::size_t>(how.to_h) * static_cast<std::size_t>(how.to_w) * c, 0.0F);
  for (int y = 0; y < how.to_h; ++y) {
    for (const Tap& t : vertical[static_cast<std::size_t>(y)]) {
      const float* source = rows.data() + index(t.from, 0, how.to_w);
      float* target = out.data() + index(y, 0, how.to_w);
      for (std::size_t i = 0; i < static_cast<std::size_t>(how.to_w) * c; ++i) target[i] += t.weight * source[i];
    }
  }
  return out;
}

DinoConfig DinoConfig::from(Arguments args) {
  DinoConfig c;
  c.image_size = static_cast<int>(args.integer_or("img_size", 518, 1, 4096));
  c.patch_size = static_cast<int>(args.integer_or("patch_size", 14, 1, 256));
  c.channels = args.integer("embed_dim", 1, 65536);
  c.blocks = args.integer("depth", 0, 1024);
  c.heads = args.integer("num_heads", 1, 4096);
  c.hidden = static_cast<std::int64_t>(static_cast<double>(c.channels) * args.number_or("mlp_ratio", 4.0));
  c.registers = static_cast<int>(args.integer_or("num_register_tokens", 0, 0, 1024));
  c.layer_scale = !args.is_null("init_values") && args.number_or("init_values", 1.0) != 0.0;
  args.ignore("init_values");
  const std::string ffn = args.text_or("ffn_layer", "mlp");
  if (ffn != "mlp" && ffn != "swiglufused" && ffn != "swiglu") {
    fail(ErrorCode::unsupported, args.where(), ": ffn_layer ", ffn, hint("mlp, swiglu and swiglufused are known"));
  }
  c.swiglu = ffn != "mlp";
  if (c.swiglu) c.hidden = swiglu_hidden(c.hidden);
  c.antialias = args.flag_or("interpolate_antialias", false);
  c.interpolation_offset = args.number_or("interpolate_offset", 0.1);
  c.chunks = static_cast<int>(args.integer_or("block_chunks", 0, 0, 1024));
  c.qkv_bias = args.flag_or("qkv_bias", true);
  c.projection_bias = args.flag_or("proj_bias", true);
  c.feed_forward_bias = args.flag_or("ffn_bias", true);
  if (args.integer_or("in_chans", 3, 1, 4096) != 3) fail(ErrorCode::unsupported, args.where(), ": in_chans must be 3");
  for (const char* training_only : {"drop_path_rate", "drop_path_uniform"}) args.ignore(training_only);
  args.finish();
  if (c.chunks > c.blocks) fail(ErrorCode::format, args.where(), ": block_chunks is more than depth");
  if (!(c.interpolation_offset >= 0.0 && c.interpolation_offset < 1.0)) {
    fail(ErrorCode::format, args.where(), ": interpolate_offset = ", c.interpolation_offset, " is not in [0, 1)");
  }
  if (c.channels % c.heads != 0) fail(ErrorCode::format, args.where(), ": embed_dim is not a multiple of num_heads");
  if (c.hidden < 1 || c.hidden > (1 << 20)) fail(ErrorCode::format, args.where(), ": mlp_ratio is out of range");
  if (c.image_size % c.patch_size != 0) fail(ErrorCode::format, args.where(), ": img_size is not a multiple of patch_size");
  return c;
}

DinoConfig DinoConfig::named(const std::string& name) {
  struct Member {
    const char* name;
    std::int64_t channels, blocks, heads;
    bool swiglu;
  };
  static constexpr Member kFamily[] = {{"dinov2_vits14", 384, 12, 6, false},
                                       {"dinov2_vitb14", 768, 12, 12, false},
                                       {"dinov2_vitl14", 1024, 24, 16, false},
                                       {"dinov2_vitg14", 1536, 40, 24, true}};
  for (const Member& m : kFamily) {
    const std::string plain = m.name;
    if (name != plain && name != plain + "_reg") continue;
    DinoConfig c;
    c.channels = m.channels;
    c.blocks = m.blocks;
    c.heads = m.heads;
    c.swiglu = m.swiglu;
    c.hidden = m.swiglu ? swiglu_hidden(4 * m.channels) : 4 * m.channels;
    c.registers = name == plain ? 0 : 4;
    c.antialias = name != plain;
    c.interpolation_offset = name == plain ? 0.1 : 0.0;
    return c;
  }
  fail(ErrorCode::unsupported, "image encoder ", name, " is not a DINOv2 model by name: put a configuration ", name,
       ".json beside its .safetensors");
}

template <class Dev, class T>
Dino<Dev, T>::Dino(const Shape& shape, WeightLoader<Dev>& load) : shape_(shape) {
  const DinoConfig& c = shape.config;
  const int p = c.patch_size;
  const int stored = c.image_size / p;
  if (shape.height % p != 0 || shape.width % p != 0 || shape.height < p || shape.width < p) {
    fail(ErrorCode::invalid_argument, "image encoder: images of ", shape.width, " x ", shape.height,
         " are not multiples of its patch size ", p);
  }
  const int rows = shape.height / p;
  const int cols = shape.width / p;
  const auto width = static_cast<std::size_t>(c.channels);
  const auto cls = load.take_host("cls_token", {1, 1, c.channels});
  auto pos = load.take_host("pos_embed", {1, 1 + std::int64_t{stored} * stored, c.channels});
  std::vector<float> prefix(cls.begin(), cls.end());
  for (std::size_t i = 0; i < width; ++i) prefix[i] += pos[i];
  if (c.registers > 0) {
    const auto registers = load.take_host("register_tokens", {1, c.registers, c.channels});
    prefix.insert(prefix.end(), registers.begin(), registers.end());
  }
  std::vector<float> grid(pos.begin() + static_cast<std::ptrdiff_t>(width), pos.end());
  if (rows != stored || cols != stored) {
    grid = resample_grid(grid, {stored, stored, rows, cols, c.antialias, c.interpolation_offset}, c.channels);
  }
  host_positions_.assign(pos.begin(), pos.begin() + static_cast<std::ptrdiff_t>(width));
  host_positions_.insert(host_positions_.end(), grid.begin(), grid.end());
  const auto narrow = [](const std::vector<float>& v) {
    std::vector<T> out(v.size());
    if constexpr (std::is_same_v<T, half>) {
      std::transform(v.begin(), v.end(), out.begin(), to_half);
    } else {
      out = v;
    }
    return out;
  };
  prefix_ = load.template place_values<T, 2>(narrow(prefix), {1 + c.registers, c.channels});
  positions_ = load.template place_values<T, 2>(narrow(grid), {std::int64_t{rows} * cols, c.channels});
  load.declare_unused("mask_token", {1, c.channels});
  load.declare_unused("norm.weight", {c.channels});
  load.declare_unused("norm.bias", {c.channels});
  patch_.w = load.template take<T, 4>("patch_embed.proj.weight", {c.channels, 3, p, p})
                 .template reshape<2>({c.channels, std::int64_t{3} * p * p});
  patch_.b = load.template take<T, 1>("patch_embed.proj.bias", {c.channels});
  blocks_.resize(static_cast<std::size_t>(c.blocks));
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string chunk = c.chunks > 0 ? std::to_string(static_cast<std::int64_t>(i) / (c.blocks / c.chunks)) + "." : "";
    const std::string n = "blocks." + chunk + std::to_string(i);
    Block& b = blocks_[i];
    b.norm1 = Affine<Dev>(load, n + ".norm1", c.channels);
    b.norm2 = Affine<Dev>(load, n + ".norm2", c.channels);
    b.attention =
        SelfAttention<Dev, T>(load, n + ".attn", c.channels, c.heads, false, {"qkv", "proj", c.qkv_bias, c.projection_bias});
    if (c.swiglu) {
      b.gated_in = Linear<Dev, T>(load, n + ".mlp.w12", c.channels, 2 * c.hidden, c.feed_forward_bias);
      b.gated_out = Linear<Dev, T>(load, n + ".mlp.w3", c.hidden, c.channels, c.feed_forward_bias);
    } else {
      b.feed_forward = FeedForward<Dev, T>(load, n + ".mlp.fc1", n + ".mlp.fc2", c.channels, c.hidden, Activation::gelu_erf,
                                           c.feed_forward_bias);
    }
    if (c.layer_scale) {
      b.scale1 = load.template take<T, 1>(n + ".ls1.gamma", {c.channels}).template reshape<2>({1, c.channels});
      b.scale2 = load.template take<T, 1>(n + ".ls2.gamma", {c.channels}).template reshape<2>({1, c.channels});
    }
  }
}

template <class Dev, class T>
void Dino<Dev, T>::embed(Queue<Dev>& queue, View<Dev, const float, 4> images, View<Dev, T, 2> x, Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t batch = images.extent(0);
  auto cells = arena.template take<float, 2>({batch * patches(), patch_.in()});
  auto narrow = arena.template take<T, 2>({batch * patches(), patch_.in()});
  image_patches<Dev, float>(queue, images, shape_.config.patch_size, cells);
  cast<Dev, float, T>(queue, View<Dev, const float, 1>(cells.template reshape<1>({cells.size()})),
                      narrow.template reshape<1>({narrow.size()}));
  const std::int64_t leading = prefix_.extent(0);
  for (std::int64_t b = 0; b < batch; ++b) {
    copy<Dev, T, 2>(queue, prefix_, x.rows(b * tokens(), leading));
    const auto rows = x.rows(b * tokens() + leading, patches());
    patch_(queue, narrow.rows(b * patches(), patches()), rows);
    if (b == 0) show(probe, "patch_embed", queue, rows);
    add_rows<Dev, T>(queue, rows, positions_);
  }
}

template <class Dev, class T>
void Dino<Dev, T>::feed_forward(Queue<Dev>& queue, const Block& block, View<Dev, const T, 2> y, View<Dev, T, 2> h) const {
  if (!shape_.config.swiglu) {
    block.feed_forward(queue, y, h);
    return;
  }
  const Frame<Dev> frame(queue.scratch());
  auto both = queue.scratch().template take<T, 2>({y.extent(0), 2 * shape_.config.hidden});
  auto gated = queue.scratch().template take<T, 2>({y.extent(0), shape_.config.hidden});
  block.gated_in(queue, y, both);
  gated_silu<Dev, T>(queue, both, gated);
  block.gated_out(queue, gated, h);
}

template <class Dev, class T>
void Dino<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 4> images, View<Dev, float, 2> prenorm,
                           View<Dev, float, 2> condition, Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t batch = images.extent(0);
  const std::int64_t rows = batch * tokens();
  const std::int64_t c = shape_.config.channels;
  const Packing<Dev> packing = place(queue, arena, equal_batches(batch, tokens()));
  auto x = arena.template take<T, 2>({rows, c});
  auto y = arena.template take<T, 2>({rows, c});
  auto h = arena.template take<T, 2>({rows, c});
  embed(queue, images, x, probe);
  if (!blocks_.empty()) layer_norm<Dev, T, T>(queue, x, blocks_[0].norm1.template tail<T>(), kBlockEpsilon, y);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    queue.check();
    const Block& b = blocks_[i];
    b.attention(queue, y, packing, h);
    add_layer_norm<Dev, T>(queue, x, h, b.scale1, b.norm2.template tail<T>(), kBlockEpsilon, y);
    feed_forward(queue, b, y, h);
    if (i + 1 < blocks_.size()) {
      add_layer_norm<Dev, T>(queue, x, h, b.scale2, blocks_[i + 1].norm1.template tail<T>(), kBlockEpsilon, y);
    } else {
      add_gated<Dev, T>(queue, x, h, b.scale2, {});
    }
    show(probe, "block" + std::to_string(i), queue, x);
  }
  if (!prenorm.empty()) {
    cast<Dev, T, float>(queue, View<Dev, const T, 1>(x.template reshape<1>({x.size()})),
                        prenorm.template reshape<1>({prenorm.size()}));
  }
  if (!condition.empty()) layer_norm<Dev, T, float>(queue, x, {}, kPlainEpsilon, condition);
}

#define ESPALIER_INSTANTIATE(Dev, T) template class Dino<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
