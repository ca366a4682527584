#include "held_out.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <random>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "io/formats/deflate.h"
#include "sdf.h"
#include "weights/safetensors.h"

namespace espalier::quality {

namespace {

constexpr std::int64_t kPrimitives = 16, kNumbers = 24, kCamera = 18;
constexpr int kSamples = 2;  // per pixel and direction
constexpr int kLamp = 0, kSoftSky = 1;

Point along(const Point& p, const float* distance_and_normal, float scale) {
  Point q{};
  for (std::size_t i = 0; i < 3; ++i) q[i] = p[i] - scale * distance_and_normal[0] * distance_and_normal[1 + i];
  return q;
}

// Gives each object its line of the metadata "captions" and its rows of the tensor "named", [objects, colours, 3], where a
// negative number stands for no colour.
void describe(const std::filesystem::path& path, const std::string& captions, std::span<const float> named,
              std::vector<HeldOutObject>& set) {
  std::istringstream lines(captions);
  const std::size_t row = set.empty() ? 0 : named.size() / set.size();
  for (std::size_t i = 0; i < set.size(); ++i) {
    HeldOutObject::Caption caption;
    if (!std::getline(lines, caption.text) || caption.text.empty())
      fail(ErrorCode::format, path.string() + ": fewer captions than objects",
           hint("write it again with training/held_out.py"));
    for (std::size_t c = i * row; c + 2 < (i + 1) * row; c += 3) {
      if (named[c] >= 0) caption.colours.push_back({named[c], named[c + 1], named[c + 2]});
    }
    set[i].describe(std::move(caption));
  }
}

}  // namespace

HeldOutObject::HeldOutObject(std::string family, std::span<const float> primitives, std::span<const float> camera,
                             float yaw_degrees)
    : family_(std::move(family)),
      primitives_(primitives.begin(), primitives.end()),
      camera_(camera.begin(), camera.end()),
      yaw_(yaw_degrees) {}

std::vector<std::uint8_t> HeldOutObject::surface_cells(int resolution) const {
  const std::int64_t n = std::int64_t{resolution} * resolution * resolution;
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(n));
  sdf_cells(nullptr, n, primitives_.data(), resolution, cells.data());
  return cells;
}

Image HeldOutObject::shoot(std::span<const float> camera, int size, int light) const {
  Image image(size, size, 4);
  const std::int32_t first = 0;
  const std::int64_t n = std::int64_t{size} * size;
  const std::vector<std::int32_t> which(static_cast<std::size_t>(n), first);
  sdf_pixels(nullptr, n, primitives_.data(), which.data(), camera.data(), size, kSamples, light, image.pixels.data(), nullptr);
  return image;
}

Image HeldOutObject::image(int size) const {
  Image image = shoot(camera_, size, kLamp);
  for (std::size_t i = 0; i < image.pixels.size(); i += 4) {
    const int alpha = image.pixels[i + 3];
    if (alpha == 0) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      image.pixels[i + c] = static_cast<std::uint8_t>(std::min(255, (image.pixels[i + c] * 255 + alpha / 2) / alpha));
    }
  }
  return image;
}

Image HeldOutObject::render(const OrbitCamera& orbit, int size) const {
  const Camera pose = camera_of(orbit);
  const auto origin = pose.position();
  const float half = 0.5F / pose.fx;
  std::array<float, kCamera> camera{};
  for (std::size_t i = 0; i < 3; ++i) {
    camera[i] = origin[i];
    camera[3 + i] = pose.rotation[i];       // right
    camera[6 + i] = -pose.rotation[3 + i];  // up
    camera[9 + i] = pose.rotation[6 + i];   // forward
  }
  camera[14] = half;
  return shoot(camera, size, kSoftSky);
}

std::vector<float> HeldOutObject::fields(std::span<const Point> points) const {
  if (points.empty()) return {};
  const std::vector<std::int32_t> which(points.size(), 0);
  std::vector<float> out(points.size() * 7);
  sdf_points(nullptr, static_cast<std::int64_t>(points.size()), primitives_.data(), which.data(), points.front().data(),
             out.data(), 1);
  return out;
}

