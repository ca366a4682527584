#include "assets/region.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/printable.h"

namespace espalier {
namespace {

constexpr const char* kForms = "box:x0,y0,z0,x1,y1,z1, sphere:x,y,z,r or voxels:FILE";
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20U;

// So many finite numbers between commas, and nothing else.
std::optional<std::vector<double>> numbers_in(std::string_view text, std::size_t count) {
  std::vector<double> numbers;
  while (numbers.size() < count) {
    const std::size_t end = std::min(text.find(','), text.size());
    double value = 0.0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end || !std::isfinite(value)) return std::nullopt;
    numbers.push_back(value);
    const bool last = end == text.size();
    if (last != (numbers.size() == count)) return std::nullopt;
    text.remove_prefix(last ? end : end + 1);
  }
  return numbers;
}

// Three whole numbers that are not negative.
std::optional<std::array<std::int32_t, 3>> voxel_in(std::string line) {
  std::replace(line.begin(), line.end(), ',', ' ');
  std::istringstream words(line);
  std::array<std::int32_t, 3> voxel{};
  for (std::int32_t& c : voxel) {
    if (!(words >> c) || c < 0) return std::nullopt;
  }
  std::string rest;
  return words >> rest ? std::nullopt : std::optional(voxel);
}

std::size_t index_of(std::int64_t x, std::int64_t y, std::int64_t z, std::int64_t side) {
  return static_cast<std::size_t>((x * side + y) * side + z);
}

}  // namespace

Region::Region(const std::string& text) : text_(text) {
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  const auto take = [&](std::size_t count) {
    const auto numbers = numbers_in(rest, count);
    if (!numbers)
      fail(ErrorCode::invalid_argument, "region ", printable(text), ": ", count, " numbers are needed behind ", kind, ":",
           hint("a region is ", kForms));
    std::copy(numbers->begin(), numbers->end(), numbers_.begin());
  };
  if (kind == "box") {
    take(6);
    for (std::size_t k = 0; k < 3; ++k) {
      if (!(numbers_[k] < numbers_[k + 3]))
        fail(ErrorCode::invalid_argument, "region ", printable(text), ": the box is empty, since ", numbers_[k],
             " is not below ", numbers_[k + 3], hint("write the low corner first, then the high one"));
    }
  } else if (kind == "sphere") {
    kind_ = Kind::sphere;
    take(4);
    if (!(numbers_[3] > 0.0)) {
      fail(ErrorCode::invalid_argument, "region ", printable(text), ": a radius of ", numbers_[3],
           hint("it must be above 0, and the asset lies between -0.5 and 0.5"));
    }
  } else if (kind == "voxels" && !rest.empty()) {
    kind_ = Kind::voxels;
    read_voxels(rest);
  } else {
    fail(ErrorCode::invalid_argument, "region ", printable(text), " is not known", hint("a region is ", kForms));
  }
}

std::string Region::title() const {
  if (kind_ != Kind::voxels) return text_;
  const std::filesystem::path file = text_.substr(text_.find(':') + 1);
  return str("voxels:", file.filename().string(), " (", voxels_.size(), ")");
}

void Region::read_voxels(const std::string& file) {
  const std::vector<std::byte> bytes = read_file(file, kMostBytes);
  std::istringstream stream(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // the mark of UTF-8
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    const auto voxel = voxel_in(line);
    if (!voxel)
      fail(ErrorCode::invalid_argument, file, ", line ", number, ": no voxel",
           hint("three whole numbers were expected: x y z"));
    voxels_.push_back(*voxel);
  }
  if (voxels_.empty()) fail(ErrorCode::invalid_argument, file, ": it lists no voxel", hint("write x y z on a line for each"));
}

bool Region::holds(double x, double y, double z) const {
  const auto& n = numbers_;
  if (kind_ == Kind::sphere) return std::hypot(x - n[0], y - n[1], z - n[2]) <= n[3];
  return n[0] <= x && x <= n[3] && n[1] <= y && y <= n[4] && n[2] <= z && z <= n[5];
}

CellMarks Region::listed_cells(int resolution) const {
  const std::int64_t side = resolution;
  CellMarks marks(static_cast<std::size_t>(side * side * side), 0);
  for (const auto& [x, y, z] : voxels_) {
    if (x >= side || y >= side || z >= side)
      fail(ErrorCode::invalid_argument, "region ", title(), ": voxel ", x, " ", y, " ", z, " lies outside the grid",
           hint("coordinates go from 0 to ", side - 1));
    marks[index_of(x, y, z, side)] = 1;
  }
  return marks;
}

CellMarks Region::cells(int resolution) const {
  if (kind_ == Kind::voxels) return listed_cells(resolution);
  const std::int64_t side = resolution;
  CellMarks marks(static_cast<std::size_t>(side * side * side), 0);
  const auto centre = [&](std::int64_t c) { return (static_cast<double>(c) + 0.5) / static_cast<double>(side) - 0.5; };
  bool any = false;
  for (std::int64_t x = 0; x < side; ++x) {
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t z = 0; z < side; ++z) {
        if (!holds(centre(x), centre(y), centre(z))) continue;
        marks[index_of(x, y, z, side)] = 1;
        any = true;
      }
    }
  }
  if (!any)
    fail(ErrorCode::invalid_argument, "region ", printable(text_), ": it holds the centre of no voxel",
         hint("the asset lies between -0.5 and 0.5 along every axis, and a voxel is ", 1.0 / static_cast<double>(side),
              " wide"));
  return marks;
}

