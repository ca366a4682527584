#include "models/trellis/slat_decoder.h"

#include <algorithm>

#include "nn/backends.h"
#include "ops/child_taps.h"
#include "ops/convolution.h"
#include "ops/elementwise.h"
#include "sparse/subdivision.h"

namespace espalier {
namespace {

SparseTransformerConfig transformer_config(Arguments& args) {
  SparseTransformerConfig c;
  c.resolution = static_cast<int>(args.integer("resolution", 1, 256));
  c.in_channels = args.integer("latent_channels", 1, 4096);
  const TransformerShape shape = transformer_shape(args);
  c.channels = shape.channels;
  c.heads = shape.heads;
  c.hidden = shape.hidden;
  c.blocks = args.integer("num_blocks", 0, 1024);
  const std::string mode = args.text_or("attn_mode", "swin");
  if (mode == "full") {
    c.mode = AttentionMode::full;
    args.ignore("window_size");
  } else if (mode == "swin") {
    c.mode = AttentionMode::swin;
    c.window_size = static_cast<int>(args.integer_or("window_size", 8, 1, 1024));
  } else {
    fail(ErrorCode::unsupported, args.where(), ": attn_mode ", mode, " is not supported", hint("swin and full are"));
  }
  if (args.text_or("pe_mode", "ape") != "ape") {
    fail(ErrorCode::unsupported, args.where(), ": pe_mode ", args.text_or("pe_mode", ""), " is not supported",
         hint("only ape is"));
  }
  c.qk_rms_norm = args.flag_or("qk_rms_norm", false);
  args.ignore("use_fp16");
  args.ignore("use_checkpoint");
  return c;
}

constexpr int kSubdivideGroups = 32;

template <class V>
auto flat(V x) {
  return x.template reshape<1>({x.size()});
}

}  // namespace

GaussianDecoderConfig GaussianDecoderConfig::from(Arguments args) {
  GaussianDecoderConfig c;
  c.transformer = transformer_config(args);
  Arguments rep = args.object("representation_config");
  args.finish();
  Arguments lr = rep.object("lr");
  const auto rate = [&](const char* key) { return static_cast<float>(lr.number(key)); };
  c.gaussians.lr_xyz = rate("_xyz");
  c.gaussians.lr_features = rate("_features_dc");
  c.gaussians.lr_scaling = rate("_scaling");
  c.gaussians.lr_rotation = rate("_rotation");
  c.gaussians.lr_opacity = rate("_opacity");
  lr.finish();
  c.gaussians.per_voxel = static_cast<int>(rep.integer("num_gaussians", 1, 4096));
  c.gaussians.perturb_offset = rep.flag_or("perturb_offset", true);
  c.gaussians.voxel_size = static_cast<float>(rep.number("voxel_size"));
  c.gaussians.kernel_size_3d = static_cast<float>(rep.number("3d_filter_kernel_size"));
  c.kernel_size_2d = rep.number_or("2d_filter_kernel_size", 0.1);
  c.gaussians.scaling_bias = static_cast<float>(rep.number("scaling_bias"));
  c.gaussians.opacity_bias = static_cast<float>(rep.number("opacity_bias"));
  const std::string activation = rep.text_or("scaling_activation", "exp");
  if (activation != "exp" && activation != "softplus") {
    fail(ErrorCode::unsupported, rep.where(), ": scaling_activation ", activation, hint("exp and softplus are known"));
  }
  c.gaussians.softplus_scaling = activation == "softplus";
  rep.finish();
  if (!(c.gaussians.scaling_bias > 0) || !(c.gaussians.opacity_bias > 0 && c.gaussians.opacity_bias < 1) ||
      !(c.gaussians.voxel_size > 0)) {
    fail(ErrorCode::format, rep.where(), ": scaling_bias and voxel_size must be positive and opacity_bias in (0, 1)");
  }
  return c;
}

RadianceDecoderConfig RadianceDecoderConfig::from(Arguments args) {
  RadianceDecoderConfig c;
  c.transformer = transformer_config(args);
  Arguments rep = args.object("representation_config");
  args.finish();
  c.rank = static_cast<int>(rep.integer("rank", 1, 1024));
  c.dim = static_cast<int>(rep.integer("dim", 1, 1024));
  rep.finish();
  return c;
}

MeshDecoderConfig MeshDecoderConfig::from(Arguments args) {
  MeshDecoderConfig c;
  c.transformer = transformer_config(args);
  if (args.has("representation_config")) {
    Arguments rep = args.object("representation_config");
    c.colour = rep.flag_or("use_color", false);
    rep.finish();
  } else {
    args.ignore("representation_config");
  }
  args.finish();
  if (c.transformer.channels % (8 * kSubdivideGroups) != 0) {
    fail(ErrorCode::format, args.where(), ": model_channels = ", c.transformer.channels, " must be divisible by ",
         8 * kSubdivideGroups, " (group norms of the subdivision)");
  }
  return c;
}

template <class Dev, class T>
void LatentHead<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 2> latent, const SparseTokens<Dev>& tokens,
                                 View<Dev, float, 2> out, Probe<Dev>* probe) const {
  const Frame<Dev> frame(queue.scratch());
  const std::int64_t rows = latent.extent(0);
  auto h = queue.scratch().template take<T, 2>({rows, transformer_.config().channels});
  transformer_(queue, latent, tokens, h, probe);
  auto normed = queue.scratch().template take<float, 2>(h.extents());
  layer_norm<Dev, T, float>(queue, h, {}, kPlainEpsilon, normed);
  output_(queue, normed, out);
}