std::vector<Point> HeldOutObject::surface_points(int count) const {
  constexpr int kResolution = 64;
  constexpr float kBand = 1.0F / 512;  // points this close to the surface are spread over it as evenly as over space
  const auto cells = surface_cells(kResolution);
  std::vector<int> crossed;
  for (int i = 0; i < static_cast<int>(cells.size()); ++i) {
    if (cells[static_cast<std::size_t>(i)] != 0) crossed.push_back(i);
  }
  if (crossed.empty()) fail(ErrorCode::format, "an object of the evaluation set has no surface");
  std::mt19937 random(1);
  const auto uniform = [&random] { return static_cast<float>(random() >> 8U) * 0x1p-24F; };
  std::vector<Point> found;
  while (found.size() < static_cast<std::size_t>(count)) {
    std::vector<Point> tries(static_cast<std::size_t>(count));
    for (Point& p : tries) {
      const int cell = crossed[random() % crossed.size()];
      const std::array<int, 3> at{cell / (kResolution * kResolution), cell / kResolution % kResolution, cell % kResolution};
      for (std::size_t i = 0; i < 3; ++i) p[i] = (static_cast<float>(at[i]) + uniform()) / kResolution - 0.5F;
    }
    const auto f = fields(tries);
    for (std::size_t i = 0; i < tries.size() && found.size() < static_cast<std::size_t>(count); ++i) {
      if (std::abs(f[7 * i]) < kBand) found.push_back(along(tries[i], &f[7 * i], 1.0F));
    }
  }
  return found;
}

ColouredPoints HeldOutObject::closest_on_surface(std::span<const Point> points) const {
  constexpr int kSteps = 2;
  ColouredPoints result{{points.begin(), points.end()}, std::vector<Point>(points.size())};
  for (int step = 0; step <= kSteps; ++step) {
    const auto f = fields(result.points);
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (step < kSteps) result.points[i] = along(result.points[i], &f[7 * i], 1.0F);
      result.colours[i] = {f[7 * i + 4], f[7 * i + 5], f[7 * i + 6]};
    }
  }
  return result;
}

namespace {

// What is in a file of gzip, whose last four bytes are the length (RFC 1952).
std::vector<std::byte> unpacked(const std::filesystem::path& path) {
  constexpr std::uint32_t kMost = 1U << 24;
  const MappedFile file(path);
  std::uint32_t size = 0;
  if (file.size() >= sizeof size) std::memcpy(&size, file.bytes().last(sizeof size).data(), sizeof size);
  if (size == 0 || size > kMost) fail(ErrorCode::format, path.string() + " is not a set of objects");
  std::vector<std::byte> out(size);
  GzipReader(file.bytes(), path.string()).read(out);
  return out;
}

// A file that lasts as long as this object, for readers that map files.
class PassingFile {
 public:
  explicit PassingFile(std::span<const std::byte> bytes) {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-held-out-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail(ErrorCode::io, "cannot make a folder like " + name);
    folder_ = name;
    write_file(path(), bytes);
  }
  PassingFile(const PassingFile&) = delete;
  PassingFile& operator=(const PassingFile&) = delete;
  ~PassingFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::filesystem::path path() const { return folder_ / "set.safetensors"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace

std::vector<HeldOutObject> load_held_out(const std::filesystem::path& path) {
  const PassingFile set_file(unpacked(path));
  const SafetensorsFile file(set_file.path());
  const auto read = [&](const std::string& name, std::int64_t row) {
    auto values = file.load(name).to_vector<float>(name);
    if (values.empty() || static_cast<std::int64_t>(values.size()) % row != 0) {
      fail(ErrorCode::format, path.string() + ": tensor " + name + " has another shape than training/held_out.py writes");
    }
    return values;
  };
  const auto objects = read("objects", kPrimitives * kNumbers);
  const auto cameras = read("cameras", kCamera);
  const auto views = read("views", 5);
  const std::size_t count = views.size() / 5;
  const auto names = file.metadata().find("families");
  if (objects.size() != count * kPrimitives * kNumbers || cameras.size() != count * kCamera || names == file.metadata().end()) {
    fail(ErrorCode::format, path.string() + ": tensors of different objects, or no families",
         hint("write it again with training/held_out.py"));
  }
  std::istringstream families(names->second);
  std::vector<HeldOutObject> set;
  for (std::size_t i = 0; i < count; ++i) {
    std::string family;
    families >> family;
    set.emplace_back(family, std::span(objects).subspan(i * kPrimitives * kNumbers, kPrimitives * kNumbers),
                     std::span(cameras).subspan(i * kCamera, kCamera), views[5 * i]);
  }
  if (const auto captions = file.metadata().find("captions"); captions != file.metadata().end())
    describe(path, captions->second, read("named", 3), set);
  return set;
}

}  // namespace espalier::quality
