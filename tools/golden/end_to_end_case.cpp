// The whole pipeline through the engine that users run.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "base/random.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "nn/backends.h"
#include "recipes/trellis_latent.h"
#include "representations.h"
#include "session/session.h"
#include "text/clip_tokenizer.h"

namespace espalier::golden {
namespace {

std::vector<std::vector<double>> doubles(std::initializer_list<const std::vector<float>*> lists) {
  std::vector<std::vector<double>> out;
  for (const auto* l : lists) out.emplace_back(l->begin(), l->end());
  return out;
}

template <class E>
std::vector<std::uint8_t> bytes_of(const std::vector<E>& v) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(v.data());
  return {p, p + v.size() * sizeof(E)};
}

// Voxels that only one list has, as cells of a grid of `side`.
std::vector<std::size_t> flipped_cells(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b,
                                       std::size_t side) {
  const auto cells = [side](const std::vector<std::int32_t>& coords) {
    std::set<std::size_t> s;
    for (std::size_t i = 0; i < coords.size(); i += 4) {
      const auto at = [&](std::size_t axis) { return static_cast<std::size_t>(coords[i + axis]); };
      s.insert((at(1) * side + at(2)) * side + at(3));
    }
    return s;
  };
  const auto left = cells(a);
  const auto right = cells(b);
  std::vector<std::size_t> out;
  std::set_symmetric_difference(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(out));
  return out;
}

// A voxel may flip where the occupancy is within tolerance of 0.
void compare_voxels(Case& c, const Structure& sample, const std::vector<std::int32_t>& golden) {
  if (sample.voxels.coords == golden) return c.compare("coords", golden);
  double squares = 0.0;
  for (const float v : sample.logits) squares += static_cast<double>(v) * v;
  const double allowed = c.tolerance() * std::sqrt(squares / std::max<double>(1.0, static_cast<double>(sample.logits.size())));
  const auto flipped = flipped_cells(sample.voxels.coords, golden, static_cast<std::size_t>(sample.voxels.resolution));
  bool near_zero = true;
  for (const std::size_t cell : flipped)
    near_zero = near_zero && cell < sample.logits.size() && std::abs(sample.logits[cell]) <= allowed;
  if (!near_zero) return c.compare("coords", sample.voxels.coords);
  c.skip("coords", str(flipped.size(), " voxels differ, all with an occupancy within tolerance of 0"));
}

// Decoding starts from the golden latent, so that no sign near a surface hangs on the sampler's last digits.
template <class Dev, class T>
void decode_gaussians(Bench<Dev>& b, Case& c, const std::string& prefix, const Voxels& voxels,
                      const std::vector<float>& latent) {
  const ModuleSource m = c.manifest().checkpoint().module("slat_decoder_gs");
  const auto loaded =
      load_model<GaussianDecoder<Dev, T>>(b.queue, *m.tensors, GaussianDecoderConfig::from(m.arguments()), c.format());
  const std::int64_t n = voxels.rows();
  const auto tokens = loaded->model->head().transformer().prepare(b.queue, b.arena, voxels);
  auto raw = b.arena.template take<float, 2>({n, loaded->model->config().channels()});
  loaded->model->head().forward(b.queue, b.template put<float, 2>(latent, {n, static_cast<std::int64_t>(latent.size()) / n}),
                                tokens, raw, nullptr);
  compare_gaussians<Dev, T>(b, c, *loaded->model, b.get(raw), tokens.coords, prefix);
}

template <class Dev, class T>
void decode_mesh(Bench<Dev>& b, Case& c, const std::string& prefix, const Voxels& voxels, const std::vector<float>& latent,
                 Session& session) {
  if (c.rounded()) {
    for (const std::string& name : c.names()) {
      if (name.rfind(prefix + "mesh.", 0) == 0) c.skip(name, "less than full precision may flip a sign near the surface");
    }
    return;
  }
  const auto m = c.manifest().checkpoint().module("slat_decoder_mesh");
  const auto decoder = load_model<MeshDecoder<Dev, T>>(b.queue, *m.tensors, MeshDecoderConfig::from(m.arguments()), c.format());
  const std::int64_t n = voxels.rows();
  const auto tokens = decoder->model->transformer().prepare(b.queue, b.arena, voxels);
  const auto neighbours = place<Dev, std::int32_t, 2>(b.queue, b.arena, neighbour_map(voxels), {n, 27});
  auto features = b.arena.template take<float, 2>({64 * n, decoder->model->config().channels()});
  auto cubes = b.arena.template take<std::int32_t, 2>({64 * n, 4});
  decoder->model->forward(b.queue, b.template put<float, 2>(latent, {n, static_cast<std::int64_t>(latent.size()) / n}), tokens,
                          neighbours, voxels, 4096, features);
  decoder->model->cube_coords(b.queue, tokens.coords, cubes);
  const auto surface = extract<Dev>(b, cubes, features, decoder->model->config().grid(), 4, nullptr);
  const Mesh mesh = session.network<MeshNetwork>(kMeshDecoder).decode(voxels, latent, SurfaceRule::reference, {});
  c.compare_bytes(prefix + "mesh of the session", bytes_of(surface.vertices), bytes_of(mesh.vertices));
  compare_mesh(c, prefix + "mesh.", surface.vertices, surface.faces, surface.attributes);
}

// The seed by its key, or as the case's description names it.
std::uint64_t seed_of(const nlohmann::json& spec) {
  if (spec.contains("seed")) return spec.at("seed").get<std::uint64_t>();
  const std::string text = spec.value("tests", "");
  const std::size_t at = text.find("seed ");
  if (at != std::string::npos && at + 5 < text.size() && text[at + 5] >= '0' && text[at + 5] <= '9')
    return std::stoull(text.substr(at + 5));
  return 42;
}

// What is decoded of a golden latent.
template <class Dev, class T>
void decode(Bench<Dev>& b, Case& c, const std::string& prefix, const Voxels& voxels, const std::vector<float>& latent,
            Session& session) {
  const Frame<Dev> frame(b.arena);
  if (c.has(prefix + "gs._xyz")) decode_gaussians<Dev, T>(b, c, prefix, voxels, latent);
  if (c.has(prefix + "rf.stats")) {
    const RadianceField f = session.network<RadianceFieldNetwork>(kRadianceFieldDecoder).decode(voxels, latent);
    c.compare(prefix + "rf.stats", statistics(doubles({&f.trivec, &f.density, &f.features_dc})));
  }
  if (c.has(prefix + "mesh.counts")) decode_mesh<Dev, T>(b, c, prefix, voxels, latent, session);
}

Condition image_condition(Case& c, Session& session) {
  const auto image = load_image_file(c.folder() / "images" / (c.spec().at("image").get<std::string>() + ".in.png"));
  const std::vector<std::vector<float>> inputs{encoder_input(prepare_image(image, 518).image, 518)};
  Condition condition = session.network<ImageEncoder>(kImageEncoder).encode(inputs);
  const auto cond = session.fetch(condition);
  for (const std::string& name : c.names()) {
    if (name.rfind("cond.rows", 0) == 0) c.compare_every(name, cond, c.shape(name)[1]);
  }
  return condition;
}

Condition text_condition(Case& c, Session& session) {
  TextEncoder& encoder = session.network<TextEncoder>(kTextEncoder);
  const ClipTokenizer tokenizer = ClipTokenizer::embedded();
  const auto tokens = [&](const std::string& text) { return tokenizer.encode(text, encoder.length(), "the prompt").ids; };
  const auto prompt = tokens(c.spec().at("prompt").get<std::string>());
  c.compare("ids", prompt);
  Condition condition = encoder.encode(prompt, tokens(""));
  c.compare("cond", session.fetch(condition));
  c.compare(
      "neg_cond",
      session.fetch({.positive = condition.negative, .items = 1, .rows = condition.rows, .channels = condition.channels}));
  return condition;
}

// The structure, then the latent on the golden one.
template <class Dev, class T>
void run_both_stages(Bench<Dev>& b, Case& c, Session& session, const Condition& condition) {
  const TrellisSettings settings = read_trellis_settings(session.checkpoint());
  TorchGenerator stream(seed_of(c.spec()));
  Flow& structure_flow = session.network<Flow>(kStructureFlow);
  const auto noise = draw_noise(stream, structure_flow.noise_values(nullptr));
  const auto z = structure_flow.sample({.noise = noise}, condition, settings.structure);
  c.compare("z", z);
  const Structure sample = session.network<StructureDecoder>(kStructureDecoder).decode(z);
  const auto golden_coords = c.ints("coords");
  compare_voxels(c, sample, golden_coords);
  const Voxels voxels = make_voxels(golden_coords, 1, sample.voxels.resolution);
  c.compare("slat", sample_latent(session, settings, voxels, condition, settings.latent, stream));
  decode<Dev, T>(b, c, "", voxels, c.floats("slat"), session);
}

// Samples of the latent on the voxels of a mesh: one draw for all of them.
template <class Dev, class T>
void run_variant(Bench<Dev>& b, Case& c, Session& session, const Condition& condition) {
  const TrellisSettings settings = read_trellis_settings(session.checkpoint());
  const int samples = c.spec().value("num_samples", 1);
  Voxels voxels;
  c.compare("coords", voxels_of_mesh(c, voxels, samples));
  TorchGenerator stream(seed_of(c.spec()));
  const std::int64_t values = session.network<Flow>(kLatentFlow).noise_values(&voxels);
  const std::vector<float> noise = draw_noise(stream, samples * values);
  std::vector<float> all;
  for (int k = 0; k < samples; ++k) {
    const auto latent =
        session.network<Flow>(kLatentFlow)
            .sample({.noise = std::span(noise).subspan(static_cast<std::size_t>(k * values), static_cast<std::size_t>(values)),
                     .voxels = &voxels,
                     .mean = settings.mean,
                     .deviation = settings.deviation},
                    condition, settings.latent);
    all.insert(all.end(), latent.begin(), latent.end());
  }
  c.compare("slat", all);
  const std::vector<float> golden = c.floats("slat");
  for (int k = 0; k < samples; ++k) {
    const auto begin = golden.begin() + k * values;
    decode<Dev, T>(b, c, str(k, "."), voxels, {begin, begin + values}, session);
  }
}

}  // namespace

template <class Dev, class T>
bool run_end_to_end_case(Bench<Dev>& b, Case& c) {
  const bool image = c.name().rfind("end_to_end", 0) == 0;
  const bool variant = c.name().rfind("text_variant", 0) == 0;
  if (!image && !variant && c.name().rfind("text_end_to_end", 0) != 0) return false;
  const Frame<Dev> frame(b.arena);
  // Stage by stage in half precision, each from golden inputs; tolerances of the folder's README.
  constexpr double kHalf = 5e-2;
  c.relax(kHalf);
  const auto checkpoint = std::make_shared<Checkpoint>(c.manifest().checkpoint());
  SessionOptions options;
  options.device = {Dev::where == Where::cuda, b.queue.ordinal()};
  options.precision = c.precision();
  options.tier = MemoryTier::low;
  Session session(options, checkpoint, trellis_networks());
  const Condition condition = image ? image_condition(c, session) : text_condition(c, session);
  if (variant) {
    run_variant<Dev, T>(b, c, session, condition);
  } else {
    run_both_stages<Dev, T>(b, c, session, condition);
  }
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T) template bool run_end_to_end_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