CellMarks grown(const CellMarks& cells, int resolution, int rim) {
  CellMarks out = cells;
  const std::int64_t side = resolution;
  require(static_cast<std::int64_t>(cells.size()) == side * side * side, "grown", cells.size(), " cells of a grid of ", side);
  for (const std::int64_t stride : {side * side, side, std::int64_t{1}}) {
    const CellMarks from = out;
    for (std::int64_t i = 0; i < side * side * side; ++i) {
      if (from[static_cast<std::size_t>(i)] == 0) continue;
      const std::int64_t at = i / stride % side;
      for (std::int64_t to = std::max<std::int64_t>(at - rim, 0); to <= std::min(at + rim, side - 1); ++to)
        out[static_cast<std::size_t>(i + (to - at) * stride)] = 1;
    }
  }
  return out;
}

std::size_t cell_of(const Voxels& voxels, std::size_t at) {
  const std::int32_t* c = &voxels.coords[at];
  return index_of(c[1], c[2], c[3], voxels.resolution);
}

Voxels voxels_where(const Voxels& voxels, const CellMarks& cells, bool marked) {
  std::vector<std::int32_t> coords;
  for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
    const std::int32_t* row = &voxels.coords[i];
    if ((cells[cell_of(voxels, i)] != 0) == marked) coords.insert(coords.end(), row, row + 4);
  }
  return make_voxels(std::move(coords), 1, voxels.resolution);
}

std::vector<std::int64_t> rows_kept(const Voxels& before, const Voxels& now, const CellMarks& touched) {
  std::vector<std::int64_t> row_of_cell(touched.size(), -1), rows;
  for (std::int64_t r = 0; r < before.rows(); ++r) {
    const std::size_t cell = cell_of(before, static_cast<std::size_t>(4 * r));
    if (touched[cell] == 0) row_of_cell[cell] = r;
  }
  for (std::size_t i = 0; i < now.coords.size(); i += 4) rows.push_back(row_of_cell[cell_of(now, i)]);
  return rows;
}

Voxels joined(const Voxels& a, const Voxels& b) {
  std::vector<std::array<std::int32_t, 4>> rows;
  for (const Voxels* voxels : {&a, &b}) {
    for (std::size_t i = 0; i < voxels->coords.size(); i += 4) {
      const std::int32_t* c = &voxels->coords[i];
      rows.push_back({c[0], c[1], c[2], c[3]});
    }
  }
  std::sort(rows.begin(), rows.end());
  std::vector<std::int32_t> coords;
  for (const auto& row : rows) coords.insert(coords.end(), row.begin(), row.end());
  return make_voxels(std::move(coords), 1, a.resolution);
}

MovedVertices vertices_moved(const Mesh& before, const Mesh& now, const CellMarks& touched, int resolution) {
  using Vertex = std::array<float, 3>;
  const auto vertex_of = [](const Mesh& mesh, std::size_t i) {
    return Vertex{mesh.vertices[i], mesh.vertices[i + 1], mesh.vertices[i + 2]};
  };
  std::vector<Vertex> there;
  for (std::size_t i = 0; i < now.vertices.size(); i += 3) there.push_back(vertex_of(now, i));
  std::sort(there.begin(), there.end());
  const CellMarks near = grown(touched, resolution, 1);
  const auto cell_along = [&](float x) {
    const auto c = static_cast<std::int64_t>(std::floor((static_cast<double>(x) + 0.5) * resolution));
    return std::clamp<std::int64_t>(c, 0, resolution - 1);
  };
  MovedVertices result;
  for (std::size_t i = 0; i < before.vertices.size(); i += 3) {
    const Vertex v = vertex_of(before, i);
    if (near[index_of(cell_along(v[0]), cell_along(v[1]), cell_along(v[2]), resolution)] != 0) continue;
    ++result.all;
    if (!std::binary_search(there.begin(), there.end(), v)) ++result.moved;
  }
  return result;
}

std::string box_in_words(const Voxels& voxels) {
  std::array<std::int32_t, 3> low{voxels.resolution, voxels.resolution, voxels.resolution}, high{};
  for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
    for (std::size_t k = 0; k < 3; ++k) {
      low[k] = std::min(low[k], voxels.coords[i + 1 + k]);
      high[k] = std::max(high[k], voxels.coords[i + 1 + k] + 1);
    }
  }
  std::string text = "box:";
  for (std::size_t k = 0; k < 6; ++k) {
    const double border = static_cast<double>(k < 3 ? low[k] : high[k - 3]) / voxels.resolution - 0.5;
    text += str(k > 0 ? "," : "", border);
  }
  return text;
}

}  // namespace espalier