RadianceField split_radiance_field(const RadianceDecoderConfig& config, const Voxels& voxels, const std::vector<float>& raw) {
  RadianceField f;
  f.resolution = config.transformer.resolution;
  f.rank = config.rank;
  f.dim = config.dim;
  const auto channels = static_cast<std::size_t>(config.channels());
  const auto rank = static_cast<std::size_t>(config.rank);
  const std::size_t vectors = rank * 3 * static_cast<std::size_t>(config.dim);
  require(raw.size() == static_cast<std::size_t>(voxels.rows()) * channels, "split_radiance_field", raw.size(), " values");
  for (std::size_t r = 0; r < static_cast<std::size_t>(voxels.rows()); ++r) {
    const float* row = raw.data() + r * channels;
    for (std::size_t i = 0; i < vectors; ++i) f.trivec.push_back(row[i] + 1.0F);
    f.density.insert(f.density.end(), row + vectors, row + vectors + rank);
    f.features_dc.insert(f.features_dc.end(), row + vectors + rank, row + channels);
    for (std::size_t a = 1; a < 4; ++a) {
      f.position.push_back((static_cast<float>(voxels.coords[4 * r + a]) + 0.5F) / static_cast<float>(f.resolution));
    }
  }
  return f;
}

template <class Dev, class T>
MeshDecoder<Dev, T>::Subdivide::Subdivide(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t in_channels,
                                          std::int64_t out_channels)
    : norm1(load, prefix + ".act_layers.0", in_channels),
      norm2(load, prefix + ".out_layers.1", out_channels),
      in(in_channels),
      out(out_channels) {
  const auto conv = [&](const std::string& name, std::int64_t from, View<Dev, const T, 3>& w, View<Dev, const T, 1>& b) {
    w = load.template take<T, 5>(prefix + name + ".conv.weight", {out, 3, 3, 3, from}).template reshape<3>({out, 27, from});
    b = load.template take<T, 1>(prefix + name + ".conv.bias", {out});
  };
  conv(".out_layers.0", in, conv1_w, conv1_b);
  conv(".out_layers.3", out, conv2_w, conv2_b);
  skip.w = load.template take<T, 5>(prefix + ".skip_connection.conv.weight", {out, 1, 1, 1, in}).template reshape<2>({out, in});
  skip.b = load.template take<T, 1>(prefix + ".skip_connection.conv.bias", {out});
}

template <class Dev, class T>
MeshDecoder<Dev, T>::MeshDecoder(const MeshDecoderConfig& config, WeightLoader<Dev>& load)
    : config_(config),
      transformer_(config.transformer, load),
      first_(load, "upsample.0", config.transformer.channels, config.transformer.channels / 4),
      second_(load, "upsample.1", config.transformer.channels / 4, config.transformer.channels / 8),
      output_(load, "out_layer", config.transformer.channels / 8, config.channels()) {}

