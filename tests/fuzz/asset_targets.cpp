// The readers of meshes and Gaussians. What they accept must be fit to be written again: finite, every index in its place.
#include "base/file.h"
#include "image/codec.h"
#include "io/formats/appearance_files.h"
#include "io/formats/gaussian_ply.h"
#include "io/formats/gaussian_reader.h"
#include "io/formats/mesh_files.h"
#include "io/formats/mesh_reader.h"
#include "io/formats/splat_files.h"
#include "io/formats/zip.h"
#include "support/bytes.h"
#include "support/data.h"
#include "targets.h"
#include "unit/io/packed_samples.h"
#include "unit/io/sample_files.h"
#include "unit/io/sample_mesh.h"

namespace espalier::test {
namespace {

using Input = std::span<const std::byte>;

void must_be_fit(void (*write)(const void*), const void* result) {
  try {
    write(result);
  } catch (const Error& error) {
    throw std::logic_error(std::string("what was read cannot be written: ") + error.what());
  }
}

bool read_mesh_named(Input bytes, const char* name) {
  return attempt([&] {
    const MeshFile file = decode_mesh(bytes, name, {.max_vertices = 100'000, .max_faces = 100'000, .texture = true});
    must_be_fit([](const void* mesh) { (void)encode_mesh_ply(*static_cast<const Mesh*>(mesh), {}); }, &file.mesh);
    const auto write = [](const void* from) {
      const auto& read = *static_cast<const MeshFile*>(from);
      if (!read.appearance.materials.empty()) (void)encode_glb(read.mesh, read.appearance, AppearanceOptions{});
    };
    must_be_fit(write, &file);
  });
}

bool read_gaussians_named(Input bytes, const char* name) {
  return attempt([&] {
    const GaussianFile file = decode_gaussians(bytes, name, {.max_vertices = 10'000});
    must_be_fit([](const void* g) { (void)encode_gaussian_ply(*static_cast<const Gaussians*>(g), {}); }, &file.gaussians);
  });
}

Bytes field(const std::string& name) { return read_file(data_path("field/" + name), std::uint64_t{1} << 20U); }

bool read_any_mesh(Input bytes) { return read_mesh_named(bytes, "x"); }
bool read_obj(Input bytes) { return read_mesh_named(bytes, "x.obj"); }
bool read_stl(Input bytes) { return read_mesh_named(bytes, "x.stl"); }
bool read_any_gaussians(Input bytes) { return read_gaussians_named(bytes, "x"); }
bool read_splat(Input bytes) { return read_gaussians_named(bytes, "x.splat"); }
bool read_ksplat(Input bytes) { return read_gaussians_named(bytes, "x.ksplat"); }

std::vector<Bytes> gltf_seeds() {
  const Image image(4, 4, 3);
  const Bytes png = encode_png(image), webp = encode_webp(image, {});
  return {encode_glb(sample_box(), {}),
          encode_glb(sample_box_with_uvs(), {.texture = png}),
          encode_glb(sample_box_with_uvs(), {.texture = webp, .texture_fallback = png}),
          bytes_of(sample_gltf()),
          field("glb/gltfpack_plain.glb"),
          field("glb/two_textures.glb"),
          field("glb/skin.glb"),
          field("glb/alpha_mask.glb")};
}

// Geometry that other libraries unpack.
std::vector<Bytes> packed_gltf_seeds() { return {draco_glb(), meshopt_glb(), bytes_of(sparse_gltf())}; }

std::vector<Bytes> archive_seeds() {
  std::vector<NamedFile> files;
  files.push_back({"box/box.obj", encode_obj(sample_box(), {})});
  const Image image(4, 4, 3);
  return {encode_zip(files), encode_3mf(sample_box(), 10.0, {}),
          encode_3mf(sample_box_with_uvs(), 10.0, {}, encode_png(image))};
}

std::vector<Bytes> obj_seeds() {
  return {encode_obj(sample_box(), {}), encode_obj(sample_box_with_uvs(), {}),
          bytes_of("v 0 0 0\nv 1 0 0 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0.5 0.5\nusemtl a\nf 1/1 2/1 \\\n3/1 -1/1\n")};
}

std::vector<Bytes> stl_seeds() {
  return {encode_stl(sample_box(), 10.0),
          bytes_of("solid\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n")};
}

std::vector<Bytes> ply_seeds() {
  return {encode_mesh_ply(sample_box_with_uvs(), {}),
          bytes_of(std::string("ply\nformat ascii") + kPlyHeader +
                   "0 0 0 0 0 0 1 5\n1 0 0 0 0 0 0\n1 1 0 9 9 9 0\n0 1 0 9 9 9 0\n0 4 0 1 2 3\n9 3 0 3 1\n")};
}

Gaussians sample_gaussians() {
  Gaussians g;
  for (int i = 0; i < 5; ++i) {
    const float x = 0.1F * static_cast<float>(i);
    g.xyz.insert(g.xyz.end(), {x, -x, 0.25F});
    g.dc.insert(g.dc.end(), {x, 0.0F, -1.0F});
    g.scale.insert(g.scale.end(), {0.01F, 0.02F + x, 0.005F});
    g.rotation.insert(g.rotation.end(), {1.0F, x, -x, 0.3F});
    g.opacity.push_back(0.5F + x);
  }
  return g;
}

std::vector<Bytes> gaussian_seeds() {
  const Gaussians g = sample_gaussians();
  Gaussians coloured = g;
  for (std::size_t i = 0; i < 9 * coloured.opacity.size(); ++i) coloured.sh.push_back(0.1F * static_cast<float>(i % 7));
  return {encode_gaussian_ply(g, {}),        encode_spz(g, {.version = 2}), encode_spz(g),
          encode_gaussian_ply(coloured, {}), encode_spz(coloured),          encode_spz(coloured, {.version = 4}),
          encode_compressed_ply(coloured)};
}

std::vector<Bytes> gaussian_glb_seeds() { return {encode_gaussian_glb(sample_gaussians(), "test", {})}; }
std::vector<Bytes> sog_seeds() { return {sog(2), sog(1)}; }
std::vector<Bytes> ksplat_seeds() { return {ksplat(0), ksplat(1), ksplat(2)}; }

std::vector<Bytes> splat_seeds() { return {encode_splat(sample_gaussians())}; }

}  // namespace

std::vector<FuzzTarget> asset_targets() {
  return {{"gltf", read_any_mesh, gltf_seeds},
          {"obj", read_obj, obj_seeds},
          {"stl", read_stl, stl_seeds},
          {"ply", read_any_mesh, ply_seeds},
          {"gaussians", read_any_gaussians, gaussian_seeds},
          {"splat", read_splat, splat_seeds},
          {"packed-gltf", read_any_mesh, packed_gltf_seeds},
          {"archive", read_any_mesh, archive_seeds},
          {"gaussian-glb", read_any_gaussians, gaussian_glb_seeds},
          {"sog", read_any_gaussians, sog_seeds},
          {"ksplat", read_ksplat, ksplat_seeds}};
}

}  // namespace espalier::test
