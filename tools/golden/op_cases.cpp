// Cases of single operations, with weights of their own.
#include <cmath>

#include "models/trellis/sparse_structure_flow.h"
#include "nn/backends.h"
#include "nn/layers.h"
#include "ops/convolution.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/volume.h"
#include "runner.h"
#include "sparse/structure.h"
#include "sparse/subdivision.h"

namespace espalier::golden {
namespace {

// The golden volume is not a cube, but the networks' are: it is put into the corner of a cube, and the patches that lie
// in it are picked. Returns [batch, channels p^3, i, j, k].
template <class Dev>
std::vector<float> patches_of(Bench<Dev>& b, const std::vector<float>& x, const std::vector<std::int64_t>& s, int patch) {
  const std::int64_t side = std::max({s[2], s[3], s[4]});
  const std::int64_t grid = side / patch;
  const std::int64_t channels = s[1] * patch * patch * patch;
  std::vector<float> cube(static_cast<std::size_t>(s[0] * s[1] * side * side * side), 0.0F);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    const std::int64_t z = i % s[4];
    const std::int64_t y = i / s[4] % s[3];
    const std::int64_t row = i / s[4] / s[3];  // (batch, channel, x)
    cube[static_cast<std::size_t>(((row / s[2] * side + row % s[2]) * side + y) * side + z)] = x[static_cast<std::size_t>(i)];
  }
  auto tokens = b.arena.template take<float, 2>({s[0] * grid * grid * grid, channels});
  patchify<Dev, float>(b.queue, b.template put<float, 5>(cube, {s[0], s[1], side, side, side}), patch, tokens);
  const std::vector<float> all = b.get(tokens);
  std::vector<float> out;
  for (std::int64_t n = 0; n < s[0]; ++n) {
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      for (std::int64_t i = 0; i < s[2] / patch; ++i) {
        for (std::int64_t j = 0; j < s[3] / patch; ++j) {
          for (std::int64_t k = 0; k < s[4] / patch; ++k) {
            out.push_back(all[static_cast<std::size_t>((((n * grid + i) * grid + j) * grid + k) * channels + ch)]);
          }
        }
      }
    }
  }
  return out;
}

template <class Dev, class T>
void run_embeddings(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  const auto t_host = c.floats("t");
  const auto batch = static_cast<std::int64_t>(t_host.size());
  const auto t = b.template put<float, 1>(t_host, {batch});
  for (const std::string& name : c.names()) {
    if (name.rfind("t_freq_", 0) == 0) {
      auto out = b.arena.template take<float, 2>({batch, std::stoll(name.substr(7))});
      timestep_embedding<Dev>(b.queue, t, out);
      c.compare(name, b.get(out));
    }
    if (name.rfind("ape_", 0) == 0 && name != "ape_coords") {
      const auto coords = c.ints("ape_coords");
      const auto rows = static_cast<std::int64_t>(coords.size() / 3);
      std::vector<std::int32_t> with_batch;
      for (std::size_t i = 0; i < coords.size(); i += 3)
        with_batch.insert(with_batch.end(), {0, coords[i], coords[i + 1], coords[i + 2]});
      auto out = b.arena.template take<float, 2>({rows, std::stoll(name.substr(4))});
      position_embedding<Dev, float>(b.queue, b.template put<std::int32_t, 2>(with_batch, {rows, 4}), out);
      c.compare(name, b.get(out));
    }
  }
  const ModuleSource module = c.manifest().module(c.spec().at("checkpoint").get<std::string>());
  const auto flow =
      load_model<SparseStructureFlow<Dev, T>>(b.queue, *module.tensors, SparseStructureFlowConfig::from(module.arguments()));
  auto emb = b.arena.template take<float, 2>({batch, flow->model->config().transformer.channels});
  flow->model->embedder()(b.queue, t, emb);
  c.compare("t_emb", b.get(emb));

  const auto ps = c.shape("patch_x");
  const auto py = c.shape("patch_y");
  c.compare("patch_y", patches_of(b, c.floats("patch_x"), ps, static_cast<int>(ps[2] / py[2])));
  const auto xs = c.shape("shuffle_x");
  const auto ys = c.shape("shuffle_y");
  auto last = b.arena.template take<float, 5>({xs[0], xs[2], xs[3], xs[4], xs[1]});
  auto shuffled = b.arena.template take<float, 5>({ys[0], ys[2], ys[3], ys[4], ys[1]});
  auto first = b.arena.template take<float, 5>({ys[0], ys[1], ys[2], ys[3], ys[4]});
  to_channels_last<Dev, float>(b.queue, b.template put<float, 5>(c.floats("shuffle_x"), {xs[0], xs[1], xs[2], xs[3], xs[4]}),
                               last);
  pixel_shuffle<Dev, float>(b.queue, last, shuffled);
  to_channels_first<Dev, float>(b.queue, shuffled, first);
  c.compare("shuffle_y", b.get(first));
}

