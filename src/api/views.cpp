// Views, turntables and contact sheets of assets.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "api/asset.h"
#include "api/observer_monitor.h"
#include "api/option_checks.h"
#include "api/painter.h"
#include "base/file.h"
#include "espalier/options.h"
#include "image/codec.h"
#include "io/process/video.h"
#include "render/views/contact_sheet.h"
#include "render/views/pixels.h"
#include "render/views/preview.h"
#include "session/job_clock.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr double kDegree = std::numbers::pi / 180.0;

// Of all views in one file.
void check_pixels(std::size_t views, const ViewRequest& r) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 28U;
  if (views * static_cast<std::uint64_t>(r.size) * static_cast<std::uint64_t>(r.size) > kMost) {
    fail(ErrorCode::invalid_argument, views, " views of ", r.size, " x ", r.size,
         " pixels are too many for one file, which holds ", kMost, " pixels", hint("choose smaller or fewer ones"));
  }
}

OrbitCamera orbit_of(const Viewpoint& from, const ViewRequest& r) {
  constexpr double kDistance = 2.0, kFov = 40.0;
  const double distance = r.distance.value_or(kDistance * std::tan(0.5 * kFov * kDegree) / std::tan(0.5 * r.fov * kDegree));
  return {.yaw = static_cast<float>(std::remainder(from.yaw, 360.0) * kDegree),
          .pitch = static_cast<float>(from.pitch * kDegree),
          .radius = static_cast<float>(distance),
          .fov_degrees = static_cast<float>(r.fov)};
}

using Bytes3 = std::array<std::uint8_t, 3>;

std::optional<Bytes3> background_of(const ViewRequest& r) {
  if (!r.background) return std::nullopt;
  Bytes3 bytes{};
  for (std::size_t c = 0; c < 3; ++c) bytes[c] = byte_of(static_cast<float>((*r.background)[c]));
  return bytes;
}

std::string lower_extension(const fs::path& path) {
  std::string text = path.extension().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void check_extension(const fs::path& path, const char* wanted) {
  if (lower_extension(path) != wanted) fail(ErrorCode::invalid_argument, path.string(), ": the name must end in ", wanted);
}

// Draws what one call asks for, and reports every view to the observer.
class Job final : public Monitor {
 public:
  Job(const Asset& asset, const std::string& device, const Observer& observer, Stage stage, int images)
      : exhibit_(exhibit_of(asset.data())),
        observer_(observer),
        cancellation_(observer),
        stage_(stage),
        images_(images),
        clock_({{stage, 0.2 * images, StageKind::finishing}}),
        painter_(make_painter(DeviceChoice::named(device), exhibit_, &cancellation_)) {
    progress(0, images_);
  }

  // Of images, or of the frames of a video.
  void progress(int done, int total) const override {
    if (observer_.progress) observer_.progress(clock_.at(stage_, done, total));
  }
  [[nodiscard]] bool cancelled() const override { return cancellation_.cancelled(); }

  [[nodiscard]] const Exhibit& exhibit() const { return exhibit_; }
  [[nodiscard]] Image frame(RenderStyle style, const Viewpoint& from, const ViewRequest& r,
                            const std::optional<Bytes3>& background) {
    return painter_->draw(style, !r.unlit, camera_of(orbit_of(from, r)),
                          {.width = r.size, .height = r.size, .background = background});
  }
  [[nodiscard]] Image image(RenderStyle style, const Viewpoint& from, const ViewRequest& r,
                            const std::optional<Bytes3>& background) {
    Image drawn = frame(style, from, r, background);
    progress(++done_, images_);
    return drawn;
  }

 private:
  Exhibit exhibit_;
  const Observer& observer_;
  ObserverMonitor cancellation_;
  Stage stage_;
  int images_, done_ = 0;
  mutable JobClock clock_;
  std::unique_ptr<Painter> painter_;
};

std::vector<RenderStyle> styles_of(const Exhibit& e) {
  std::vector<RenderStyle> styles;
  const auto add = [&](bool there, RenderStyle style) {
    if (there) styles.push_back(style);
  };
  const bool mesh = e.mesh != nullptr;
  add(e.gaussians != nullptr, RenderStyle::splats);
  add(e.radiance_field != nullptr, RenderStyle::radiance_field);
  add(mesh && is_textured(e), RenderStyle::textured);
  add(mesh && !e.mesh->colours.empty(), RenderStyle::colour);
  add(mesh, RenderStyle::clay);
  add(mesh, RenderStyle::normals);
  add(mesh, RenderStyle::wireframe);
  add(mesh && !e.mesh->uvs.empty(), RenderStyle::uv_checker);
  if (styles.empty()) styles.push_back(resolved_style(RenderStyle::automatic, e));  // which says what is missing
  return styles;
}

// One asset in one style, from all sides.
SheetRow sheet_row(Job& job, std::string name, RenderStyle style, const SheetRequest& request, const Bytes3& background) {
  SheetRow row{std::move(name), {}};
  for (int i = 0; i < request.views; ++i) {
    Viewpoint from = request.look.from;
    from.yaw += 360.0 * i / request.views;
    row.images.push_back(job.image(style, from, request.look, background));
  }
  return row;
}

}  // namespace