template <class Dev, class T>
void MeshDecoder<Dev, T>::first_half(Queue<Dev>& queue, const Subdivide& block, View<Dev, const T, 2> x,
                                     View<Dev, const std::int32_t, 2> neighbours, const std::vector<std::int64_t>& begin,
                                     View<Dev, T, 2> h) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t rows = x.extent(0);
  const auto bounds = [](const std::vector<std::int64_t>& b) {
    return View<Cpu, const std::int64_t, 1>(b.data(), {static_cast<std::int64_t>(b.size())});
  };
  auto a = arena.template take<T, 2>({rows, block.in});
  group_norm<Dev, T, T>(queue, x, bounds(begin), kSubdivideGroups, block.norm1.gain, block.norm1.bias, kPlainEpsilon,
                        Activation::silu, a);
  auto folded = arena.template take<T, 4>({kChildren, block.out, kChildTaps, block.in});
  fold_child_taps<Dev, T>(queue, block.conv1_w, folded);
  queue.check();
  child_conv<Dev, T>(queue, a, folded, block.conv1_b, neighbours, h);
  std::vector<std::int64_t> child_begin(begin);
  for (auto& b : child_begin) b *= 8;
  group_norm<Dev, T, T>(queue, View<Dev, const T, 2>(h), bounds(child_begin), kSubdivideGroups, block.norm2.gain,
                        block.norm2.bias, kPlainEpsilon, Activation::silu, h);
}

template <class Dev, class T>
void MeshDecoder<Dev, T>::second_half(Queue<Dev>& queue, const Subdivide& block, View<Dev, const T, 2> x,
                                      View<Dev, const T, 2> h, View<Dev, const std::int32_t, 2> neighbours, std::int64_t first,
                                      std::int64_t count, View<Dev, T, 2> out) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  auto map = arena.template take<std::int32_t, 2>({8 * count, 27});
  auto skipped = arena.template take<T, 2>({count, block.out});
  subdivide_neighbours<Dev>(queue, neighbours.rows(first, count), map);
  // A 1x1x1 convolution commutes with repeating rows, so it runs on an eighth of them.
  block.skip(queue, x.rows(first, count), skipped);
  repeat_children<Dev, T>(queue, skipped, out);
  submanifold_conv<Dev, T>(queue, h, block.conv2_w, block.conv2_b, map, out, out);
}

template <class Dev, class T>
void MeshDecoder<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 2> latent, const SparseTokens<Dev>& tokens,
                                  View<Dev, const std::int32_t, 2> neighbours, const Voxels& voxels, std::int64_t tile,
                                  View<Dev, float, 2> out, Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t rows = latent.extent(0);
  auto middle = arena.template take<T, 2>({8 * rows, first_.out});
  auto middle_map = arena.template take<std::int32_t, 2>({8 * rows, 27});
  {
    const Frame<Dev> coarse_frame(arena);
    auto x = arena.template take<T, 2>({rows, first_.in});
    transformer_(queue, latent, tokens, x, probe);
    auto h = arena.template take<T, 2>({8 * rows, first_.out});
    first_half(queue, first_, x, neighbours, voxels.begin, h);
    second_half(queue, first_, x, h, neighbours, 0, rows, middle);
    show(probe, "upsample0", queue, middle);
    subdivide_neighbours<Dev>(queue, neighbours, middle_map);
  }
  std::vector<std::int64_t> begin(voxels.begin);
  for (auto& b : begin) b *= 8;
  const std::int64_t parents = 8 * rows;
  const std::int64_t step = std::max<std::int64_t>(1, std::min(tile, parents));
  auto h = arena.template take<T, 2>({8 * parents, second_.out});
  first_half(queue, second_, middle, middle_map, begin, h);
  auto narrow = arena.template take<T, 2>({8 * step, second_.out});
  auto wide = arena.template take<float, 2>({8 * step, second_.out});
  for (std::int64_t p = 0; p < parents; p += step) {
    queue.check();
    const std::int64_t n = std::min(step, parents - p);
    const auto rows_out = narrow.rows(0, 8 * n);
    second_half(queue, second_, middle, h, middle_map, p, n, rows_out);
    if (n == parents) show(probe, "upsample1", queue, rows_out);
    cast<Dev, T, float>(queue, View<Dev, const T, 1>(flat(rows_out)), flat(wide.rows(0, 8 * n)));
    output_(queue, wide.rows(0, 8 * n), out.rows(8 * p, 8 * n));
  }
}

template <class Dev, class T>
void MeshDecoder<Dev, T>::cube_coords(Queue<Dev>& queue, View<Dev, const std::int32_t, 2> coords,
                                      View<Dev, std::int32_t, 2> out) const {
  const Frame<Dev> frame(queue.scratch());
  auto middle = queue.scratch().template take<std::int32_t, 2>({8 * coords.extent(0), 4});
  subdivide_coords<Dev>(queue, coords, middle);
  subdivide_coords<Dev>(queue, middle, out);
}

#define ESPALIER_INSTANTIATE(Dev, T)      \
  template class LatentHead<Dev, T>;      \
  template class GaussianDecoder<Dev, T>; \
  template class RadianceDecoder<Dev, T>; \
  template class MeshDecoder<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