template <class Dev, class T>
void run_norms(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  const auto xs = c.shape("x");
  const auto x = b.template put<T, 2>(narrow<T>(c.floats("x")), {xs[0], xs[1]});
  const auto w = b.template put<float, 1>(c.floats("w"), {xs[1]});
  const auto bias = b.template put<float, 1>(c.floats("b"), {xs[1]});
  NormTail<Dev, T> affine;
  affine.gain = w;
  affine.bias = bias;
  const auto norm = [&](const std::string& name, const NormTail<Dev, T>& tail, float eps) {
    auto out = b.arena.template take<T, 2>({xs[0], xs[1]});
    layer_norm<Dev, T, T>(b.queue, x, tail, eps, out);
    c.compare(name, widen(b.get(out)));
  };
  norm("ln_affine_1e6", affine, kBlockEpsilon);
  norm("ln_plain_1e6", {}, kBlockEpsilon);
  norm("ln_plain_1e5", {}, kPlainEpsilon);

  const auto vs = c.shape("vol");
  const std::int64_t cells = vs[2] * vs[3] * vs[4];
  auto last = b.arena.template take<T, 5>({vs[0], vs[2], vs[3], vs[4], vs[1]});
  auto normed = b.arena.template take<T, 5>(last.extents());
  auto first = b.arena.template take<T, 5>({vs[0], vs[1], vs[2], vs[3], vs[4]});
  const auto rows = [&](View<Dev, T, 5> v) { return v.template reshape<2>({vs[0] * cells, vs[1]}); };
  to_channels_last<Dev, T>(b.queue, b.template put<T, 5>(narrow<T>(c.floats("vol")), {vs[0], vs[1], vs[2], vs[3], vs[4]}),
                           last);
  layer_norm<Dev, T, T>(b.queue, rows(last), affine, kPlainEpsilon, rows(normed));
  to_channels_first<Dev, T>(b.queue, normed, first);
  c.compare("channel_ln", widen(b.get(first)));
  std::vector<std::int64_t> begin;
  for (std::int64_t i = 0; i <= vs[0]; ++i) begin.push_back(i * cells);
  group_norm<Dev, T, T>(b.queue, rows(last), View<Cpu, const std::int64_t, 1>(begin.data(), {vs[0] + 1}), 32, w, bias,
                        kPlainEpsilon, Activation::none, rows(normed));
  to_channels_first<Dev, T>(b.queue, normed, first);
  c.compare("group_norm", widen(b.get(first)));

  const auto rs = c.shape("rms_gamma");
  const auto items = c.floats("rms_x");
  const auto heads =
      b.template put<T, 3>(narrow<T>(items), {static_cast<std::int64_t>(items.size()) / rs[0] / rs[1], rs[0], rs[1]});
  rms_norm_heads<Dev, T>(b.queue, heads, b.template put<float, 2>(c.floats("rms_gamma"), {rs[0], rs[1]}));
  c.compare("rms_y", widen(b.get(heads)));
}

