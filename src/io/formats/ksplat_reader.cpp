// The .ksplat of GaussianSplats3D: sections of Gaussians, whole numbers or halves around the centres of buckets.
#include <cmath>

#include "io/formats/gaussian_builder.h"

namespace espalier::reader {

namespace {

constexpr std::size_t kHeader = 4096, kSectionHeader = 1024;

float half(std::uint16_t bits) {
  const int exponent = bits >> 10U & 0x1F, fraction = bits & 0x3FF;
  const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? static_cast<float>(sign) * HUGE_VALF : NAN;
  return static_cast<float>(sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25)));
}

// How a file of one level of compression stores a Gaussian.
struct Layout {
  std::size_t centre, scale, rotation, harmonic;
  std::uint32_t steps;
};
constexpr std::array<Layout, 3> kLayouts = {{{12, 12, 16, 4, 1}, {6, 6, 8, 2, 32767}, {6, 6, 8, 1, 32767}}};
constexpr std::size_t kColour = 4;

struct Section {
  std::uint32_t count, most, bucket_size, buckets, steps, full, partial;
  float block;
  std::size_t bucket_bytes;
  int degree;
};

class Ksplat {
 public:
  explicit Ksplat(const Source& source) : source_(source) {}

  GaussianFile read() {
    Cursor cursor(source_.bytes, source_);
    Cursor header(cursor.take(kHeader), source_);
    const auto major = header.number<std::uint8_t>(), minor = header.number<std::uint8_t>();
    if (major != 0 || minor < 1) source_.unsupported("version ", int{major}, ".", int{minor}, " of .ksplat is not read");
    header.take(2);
    const auto sections = header.number<std::uint32_t>();
    header.take(8);
    const auto count = header.number<std::uint32_t>();
    level_ = header.number<std::uint16_t>();
    if (level_ >= kLayouts.size()) source_.damaged("the level of compression is ", level_);
    header.take(14);
    low_ = header.number<float>();
    high_ = header.number<float>();
    if (low_ == 0.0F) low_ = -1.5F;
    if (high_ == 0.0F) high_ = 1.5F;
    if (sections > cursor.left() / kSectionHeader) source_.cut_off("it announces ", sections, " sections, but ends before");
    std::vector<Section> list;
    int degree = 0;
    for (std::uint32_t s = 0; s < sections; ++s) {
      list.push_back(read_header(Cursor(cursor.take(kSectionHeader), source_)));
      if (list.back().count > 0) degree = std::max(degree, list.back().degree);
    }
    const std::size_t least = kLayouts[level_].centre + kLayouts[level_].scale + kLayouts[level_].rotation + kColour;
    if (count > cursor.left() / least) source_.cut_off("it announces ", count, " Gaussians, but ends before");
    source_.unpacks(source_.bytes.size(), 4);
    harmonics_.resize(3 * kHarmonicsOfDegree[static_cast<std::size_t>(degree)]);
    GaussianBuilder builder(source_, "ksplat", count, harmonics_.size(), 0, Quarter::back);
    std::uint64_t read = 0;
    for (const Section& section : list) {
      read += section.count;
      if (read > count) source_.damaged("its sections hold more than the ", count, " Gaussians that it announces");
      read_section(section, cursor, builder);
    }
    if (read != count) source_.damaged("its sections hold ", read, " Gaussians instead of ", count);
    return builder.finish();
  }

 private:
  Section read_header(Cursor cursor) const {
    Section s{};
    s.count = cursor.number<std::uint32_t>();
    s.most = cursor.number<std::uint32_t>();
    s.bucket_size = cursor.number<std::uint32_t>();
    s.buckets = cursor.number<std::uint32_t>();
    s.block = cursor.number<float>();
    s.bucket_bytes = cursor.number<std::uint16_t>();
    cursor.take(2);
    s.steps = cursor.number<std::uint32_t>();
    if (s.steps == 0) s.steps = kLayouts[level_].steps;
    cursor.take(4);
    s.full = cursor.number<std::uint32_t>();
    s.partial = cursor.number<std::uint32_t>();
    s.degree = cursor.number<std::uint16_t>();
    if (s.degree > 3 || s.count > s.most) source_.damaged("the header of a section makes no sense");
    return s;
  }

