// Cases of single operations, with weights of their own.
#include <cmath>

#include "models/sparse_structure_flow.h"
#include "nn/backends.h"
#include "nn/layers.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/volume.h"
#include "runner.h"
#include "sparse/convolution.h"
#include "sparse/structure.h"

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
      for (std::size_t i = 0; i < coords.size(); i += 3) with_batch.insert(with_batch.end(), {0, coords[i], coords[i + 1], coords[i + 2]});
      auto out = b.arena.template take<float, 2>({rows, std::stoll(name.substr(4))});
      position_embedding<Dev, float>(b.queue, b.template put<std::int32_t, 2>(with_batch, {rows, 4}), out);
      c.compare(name, b.get(out));
    }
  }
  const ModuleSource module = c.manifest().module(c.spec().at("checkpoint").get<std::string>());
  const auto flow = load_model<SparseStructureFlow<Dev, T>>(b.queue, *module.tensors, SparseStructureFlowConfig::from(module.arguments()));
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
  to_channels_last<Dev, float>(b.queue, b.template put<float, 5>(c.floats("shuffle_x"), {xs[0], xs[1], xs[2], xs[3], xs[4]}), last);
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
  to_channels_last<Dev, T>(b.queue, b.template put<T, 5>(narrow<T>(c.floats("vol")), {vs[0], vs[1], vs[2], vs[3], vs[4]}), last);
  layer_norm<Dev, T, T>(b.queue, rows(last), affine, kPlainEpsilon, rows(normed));
  to_channels_first<Dev, T>(b.queue, normed, first);
  c.compare("channel_ln", widen(b.get(first)));
  std::vector<std::int64_t> begin;
  for (std::int64_t i = 0; i <= vs[0]; ++i) begin.push_back(i * cells);
  group_norm<Dev, T, T>(b.queue, rows(last), View<Cpu, const std::int64_t, 1>(begin.data(), {vs[0] + 1}), 32, w, bias, kPlainEpsilon,
                        Activation::none, rows(normed));
  to_channels_first<Dev, T>(b.queue, normed, first);
  c.compare("group_norm", widen(b.get(first)));

  const auto rs = c.shape("rms_x");
  const auto heads = b.template put<T, 3>(narrow<T>(c.floats("rms_x")), {rs[0] * rs[1], rs[2], rs[3]});
  rms_norm_heads<Dev, T>(b.queue, heads, b.template put<float, 2>(c.floats("rms_gamma"), {rs[2], rs[3]}));
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
  mean_children<Dev, T>(b.queue, feats, b.template put<std::int32_t, 1>(down.begin, {m + 1}), b.template put<std::int32_t, 1>(down.child, {n}), coarse);
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
                        b.template put<float, 1>(c.floats("gn_w"), {gs[1]}), b.template put<float, 1>(c.floats("gn_b"), {gs[1]}), kPlainEpsilon,
                        Activation::none, gy);
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

// A number that the folder's index may name; where it does not, it is that of a sibling whose gammas show it.
std::int64_t heads_of(Case& c, const std::string& prefix, const std::string& sibling) {
  for (const std::string& p : {prefix, sibling}) {
    if (c.has(p + ".q_rms_norm.gamma")) return c.shape(p + ".q_rms_norm.gamma")[0];
  }
  return c.spec().value("num_heads", 1);
}

template <class Dev, class T>
void run_windows(Bench<Dev>& b, Case& c, const Voxels& voxels, View<Dev, const T, 2> x, const std::string& prefix, const std::string& sibling) {
  const int shift = std::stoi(prefix.substr(3));
  const auto golden = c.ints(prefix + ".seq_lens");
  // The index does not name the window; it is the one whose partition has the golden sizes.
  HostPacking packing;
  for (int window = std::max(1, 2 * shift); window <= voxels.resolution; ++window) {
    packing = windows(voxels, window, shift);
    bool same = packing.begin.size() == golden.size() + 1;
    for (std::size_t i = 0; same && i < golden.size(); ++i) same = packing.begin[i + 1] - packing.begin[i] == golden[i];
    if (same) break;
  }
  std::vector<std::int32_t> lengths;
  for (std::size_t i = 0; i + 1 < packing.begin.size(); ++i) lengths.push_back(packing.begin[i + 1] - packing.begin[i]);
  c.compare(prefix + ".seq_lens", lengths);
  c.compare(prefix + ".fwd", packing.order);
  const auto a = attention_of<Dev, T>(b, c, prefix, heads_of(c, prefix, sibling));
  auto y = b.arena.template take<T, 2>(x.extents());
  a(b.queue, x, place(b.queue, b.arena, packing), y);
  c.compare(prefix + ".y", widen(b.get(y)));
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
  for (const std::string& p : window_prefixes) run_windows<Dev, T>(b, c, voxels, x, p, p == window_prefixes.front() ? window_prefixes.back() : window_prefixes.front());

  const HostPacking whole = whole_batches(voxels);
  const auto full = attention_of<Dev, T>(b, c, "full", heads_of(c, "full", "full"));
  auto y = b.arena.template take<T, 2>({xs[0], xs[1]});
  full(b.queue, x, place(b.queue, b.arena, whole), y);
  c.compare("full.y", widen(b.get(y)));

  const auto ks = c.shape("cross.context");
  const std::int64_t heads = heads_of(c, "cross", "full");
  const std::int64_t width = xs[1] / heads;
  const auto matrix = [&](const std::string& name) {
    const auto s = c.shape(name + ".weight");
    return b.template put<T, 2>(narrow<T>(c.floats(name + ".weight")), {s[0], s[1]});
  };
  const auto bias = [&](const std::string& name) {
    return b.template put<T, 1>(narrow<T>(c.floats(name + ".bias")), {c.shape(name + ".bias")[0]});
  };
  const auto context = b.template put<T, 2>(narrow<T>(c.floats("cross.context")), {ks[0] * ks[1], ks[2]});
  auto q = b.arena.template take<T, 2>({xs[0], xs[1]});
  auto kv = b.arena.template take<T, 2>({ks[0] * ks[1], 2 * xs[1]});
  auto mixed = b.arena.template take<T, 2>({xs[0], xs[1]});
  linear<Dev, T>(b.queue, x, matrix("cross.to_q"), bias("cross.to_q"), Activation::none, q);
  linear<Dev, T>(b.queue, context, matrix("cross.to_kv"), bias("cross.to_kv"), Activation::none, kv);
  attention<Dev, T>(b.queue, head_columns(q, 0, heads, width), head_columns(kv, 0, heads, width), head_columns(kv, xs[1], heads, width),
                    place(b.queue, b.arena, whole), place(b.queue, b.arena, equal_batches(ks[0], ks[1])),
                    1.0F / std::sqrt(static_cast<float>(width)), head_columns(mixed, 0, heads, width));
  linear<Dev, T>(b.queue, mixed, matrix("cross.to_out"), bias("cross.to_out"), Activation::none, y);
  c.compare("cross.y", widen(b.get(y)));
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
