// Unwraps ten meshes of about 50,000 faces:
// unwrap_bench [-o FOLDER] [-s TEXTURE_SIZE] [-p PADDING] [-m NAME: only this one] [-v: times of stages] [MESH.ply ...]
//
// Prints charts, stretch, texture use, seconds and seconds of processor time for each, and whether texel centres are covered
// twice; with -o a picture of each layout. PLY files (as `espalier generate -o x.mesh.ply` writes them) are reduced to 50,000
// faces and join the list.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/simplify/simplify.h"
#include "geometry/unwrap/unwrap.h"
#include "image/codec.h"
#include "support/sample_surfaces.h"
#include "support/texel_coverage.h"

namespace espalier {
namespace {

struct Named {
  std::string name;
  std::function<Mesh()> make;
};

// The binary PLY that the project writes: vertices begin with three floats, faces are counted triples.
Mesh read_ply(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ErrorCode::not_found, path, " cannot be read");
  std::string line;
  long vertices = 0;
  long faces = 0;
  std::size_t stride = 0;
  bool of_vertex = false;
  while (std::getline(in, line) && line != "end_header") {
    std::istringstream words(line);
    std::string word;
    std::string kind;
    words >> word >> kind;
    if (word == "element") {
      of_vertex = kind == "vertex";
      words >> (of_vertex ? vertices : faces);
    } else if (word == "property" && of_vertex) {
      stride += kind == "float" ? 4 : 1;
    }
  }
  Mesh mesh;
  std::vector<char> row(stride);
  for (long i = 0; i < vertices; ++i) {
    in.read(row.data(), static_cast<std::streamsize>(stride));
    float xyz[3];
    std::memcpy(xyz, row.data(), 12);
    mesh.vertices.insert(mesh.vertices.end(), xyz, xyz + 3);
  }
  for (long i = 0; i < faces; ++i) {
    std::int32_t corners[3];
    in.ignore(1);
    in.read(reinterpret_cast<char*>(corners), 12);
    mesh.faces.insert(mesh.faces.end(), corners, corners + 3);
  }
  if (!in) fail(ErrorCode::format, path, " is not a PLY as this program writes it");
  return mesh;
}

std::vector<Named> ten_meshes() {
  using namespace test;
  const auto with = [](Mesh mesh, const auto& change) {
    change(mesh);
    return mesh;
  };
  return {
      {"sphere", [] { return sphere(64, 0.5); }},
      {"torus", [] { return torus(250, 100, 0.35, 0.15); }},
      {"knot", [] { return knot_wall(500, 50, 0.07); }},
      {"bumpy", [=] { return with(sphere(64, 0.4), [](Mesh& mesh) { displace(mesh, 0.2, 6); }); }},
      {"box",
       [] {
         return rounded_box(64, {0.5, 0.3, 0.2}, 0.05);
       }},
      {"gear", [] { return simplified(zero_surface(192, gear_distance), 50000); }},
      {"chair", [] { return simplified(zero_surface(256, chair_distance), 50000); }},
      {"scan",
       [=] { return with(simplified(zero_surface(160, figure_distance), 50000), [](Mesh& mesh) { shake(mesh, 0.3); }); }},
      {"bowl", [] { return simplified(without_small_pieces(zero_surface(224, bowl_distance), {}), 50000); }},
      {"rough", [=] { return with(knot_wall(500, 50, 0.07), [](Mesh& mesh) { shake(mesh, 0.25); }); }},
  };
}

// Prints when which percentage was reached.
class StagePrinter final : public Monitor {
 public:
  void progress(int done, int /*total*/) const override {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    const double processor_seconds = static_cast<double>(std::clock() - processor_) / CLOCKS_PER_SEC;
    std::printf("  %3d %% at %.2f s, %.2f s of processor time\n", done, seconds, processor_seconds);
  }
  [[nodiscard]] bool cancelled() const override { return false; }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::clock_t processor_ = std::clock();
};

// Charts in colours, their borders by contrast.
void write_picture(const Unwrapped& u, int size, const std::string& path) {
  const std::vector<std::int32_t> face = test::faces_of_texels(u.mesh, size).face;
  Picture picture(size, size, 3);
  for (std::size_t i = 0; i < face.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      double value = 20;
      if (face[i] >= 0) {
        const auto chart = static_cast<std::uint64_t>(u.chart[static_cast<std::size_t>(face[i])]);
        value = 150 + 60 * test::hashed(3 * chart + c) + 25 * test::hashed(977 + static_cast<std::uint64_t>(face[i]));
      }
      picture.pixels[3 * i + c] = static_cast<std::uint8_t>(value);
    }
  }
  write_file(path, encode_png(picture));
}

int run(int argc, char** argv) {
  UnwrapOptions options;
  std::string folder;
  std::string only;
  bool verbose = false;
  std::vector<Named> meshes = ten_meshes();
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-o" && i + 1 < argc) {
      folder = argv[++i];
    } else if (word == "-s" && i + 1 < argc) {
      options.texture_size = static_cast<int>(std::strtol(argv[++i], nullptr, 10));
    } else if (word == "-p" && i + 1 < argc) {
      options.padding_texels = std::strtof(argv[++i], nullptr);
    } else if (word == "-v") {
      verbose = true;
    } else if (word == "-m" && i + 1 < argc) {
      only = argv[++i];
    } else {
      const std::size_t slash = word.find_last_of('/');
      meshes.push_back(
          {word.substr(slash == std::string::npos ? 0 : slash + 1), [word] { return simplified(read_ply(word), 50000); }});
    }
  }
  std::printf("%-20s %8s %8s %7s %8s %6s %8s %8s\n", "mesh", "faces", "charts", "stretch", "use", "twice", "seconds", "cpu");
  for (const Named& named : meshes) {
    if (!only.empty() && named.name != only) continue;
    const Mesh mesh = named.make();
    const std::clock_t processor = std::clock();
    const auto begin = std::chrono::steady_clock::now();
    const StagePrinter stages;
    const Unwrapped u = unwrap(mesh, options, verbose ? &stages : nullptr);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double processor_seconds = static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC;
    const auto twice = test::faces_of_texels(u.mesh, options.texture_size).covered_twice;
    std::printf("%-20s %8lld %8d %7.3f %7.1f%% %6lld %8.2f %8.2f\n", named.name.c_str(),
                static_cast<long long>(mesh.face_count()), u.charts, static_cast<double>(u.mean_stretch),
                100 * static_cast<double>(u.use), static_cast<long long>(twice), seconds, processor_seconds);
    std::fflush(stdout);
    if (!folder.empty()) write_picture(u, options.texture_size, folder + "/" + named.name + ".png");
  }
  return 0;
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  try {
    return espalier::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "unwrap_bench: %s\n", error.what());
    return 1;
  }
}