  // The bucket of each Gaussian: full ones first, then some with their own numbers.
  struct Buckets {
    Bytes sizes, centres;
    std::uint64_t in_full;  // Gaussians in full buckets
    std::uint32_t begun;    // of the others, those that have begun
    std::uint64_t end;      // the first Gaussian behind the last of them
  };

  void read_section(const Section& s, Cursor& cursor, GaussianBuilder& builder) {
    const Layout& layout = kLayouts[level_];
    const std::size_t harmonics = 3 * kHarmonicsOfDegree[static_cast<std::size_t>(s.degree)];
    const std::size_t row = layout.centre + layout.scale + layout.rotation + kColour + harmonics * layout.harmonic;
    Buckets b{};
    b.sizes = cursor.take(std::uint64_t{s.partial} * 4);
    b.centres = cursor.take(std::uint64_t{s.buckets} * s.bucket_bytes);
    b.in_full = std::uint64_t{s.full} * s.bucket_size;
    b.end = b.in_full;
    const Bytes rows = cursor.take(std::uint64_t{s.most} * row);
    for (std::uint32_t i = 0; i < s.count; ++i) {
      const std::array<float, 3> centre = level_ == 0 ? std::array<float, 3>{} : centre_of(s, b, i);
      read_row(s, Cursor(rows.subspan(std::size_t{i} * row, row), source_), centre, harmonics, builder);
    }
  }

  std::array<float, 3> centre_of(const Section& s, Buckets& b, std::uint32_t i) const {
    std::uint64_t bucket = s.bucket_size > 0 ? i / s.bucket_size : 0;
    if (i >= b.in_full) {
      while (i >= b.end) {
        if (b.begun == s.partial) source_.damaged("a section has fewer buckets than its Gaussians need");
        std::uint32_t size = 0;
        std::memcpy(&size, b.sizes.data() + 4 * std::size_t{b.begun++}, 4);
        b.end += size;
      }
      bucket = std::uint64_t{s.full} + b.begun - 1;
    }
    std::array<float, 3> centre{};
    if (s.bucket_bytes < sizeof(centre) || bucket >= s.buckets)
      source_.damaged("a section has fewer buckets than its Gaussians need");
    std::memcpy(centre.data(), b.centres.data() + static_cast<std::size_t>(bucket) * s.bucket_bytes, sizeof(centre));
    return centre;
  }

  void read_row(const Section& s, Cursor cursor, const std::array<float, 3>& centre, std::size_t harmonics,
                GaussianBuilder& builder) {
    GaussianRow row;
    const double step = double{s.block} / 2.0 / s.steps;
    const auto number = [&] { return level_ == 0 ? cursor.number<float>() : half(cursor.number<std::uint16_t>()); };
    for (std::size_t k = 0; k < 3; ++k) {
      row.place[k] =
          level_ == 0
              ? cursor.number<float>()
              : static_cast<float>((double{static_cast<float>(cursor.number<std::uint16_t>())} - s.steps) * step + centre[k]);
    }
    for (double& x : row.scale) x = number();
    for (float& x : row.rotation) x = number();
    for (double& x : row.dc) x = (cursor.number<std::uint8_t>() / 255.0 - 0.5) / kHarmonic;
    row.opacity = cursor.number<std::uint8_t>() / 255.0;
    std::fill(harmonics_.begin(), harmonics_.end(), 0.0F);
    for (std::size_t i = 0; i < harmonics; ++i) {
      const float value =
          level_ < 2 ? number() : static_cast<float>(low_ + (double{high_} - low_) * cursor.number<std::uint8_t>() / 255.0);
      // Degree by degree, each with all of red first.
      const std::size_t begin = i < 9 ? 0 : i < 24 ? 9 : 24, each = i < 9 ? 3 : i < 24 ? 5 : 7;
      const std::size_t colour = (i - begin) / each, coefficient = begin / 3 + (i - begin) % each;
      harmonics_[3 * coefficient + colour] = value;
    }
    row.harmonics = harmonics_;
    builder.add(row);
  }

  const Source& source_;
  std::uint16_t level_ = 0;
  float low_ = -1.5F, high_ = 1.5F;
  std::vector<float> harmonics_;
};

}  // namespace

GaussianFile read_ksplat(const Source& source) { return Ksplat(source).read(); }

}  // namespace espalier::reader
