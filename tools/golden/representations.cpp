#include "representations.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/with_cuda.h"
#include "io/formats/gaussian_ply.h"
#include "nn/backends.h"
#include "runtime/array.h"

namespace espalier::golden {

std::vector<double> statistics(const std::vector<std::vector<double>>& lists) {
  std::vector<double> out;
  for (const auto& list : lists) {
    double sum = 0.0;
    double squares = 0.0;
    double most = 0.0;
    for (const double v : list) {
      sum += v;
      squares += v * v;
      most = std::max(most, std::abs(v));
    }
    out.insert(out.end(), {list.empty() ? 0.0 : sum / static_cast<double>(list.size()), std::sqrt(squares), most});
  }
  return out;
}

namespace {

void compare_ply(Case& c, const Gaussians& g, const std::string& prefix) {
  const std::vector<std::byte> bytes = encode_gaussian_ply(g, {});
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t end = text.find("end_header\n") + 11;
  std::vector<int> header;
  for (std::size_t i = 0; i < end; ++i) header.push_back(static_cast<unsigned char>(text[i]));
  c.compare(prefix + "ply.header", header);
  std::vector<float> rows((bytes.size() - end) / sizeof(float));
  std::memcpy(rows.data(), bytes.data() + end, rows.size() * sizeof(float));
  c.compare_every(prefix + "ply.rows", rows, 17);
}

}  // namespace

template <class Dev, class T>
void compare_gaussians(Bench<Dev>& b, Case& c, const GaussianDecoder<Dev, T>& decoder, const std::vector<float>& raw,
                       View<Dev, const std::int32_t, 2> coords, const std::string& prefix) {
  const Frame<Dev> frame(b.arena);
  const std::int64_t rows = coords.extent(0);
  const std::int64_t n = rows * decoder.config().gaussians.per_voxel;
  const auto field = [&](std::int64_t width) { return b.arena.template take<float, 2>({n, width}); };
  const GaussianFields<Dev> f{field(3), field(3), field(3), field(4), field(1)};
  decoder.fields(b.queue, b.template put<float, 2>(raw, {rows, decoder.config().channels()}), coords, f);
  c.compare_every(prefix + "gs._xyz", b.get(f.xyz), 3);
  c.compare_every(prefix + "gs._features_dc", b.get(f.dc), 3);
  c.compare_every(prefix + "gs._scaling", b.get(f.scaling), 3);
  c.compare_every(prefix + "gs._rotation", b.get(f.rotation), 4);
  c.compare_every(prefix + "gs._opacity", b.get(f.opacity), 1);
  activate_gaussians<Dev>(b.queue, f, decoder.config().gaussians, f);
  Gaussians g;
  g.xyz = b.get(f.xyz);
  g.dc = b.get(f.dc);
  g.scale = b.get(f.scaling);
  g.rotation = b.get(f.rotation);
  g.opacity = b.get(f.opacity);
  c.compare_every(prefix + "gs.get_xyz", g.xyz, 3);
  c.compare_every(prefix + "gs.get_scaling", g.scale, 3);
  c.compare_every(prefix + "gs.get_rotation", g.rotation, 4);
  c.compare_every(prefix + "gs.get_opacity", g.opacity, 1);
  compare_ply(c, g, prefix);
}

template <class Dev>
ExtractedSurface<Dev> extract(Bench<Dev>& b, View<Dev, const std::int32_t, 2> cubes, View<Dev, const float, 2> features,
                              int resolution, int block, SurfaceTrace<Dev>* trace) {
  Array<Dev, float> vertices, attributes;
  Array<Dev, std::int32_t> faces;
  const auto allocate = [&](std::int64_t v, std::int64_t f, bool colour) {
    vertices = {b.queue, 3 * v, "golden vertices"};
    faces = {b.queue, 3 * f, "golden faces"};
    attributes = {b.queue, 6 * v, "golden attributes"};
    SurfaceMesh<Dev> m;
    m.vertices = vertices.template view<2>({v, 3});
    m.faces = faces.template view<2>({f, 3});
    if (colour) m.attributes = attributes.template view<2>({v, 6});
    return m;
  };
  const SurfaceMesh<Dev> mesh = extract_surface<Dev>(b.queue, cubes, features, resolution, allocate, trace, block);
  ExtractedSurface<Dev> out;
  out.vertices = b.get(mesh.vertices);
  out.faces = b.get(mesh.faces);
  out.attributes = b.get(mesh.attributes);
  return out;
}

void compare_mesh(Case& c, const std::string& prefix, const std::vector<float>& vertices,
                  const std::vector<std::int32_t>& faces, const std::vector<float>& attributes) {
  c.compare(prefix + "counts", std::vector<std::int64_t>{static_cast<std::int64_t>(vertices.size() / 3),
                                                         static_cast<std::int64_t>(faces.size() / 3)});
  c.compare_every(prefix + "vertices", vertices, 3);
  c.compare_every(prefix + "faces", {faces.begin(), faces.end()}, 3);
  if (c.has(prefix + "attrs")) c.compare_every(prefix + "attrs", attributes, 6);
  c.compare(
      prefix + "stats",
      statistics({{vertices.begin(), vertices.end()}, {faces.begin(), faces.end()}, {attributes.begin(), attributes.end()}}));
}

#define ESPALIER_INSTANTIATE(Dev, T)                                                                                     \
  template void compare_gaussians<Dev, T>(Bench<Dev>&, Case&, const GaussianDecoder<Dev, T>&, const std::vector<float>&, \
                                          View<Dev, const std::int32_t, 2>, const std::string&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE
template ExtractedSurface<Cpu> extract<Cpu>(Bench<Cpu>&, View<Cpu, const std::int32_t, 2>, View<Cpu, const float, 2>, int, int,
                                            SurfaceTrace<Cpu>*);
#if ESPALIER_WITH_CUDA
template ExtractedSurface<Cuda> extract<Cuda>(Bench<Cuda>&, View<Cuda, const std::int32_t, 2>, View<Cuda, const float, 2>, int,
                                              int, SurfaceTrace<Cuda>*);
#endif

}  // namespace espalier::golden