// Voxels of golden coordinates; the grid is the smallest power of two that holds them.
Voxels voxels_of(const std::vector<std::int32_t>& coords) {
  std::int32_t side = 1;
  std::int64_t batch = 1;
  for (std::size_t i = 0; i < coords.size(); ++i) {
    if (i % 4 == 0) {
      batch = std::max<std::int64_t>(batch, coords[i] + 1);
    } else {
      while (side <= coords[i]) side *= 2;
    }
  }
  return make_voxels(coords, batch, side);
}

template <class Dev, class T>
void run_sparse_ops(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  const Voxels voxels = voxels_of(c.ints("coords"));
  const std::int64_t n = voxels.rows();
  const auto fs = c.shape("feats");
  const auto feats = b.template put<T, 2>(narrow<T>(c.floats("feats")), {n, fs[1]});
  const auto map = place<Dev, std::int32_t, 2>(b.queue, b.arena, neighbour_map(voxels), {n, 27});
  const auto ws = c.shape("conv3_w");
  auto y3 = b.arena.template take<T, 2>({n, ws[0]});
  submanifold_conv<Dev, T>(b.queue, feats, b.template put<T, 3>(narrow<T>(c.floats("conv3_w")), {ws[0], 27, ws[4]}),
                           b.template put<T, 1>(narrow<T>(c.floats("conv3_b")), {ws[0]}), map, {}, y3);
  c.compare("conv3_y", widen(b.get(y3)));
  const auto vs = c.shape("conv1_w");
  auto y1 = b.arena.template take<T, 2>({n, vs[0]});
  linear<Dev, T>(b.queue, feats, b.template put<T, 2>(narrow<T>(c.floats("conv1_w")), {vs[0], vs[4]}),
                 b.template put<T, 1>(narrow<T>(c.floats("conv1_b")), {vs[0]}), Activation::none, y1);
  c.compare("conv1_y", widen(b.get(y1)));

  const Coarsened down = coarsen(voxels);
  c.compare("down_coords", down.coarse.coords);
  c.compare("down_idx", down.parent);
  const std::int64_t m = down.coarse.rows();
  auto coarse = b.arena.template take<T, 2>({m, fs[1]});
  mean_children<Dev, T>(b.queue, feats, b.template put<std::int32_t, 1>(down.begin, {m + 1}),
                        b.template put<std::int32_t, 1>(down.child, {n}), coarse);
  c.compare("down_feats", widen(b.get(coarse)));
  auto up = b.arena.template take<T, 2>({n, fs[1]});
  gather_rows<Dev, T>(b.queue, coarse, b.template put<std::int32_t, 1>(down.parent, {n}), up);
  c.compare("up_coords", voxels.coords);
  c.compare("up_feats", widen(b.get(up)));

  // The subdivided tensor is the head of the input: as many rows and channels as the golden result has.
  const auto ss = c.shape("sub_feats");
  const std::int64_t parents = ss[0] / 8;
  auto head = b.arena.template take<T, 2>({parents, ss[1]});
  auto children = b.arena.template take<T, 2>({8 * parents, ss[1]});
  auto coords = b.arena.template take<std::int32_t, 2>({8 * parents, 4});
  const std::vector<std::int32_t> parent_coords(voxels.coords.begin(), voxels.coords.begin() + 4 * parents);
  scale_columns<Dev, T>(b.queue, columns(View<Dev, const T, 2>(feats.rows(0, parents)), 0, ss[1]), {}, {}, head);
  repeat_children<Dev, T>(b.queue, head, children);
  subdivide_coords<Dev>(b.queue, b.template put<std::int32_t, 2>(parent_coords, {parents, 4}), coords);
  c.compare("sub_coords", b.get(coords));
  c.compare("sub_feats", widen(b.get(children)));

  const auto gs = c.shape("gn_x");
  const auto gx = b.template put<T, 2>(narrow<T>(c.floats("gn_x")), {gs[0], gs[1]});
  auto gy = b.arena.template take<T, 2>({gs[0], gs[1]});
  group_norm<Dev, T, T>(b.queue, gx, View<Cpu, const std::int64_t, 1>(voxels.begin.data(), {voxels.batch() + 1}), 32,
                        b.template put<float, 1>(c.floats("gn_w"), {gs[1]}),
                        b.template put<float, 1>(c.floats("gn_b"), {gs[1]}), kPlainEpsilon, Activation::none, gy);
  c.compare("gn_y", widen(b.get(gy)));
}

