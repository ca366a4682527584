#include "image/colour_profile.h"

#include <lcms2.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/error.h"

namespace espalier::codec {

namespace {

// Profiles of printers with large tables have 2 MiB.
constexpr std::size_t kMaxProfileBytes = std::size_t{8} << 20U;

struct ContextDeleter {
  void operator()(cmsContext context) const { cmsDeleteContext(context); }
};
struct ProfileDeleter {
  void operator()(cmsHPROFILE profile) const { cmsCloseProfile(profile); }
};
struct TransformDeleter {
  void operator()(cmsHTRANSFORM transform) const { cmsDeleteTransform(transform); }
};
struct CurveDeleter {
  void operator()(cmsToneCurve* curve) const { cmsFreeToneCurve(curve); }
};
using Context = std::unique_ptr<std::remove_pointer_t<cmsContext>, ContextDeleter>;
using Profile = std::unique_ptr<void, ProfileDeleter>;
using Transform = std::unique_ptr<void, TransformDeleter>;

// From one profile to sRGB. What it lacks makes it empty.
class ToSrgb {
 public:
  ToSrgb() : context_(cmsCreateContext(nullptr, nullptr)) {
    if (!context_) fail(ErrorCode::out_of_memory, "not enough memory to convert the colours of an image");
  }
  void open(Bytes bytes) {
    if (bytes.size() <= kMaxProfileBytes)
      profile_.reset(cmsOpenProfileFromMemTHR(context_.get(), bytes.data(), static_cast<cmsUInt32Number>(bytes.size())));
  }
  void open(Primaries primaries) {
    constexpr cmsCIExyY kD65 = {0.3127, 0.3290, 1.0};
    constexpr cmsCIExyYTRIPLE kP3 = {{0.680, 0.320, 1.0}, {0.265, 0.690, 1.0}, {0.150, 0.060, 1.0}};
    constexpr cmsCIExyYTRIPLE k2020 = {{0.708, 0.292, 1.0}, {0.170, 0.797, 1.0}, {0.131, 0.046, 1.0}};
    constexpr std::array<cmsFloat64Number, 5> kSrgbCurve = {2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045};
    const std::unique_ptr<cmsToneCurve, CurveDeleter> curve(cmsBuildParametricToneCurve(context_.get(), 4, kSrgbCurve.data()));
    std::array<cmsToneCurve*, 3> curves = {curve.get(), curve.get(), curve.get()};
    profile_.reset(
        cmsCreateRGBProfileTHR(context_.get(), &kD65, primaries == Primaries::display_p3 ? &kP3 : &k2020, curves.data()));
  }
  [[nodiscard]] bool is(cmsColorSpaceSignature space) const { return profile_ && cmsGetColorSpace(profile_.get()) == space; }

  // False when the profile has no such transform.
  bool prepare(cmsUInt32Number from, cmsUInt32Number to) {
    const Profile srgb(cmsCreate_sRGBProfileTHR(context_.get()));
    if (!srgb) return false;
    transform_.reset(cmsCreateTransformTHR(context_.get(), profile_.get(), from, srgb.get(), to, INTENT_RELATIVE_COLORIMETRIC,
                                           cmsFLAGS_BLACKPOINTCOMPENSATION | cmsFLAGS_COPY_ALPHA));
    return transform_ != nullptr;
  }
  void run(const std::uint8_t* from, std::uint8_t* to, std::size_t pixels) const {
    constexpr std::size_t kStep = std::size_t{1} << 20U;
    const std::size_t in = bytes_of(cmsGetTransformInputFormat(transform_.get()));
    const std::size_t out = bytes_of(cmsGetTransformOutputFormat(transform_.get()));
    for (std::size_t at = 0; at < pixels; at += kStep)
      cmsDoTransform(transform_.get(), from + at * in, to + at * out,
                     static_cast<cmsUInt32Number>(std::min(kStep, pixels - at)));
  }