void render_view(const Asset& asset, const fs::path& png, const ViewRequest& request, const std::string& device,
                 const Observer& observer) {
  render_views(asset, png, std::array{request.from}, request, device, observer);
}

void render_views(const Asset& asset, const fs::path& png, std::span<const Viewpoint> from, const ViewRequest& request,
                  const std::string& device, const Observer& observer) {
  check_extension(png, ".png");
  check_views(request, from);
  check_pixels(from.size(), request);
  const RenderStyle style = resolved_style(request.style, exhibit_of(asset.data()));
  Job job(asset, device, observer, Stage::render_views, static_cast<int>(from.size()));
  std::vector<Image> images;
  images.reserve(from.size());
  for (const Viewpoint& v : from) images.push_back(job.image(style, v, request, background_of(request)));
  write_file(png, encode_png(images.size() == 1 ? images.front() : side_by_side(images)));
}

void render_turntable(const Asset& asset, const fs::path& video, const TurntableRequest& request, const std::string& device,
                      const Observer& observer) {
  const std::string extension = lower_extension(video);
  if (extension != ".mp4" && extension != ".webp")
    fail(ErrorCode::invalid_argument, video.string(), ": a turntable is an .mp4 or a .webp");
  check_turntable(request);
  const RenderStyle style = resolved_style(request.look.style, exhibit_of(asset.data()));
  const bool mp4 = extension == ".mp4";
  if (mp4 && !can_write_mp4()) {
    fail(ErrorCode::unsupported, video.string(), ": the program ffmpeg, which makes an MP4, is not there",
         hint("install it, or name the file .webp for an animation that "
              "needs no other program"));
  }
  VideoOptions options;
  options.frames_per_second = request.frames_per_second;
  options.frames = std::max(1, static_cast<int>(std::lround(request.seconds * request.frames_per_second)));
  options.comment = "Espalier " + version();
  std::optional<Bytes3> background = background_of(request.look);
  if (mp4 && !background) background = Bytes3{};
  Job job(asset, device, observer, Stage::render_turntable, options.frames);
  const FrameSource source = [&](int frame) {
    Viewpoint from = request.look.from;
    from.yaw += 360.0 * frame / options.frames;
    return job.frame(style, from, request.look, background);
  };
  write_file(video, mp4 ? encode_mp4(source, options, &job) : encode_animated_webp(source, options, &job));
}

void render_contact_sheet(const Asset& asset, const fs::path& png, const SheetRequest& request, const std::string& device,
                          const Observer& observer) {
  check_extension(png, ".png");
  check_sheet(request);
  const Exhibit exhibit = exhibit_of(asset.data());
  const std::vector<RenderStyle> styles = request.look.style == RenderStyle::automatic
                                              ? styles_of(exhibit)
                                              : std::vector{resolved_style(request.look.style, exhibit)};
  check_pixels(styles.size() * static_cast<std::size_t>(request.views), request.look);
  const Bytes3 background = background_of(request.look).value_or(Bytes3{255, 255, 255});
  Job job(asset, device, observer, Stage::render_contact_sheet, static_cast<int>(styles.size()) * request.views);
  std::vector<SheetRow> rows;
  for (const RenderStyle style : styles) {
    rows.push_back(sheet_row(job, std::string(name_of(style)), style, request, background));
  }
  write_file(png, encode_png(contact_sheet(rows, background)));
}

void render_comparison(std::span<const NamedAsset> assets, const fs::path& png, const SheetRequest& request,
                       const std::string& device, const Observer& observer) {
  check_extension(png, ".png");
  check_sheet(request);
  check_pixels(assets.size() * static_cast<std::size_t>(request.views), request.look);
  const Bytes3 background = background_of(request.look).value_or(Bytes3{255, 255, 255});
  std::vector<SheetRow> rows;
  for (const NamedAsset& named : assets) {
    const RenderStyle style = resolved_style(request.look.style, exhibit_of(named.asset.data()));
    Job job(named.asset, device, observer, Stage::render_contact_sheet, request.views);
    rows.push_back(sheet_row(job, named.name, style, request, background));
  }
  write_file(png, encode_png(contact_sheet(rows, background)));
}

bool can_write_mp4() { return has_ffmpeg(); }

}  // namespace espalier