// Self attention with the weights of a case under `prefix`.
template <class Dev, class T>
SelfAttention<Dev, T> attention_of(Bench<Dev>& b, Case& c, const std::string& prefix, std::int64_t heads) {
  SelfAttention<Dev, T> a;
  a.heads = heads;
  const auto bind = [&](const std::string& name, Linear<Dev, T>& layer) {
    const auto s = c.shape(prefix + name + ".weight");
    layer.w = b.template put<T, 2>(narrow<T>(c.floats(prefix + name + ".weight")), {s[0], s[1]});
    layer.b = b.template put<T, 1>(narrow<T>(c.floats(prefix + name + ".bias")), {s[0]});
  };
  bind(".to_qkv", a.qkv);
  bind(".to_out", a.out);
  if (c.has(prefix + ".q_rms_norm.gamma")) {
    const auto s = c.shape(prefix + ".q_rms_norm.gamma");
    a.q_gamma = b.template put<float, 2>(c.floats(prefix + ".q_rms_norm.gamma"), {s[0], s[1]});
    a.k_gamma = b.template put<float, 2>(c.floats(prefix + ".k_rms_norm.gamma"), {s[0], s[1]});
  }
  return a;
}

// The folder's index does not say how many heads an attention without norms has. The result says it: any other number
// gives other values altogether. `run(heads)` returns the result; it is compared for the number that fits best.
void compare_heads(Case& c, const std::string& prefix, std::int64_t channels,
                   const std::function<std::vector<float>(std::int64_t)>& run) {
  const std::string name = prefix + ".y";
  if (c.has(prefix + ".q_rms_norm.gamma")) {
    c.compare(name, run(c.shape(prefix + ".q_rms_norm.gamma")[0]));
    return;
  }
  const std::vector<float> golden = c.floats(name);
  std::vector<float> best;
  double least = INFINITY;
  for (std::int64_t heads = 1; heads <= channels; ++heads) {
    if (channels % heads != 0 || channels / heads > 256) continue;
    std::vector<float> got = run(heads);
    double worst = got.size() == golden.size() ? 0.0 : INFINITY;
    for (std::size_t i = 0; i < got.size() && worst < least; ++i)
      worst = std::max(worst, static_cast<double>(std::abs(got[i] - golden[i])));
    if (worst >= least) continue;
    least = worst;
    best = std::move(got);
  }
  c.compare(name, best);
}

// The index does not name the window of a partition either; it is the one that has the golden sequences.
HostPacking partition_like(const Voxels& voxels, int shift, const std::vector<std::int32_t>& lengths,
                           const std::vector<std::int32_t>& order) {
  HostPacking packing;
  for (int window = 1; window <= voxels.resolution + shift; ++window) {
    packing = windows(voxels, window, shift);
    bool same = packing.begin.size() == lengths.size() + 1 && packing.order == order;
    for (std::size_t i = 0; same && i < lengths.size(); ++i) same = packing.begin[i + 1] - packing.begin[i] == lengths[i];
    if (same) break;
  }
  return packing;
}

template <class Dev, class T>
void run_windows(Bench<Dev>& b, Case& c, const Voxels& voxels, View<Dev, const T, 2> x, const std::string& prefix) {
  const HostPacking packing =
      partition_like(voxels, std::stoi(prefix.substr(3)), c.ints(prefix + ".seq_lens"), c.ints(prefix + ".fwd"));
  std::vector<std::int32_t> lengths;
  for (std::size_t i = 0; i + 1 < packing.begin.size(); ++i) lengths.push_back(packing.begin[i + 1] - packing.begin[i]);
  c.compare(prefix + ".seq_lens", lengths);
  c.compare(prefix + ".fwd", packing.order);
  const auto placed = place(b.queue, b.arena, packing);
  compare_heads(c, prefix, x.extent(1), [&](std::int64_t heads) {
    const Frame<Dev> frame(b.arena);
    auto y = b.arena.template take<T, 2>(x.extents());
    attention_of<Dev, T>(b, c, prefix, heads)(b.queue, x, placed, y);
    return widen(b.get(y));
  });
}