 private:
  static std::size_t bytes_of(cmsUInt32Number format) { return T_CHANNELS(format) + T_EXTRA(format); }
  Context context_;
  Profile profile_;
  Transform transform_;
};

// Whether a transform of RGB, or of gray (`channels` 1), leaves colours where they are, within rounding.
bool changes_nothing(const ToSrgb& transform, std::size_t channels) {
  constexpr int kSteps = 9, kTolerance = 2;
  std::vector<std::uint8_t> colours;
  const auto level = [](int i) { return static_cast<std::uint8_t>(i * 255 / (kSteps - 1)); };
  if (channels == 1) {
    for (int i = 0; i < 256; ++i) colours.push_back(static_cast<std::uint8_t>(i));
  } else {
    for (int i = 0; i < kSteps * kSteps * kSteps; ++i)
      colours.insert(colours.end(), {level(i % kSteps), level(i / kSteps % kSteps), level(i / (kSteps * kSteps))});
  }
  const std::size_t pixels = colours.size() / channels;
  std::vector<std::uint8_t> converted(pixels * 3);
  transform.run(colours.data(), converted.data(), pixels);
  for (std::size_t i = 0; i < converted.size(); ++i) {
    if (std::abs(int{converted[i]} - int{colours[channels == 1 ? i / 3 : i]}) > kTolerance) return false;
  }
  return true;
}

void convert(Image& image, ToSrgb& transform) {
  if (!transform.prepare(TYPE_RGB_8, TYPE_RGB_8)) return;
  if (changes_nothing(transform, 3)) return;
  if (image.channels == 4 && !transform.prepare(TYPE_RGBA_8, TYPE_RGBA_8)) return;
  transform.run(image.pixels.data(), image.pixels.data(), image.pixel_count());
}

void convert_gray(Image& image, const ToSrgb& transform) {
  if (changes_nothing(transform, 1)) return;
  std::array<std::uint8_t, 256> levels{};
  std::array<std::uint8_t, 768> colours{};
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<std::uint8_t>(i);
  transform.run(levels.data(), colours.data(), levels.size());
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    std::uint8_t* pixel = &image.pixels[i * channels];
    std::copy_n(&colours[std::size_t{pixel[0]} * 3], 3, pixel);
  }
}

}  // namespace

void convert_to_srgb(Image& image, Bytes profile, const Source& source) {
  if (profile.empty() || source.ignores_profiles) return;
  ToSrgb transform;
  transform.open(profile);
  if (transform.is(cmsSigRgbData) && transform.prepare(TYPE_RGB_8, TYPE_RGB_8)) return convert(image, transform);
  if (transform.is(cmsSigGrayData) && transform.prepare(TYPE_GRAY_8, TYPE_RGB_8)) return convert_gray(image, transform);
  source.notice("its colour profile cannot be used; the colours are taken as sRGB");
}

void convert_to_srgb(Image& image, Primaries primaries) {
  ToSrgb transform;
  transform.open(primaries);
  require(transform.is(cmsSigRgbData) && transform.prepare(TYPE_RGB_8, TYPE_RGB_8), "convert_to_srgb", "no profile was made");
  convert(image, transform);
}

Image rgb_of_cmyk(int width, int height, std::vector<std::uint8_t> samples, bool inverted, Bytes profile,
                  const Source& source) {
  Image image(width, height, 3);
  require(samples.size() == image.pixel_count() * 4, "rgb_of_cmyk", samples.size(), " samples");
  if (!profile.empty() && !source.ignores_profiles) {
    ToSrgb transform;
    transform.open(profile);
    if (transform.is(cmsSigCmykData) && transform.prepare(inverted ? TYPE_CMYK_8_REV : TYPE_CMYK_8, TYPE_RGB_8)) {
      transform.run(samples.data(), image.pixels.data(), image.pixel_count());
      return image;
    }
    source.notice("its colour profile cannot be used; its CMYK colours are converted without one");
  } else {
    source.notice("its CMYK colours come without a profile; they are converted without one");
  }
  constexpr int kFull = 255;
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    const std::uint8_t* ink = &samples[i * 4];
    for (std::size_t c = 0; c < 3; ++c) {
      const int free = inverted ? ink[c] : kFull - ink[c], white = inverted ? ink[3] : kFull - ink[3];
      image.pixels[i * 3 + c] = static_cast<std::uint8_t>((free * white + kFull / 2) / kFull);
    }
  }
  return image;
}

}  // namespace espalier::codec
