// Unwraps ten meshes of about 50,000 faces, and a smaller one:
// unwrap_bench [-o FOLDER] [-s TEXTURE_SIZE] [-p PADDING] [MESH.ply ...]
//
// Beside the time: charts, stretch (its mean, and what 99 % of the area stay below), texture use, and how many texel centres
// are covered twice; with -o an image of each layout. The last mesh is a rough one of 5,000 faces. PLY files (as `espalier
// generate -o x.mesh.ply` writes them) are reduced to 50,000 faces and join the list.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
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
#include "program.h"
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

std::vector<Named> sample_meshes() {
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
      {"rough_5k", [=] { return with(knot_wall(156, 16, 0.07), [](Mesh& mesh) { shake(mesh, 0.25); }); }},
  };
}

struct FaceStretch {
  double area = 0, stretch = 0;
};

// Of one face: its area on the surface, and the L2 stretch (Sander et al. 2001) before the scale of the whole is divided out.
FaceStretch stretch_of(const Mesh& mesh, std::size_t face) {
  std::array<std::array<double, 3>, 3> p{};
  std::array<std::array<double, 2>, 3> t{};
  for (std::size_t k = 0; k < 3; ++k) {
    const auto v = static_cast<std::size_t>(mesh.faces[3 * face + k]);
    for (std::size_t c = 0; c < 3; ++c) p[k][c] = mesh.vertices[3 * v + c];
    for (std::size_t c = 0; c < 2; ++c) t[k][c] = mesh.uvs[2 * v + c];
  }
  const double flat = ((t[1][0] - t[0][0]) * (t[2][1] - t[0][1]) - (t[2][0] - t[0][0]) * (t[1][1] - t[0][1])) / 2;
  double squares = 0;  // of both derivatives of the surface by the texture's coordinates
  std::array<double, 3> u{}, v{};
  for (std::size_t c = 0; c < 3; ++c) {
    u[c] = p[1][c] - p[0][c];
    v[c] = p[2][c] - p[0][c];
    const double s =
        (p[0][c] * (t[1][1] - t[2][1]) + p[1][c] * (t[2][1] - t[0][1]) + p[2][c] * (t[0][1] - t[1][1])) / (2 * flat);
    const double r =
        (p[0][c] * (t[2][0] - t[1][0]) + p[1][c] * (t[0][0] - t[2][0]) + p[2][c] * (t[1][0] - t[0][0])) / (2 * flat);
    squares += s * s + r * r;
  }
  const double area = std::hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]) / 2;
  return {flat != 0 ? area : 0, flat != 0 ? std::sqrt(squares / 2) : 0};
}

// What 99 % of the area stay below; 1 where nothing is distorted.
double largest_stretch(const Mesh& mesh) {
  constexpr double kShare = 0.99;
  std::vector<FaceStretch> faces;
  double area = 0, flat = 0;
  for (std::size_t f = 0; f < mesh.faces.size() / 3; ++f) {
    faces.push_back(stretch_of(mesh, f));
    area += faces.back().area;
    const std::int32_t* const c = &mesh.faces[3 * f];
    const auto at = [&](int k, int axis) { return double{mesh.uvs[static_cast<std::size_t>(2 * c[k] + axis)]}; };
    flat += std::abs((at(1, 0) - at(0, 0)) * (at(2, 1) - at(0, 1)) - (at(2, 0) - at(0, 0)) * (at(1, 1) - at(0, 1))) / 2;
  }
  std::sort(faces.begin(), faces.end(), [](const FaceStretch& a, const FaceStretch& b) { return a.stretch < b.stretch; });
  double below = 0;
  for (const FaceStretch& face : faces) {
    below += face.area;
    if (below >= kShare * area) return face.stretch * std::sqrt(flat / area);
  }
  return 1;
}

// Charts in colours, their borders by contrast.
void write_image(const Unwrapped& u, int size, const std::string& path) {
  const std::vector<std::int32_t> face = test::faces_of_texels(u.mesh, size).face;
  Image image(size, size, 3);
  for (std::size_t i = 0; i < face.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      double value = 20;
      if (face[i] >= 0) {
        const auto chart = static_cast<std::uint64_t>(u.chart[static_cast<std::size_t>(face[i])]);
        value = 150 + 60 * test::hashed(3 * chart + c) + 25 * test::hashed(977 + static_cast<std::uint64_t>(face[i]));
      }
      image.pixels[3 * i + c] = static_cast<std::uint8_t>(value);
    }
  }
  write_file(path, encode_png(image));
}

struct Arguments {
  UnwrapOptions options;
  std::string folder;
  std::vector<Named> meshes = sample_meshes();
};

Arguments arguments_of(const bench::Program& program) {
  Arguments a;
  const std::vector<std::string>& words = program.arguments();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if ((word == "-o" || word == "-s" || word == "-p") && i + 1 == words.size()) program.refuse();
    if (word == "-o") {
      a.folder = words[++i];
    } else if (word == "-s") {
      a.options.texture_size = program.number(++i, 0, 16, 16384);
    } else if (word == "-p") {
      a.options.padding_texels = std::strtof(words[++i].c_str(), nullptr);
    } else {
      const std::size_t slash = word.find_last_of('/');
      a.meshes.push_back(
          {word.substr(slash == std::string::npos ? 0 : slash + 1), [word] { return simplified(read_ply(word), 50000); }});
    }
  }
  return a;
}

// One mesh; made when its turn comes.
class Layout {
 public:
  Layout(const Named& named, const Arguments& arguments) : named_(named), arguments_(arguments) {}
  void add_to(bench::Program& program) {
    const auto prepare = [this] {
      if (mesh_.faces.empty()) mesh_ = named_.make();
    };
    program.add(
        named_.name, prepare, [this] { unwrapped_ = unwrap(mesh_, arguments_.options, nullptr); },
        [this] { return counters(); });
  }

 private:
  bench::Counters counters() const {
    const int size = arguments_.options.texture_size;
    if (!arguments_.folder.empty()) write_image(unwrapped_, size, arguments_.folder + "/" + named_.name + ".png");
    return {{"faces", static_cast<double>(mesh_.face_count())},
            {"charts", static_cast<double>(unwrapped_.charts)},
            {"stretch", static_cast<double>(unwrapped_.mean_stretch)},
            {"stretch_99", largest_stretch(unwrapped_.mesh)},
            {"use_percent", 100 * static_cast<double>(unwrapped_.use)},
            {"texels_covered_twice", static_cast<double>(test::faces_of_texels(unwrapped_.mesh, size).covered_twice)}};
  }

  const Named& named_;
  const Arguments& arguments_;
  Mesh mesh_;
  Unwrapped unwrapped_;
};

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "unwrap_bench [-o FOLDER] [-s TEXTURE_SIZE] [-p PADDING] [MESH.ply ...]",
                      [](bench::Program& program) {
                        const Arguments arguments = arguments_of(program);
                        std::vector<Layout> layouts;
                        layouts.reserve(arguments.meshes.size());
                        for (const Named& named : arguments.meshes) layouts.emplace_back(named, arguments).add_to(program);
                        bench::Program::run();
                      });
}