template <class Dev, class T>
void run_sparse_attention(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  const Voxels voxels = voxels_of(c.ints("coords"));
  const auto xs = c.shape("x");
  const auto x = b.template put<T, 2>(narrow<T>(c.floats("x")), {xs[0], xs[1]});
  std::vector<std::string> window_prefixes;
  for (const std::string& name : c.names()) {
    if (name.rfind("win", 0) == 0 && name.size() > 4 && name.compare(name.size() - 4, 4, ".fwd") == 0) {
      window_prefixes.push_back(name.substr(0, name.size() - 4));
    }
  }
  for (const std::string& p : window_prefixes) run_windows<Dev, T>(b, c, voxels, x, p);

  const HostPacking whole = whole_batches(voxels);
  const auto elements = place(b.queue, b.arena, whole);
  compare_heads(c, "full", xs[1], [&](std::int64_t heads) {
    const Frame<Dev> heads_frame(b.arena);
    auto y = b.arena.template take<T, 2>({xs[0], xs[1]});
    attention_of<Dev, T>(b, c, "full", heads)(b.queue, x, elements, y);
    return widen(b.get(y));
  });

  const auto ks = c.shape("cross.context");
  const auto bind = [&](const std::string& name) {
    Linear<Dev, T> layer;
    const auto s = c.shape(name + ".weight");
    layer.w = b.template put<T, 2>(narrow<T>(c.floats(name + ".weight")), {s[0], s[1]});
    layer.b = b.template put<T, 1>(narrow<T>(c.floats(name + ".bias")), {s[0]});
    return layer;
  };
  const auto context = b.template put<T, 2>(narrow<T>(c.floats("cross.context")), {ks[0] * ks[1], ks[2]});
  const auto tokens = place(b.queue, b.arena, equal_batches(ks[0], ks[1]));
  auto q = b.arena.template take<T, 2>({xs[0], xs[1]});
  auto kv = b.arena.template take<T, 2>({ks[0] * ks[1], 2 * xs[1]});
  auto mixed = b.arena.template take<T, 2>({xs[0], xs[1]});
  auto y = b.arena.template take<T, 2>({xs[0], xs[1]});
  bind("cross.to_q")(b.queue, x, q);
  bind("cross.to_kv")(b.queue, context, kv);
  const auto out = bind("cross.to_out");
  compare_heads(c, "cross", xs[1], [&](std::int64_t heads) {
    const std::int64_t width = xs[1] / heads;
    attention<Dev, T>(b.queue, head_columns(q, 0, heads, width), head_columns(kv, 0, heads, width),
                      head_columns(kv, xs[1], heads, width), elements, tokens, 1.0F / std::sqrt(static_cast<float>(width)),
                      head_columns(mixed, 0, heads, width));
    out(b.queue, mixed, y);
    return widen(b.get(y));
  });
}

}  // namespace

template <class Dev, class T>
bool run_op_case(Bench<Dev>& bench, Case& c) {
  if (c.name().rfind("embeddings", 0) == 0) {
    run_embeddings<Dev, T>(bench, c);
  } else if (c.name().rfind("norms", 0) == 0) {
    run_norms<Dev, T>(bench, c);
  } else if (c.name().rfind("sparse_ops", 0) == 0) {
    run_sparse_ops<Dev, T>(bench, c);
  } else if (c.name().rfind("sparse_attention", 0) == 0) {
    run_sparse_attention<Dev, T>(bench, c);
  } else {
    return false;
  }
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T) template bool run_op_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
